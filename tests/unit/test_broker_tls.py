"""A broker over TLS is checked unless its URL says that it shall not be."""

import ssl

import pytest

from service.broker_tls import parted

CHECKED, UNCHECKED = ssl.CERT_REQUIRED, ssl.CERT_NONE


@pytest.mark.parametrize("broker", ["", "redis://host/0?ssl_ca_certs=/x", "amqp://u:p@host//", "memory://"])
def test_a_broker_without_tls_is_left_as_it_is(broker):
    assert parted(broker) == (broker, None)


@pytest.mark.parametrize(
    ("broker", "address", "options"),
    [
        ("rediss://r:6380/0", "rediss://r:6380/0", {"ssl_cert_reqs": CHECKED, "ssl_check_hostname": True}),
        (
            "rediss://r/0?ssl_cert_reqs=none",
            "rediss://r/0",
            {"ssl_cert_reqs": UNCHECKED, "ssl_check_hostname": False},
        ),
        (
            "rediss://r/0?ssl_ca_certs=%2Fetc%2Fca.pem&health_check_interval=5",
            "rediss://r/0?health_check_interval=5",
            {"ssl_ca_certs": "/etc/ca.pem", "ssl_cert_reqs": CHECKED, "ssl_check_hostname": True},
        ),
        ("amqps://u:p@mq//", "amqps://u:p@mq//", {"cert_reqs": CHECKED, "server_hostname": None}),
        ("amqps://mq?ssl_cert_reqs=CERT_NONE", "amqps://mq", {"cert_reqs": UNCHECKED}),
        (
            "amqps://a//?ssl_ca_certs=/ca.pem;amqps://b//?ssl_certfile=/c.pem&ssl_keyfile=/k.pem",
            "amqps://a//;amqps://b//",
            {
                "ca_certs": "/ca.pem",
                "certfile": "/c.pem",
                "keyfile": "/k.pem",
                "cert_reqs": CHECKED,
                "server_hostname": None,
            },
        ),
    ],
)
def test_options_leave_the_url_and_authority_and_name_are_checked(broker, address, options):
    assert parted(broker) == (address, options)
