"""Whose address counts behind proxies: what a proxy of ours wrote, and nothing that anybody could write."""

import pytest

from service.identity.forwarded import client

NEAR = ("10.0.0.0/8", "127.0.0.1", "2001:db8:1::/48")


@pytest.mark.parametrize(
    ("remote", "forwarded", "proxies", "counted"),
    [
        ("192.0.2.1", "", (), "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", (), "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", NEAR, "192.0.2.1"),
        ("10.0.0.1", "198.51.100.7", NEAR, "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7", NEAR, "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.0.0.2", NEAR, "198.51.100.7"),
        ("10.0.0.1", "", NEAR, "10.0.0.1"),
        ("10.0.0.1", "unknown", NEAR, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7, evil", NEAR, "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2, 10.0.0.3", NEAR, "10.0.0.2"),
        ("2001:db8:1::5", "2001:db8:2::1:2:3:4", NEAR, "2001:db8:2::"),
        ("2001:db8:2::9", "", (), "2001:db8:2::"),
        ("::ffff:192.0.2.1", "", (), "192.0.2.1"),
        ("::ffff:10.0.0.1", "198.51.100.7", NEAR, "198.51.100.7"),
        ("10.0.0.1", "::ffff:198.51.100.7", NEAR, "198.51.100.7"),
        ("::1", "203.0.113.9, ::ffff:10.0.0.2", ("::1", *NEAR), "203.0.113.9"),
        ("", "", (), ""),
    ],
)
def test_the_nearest_address_that_is_no_proxy_counts(remote, forwarded, proxies, counted):
    assert client(remote, forwarded, proxies) == counted
