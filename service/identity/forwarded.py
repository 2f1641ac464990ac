"""Whose address a request comes from, behind proxies: pure, over what the connection and the header say.

`X-Forwarded-For` is anybody's text. Only what a proxy of ours wrote at its end is believed: entries are
taken from the right for as long as they are proxies themselves.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network


def client(remote: str, forwarded: str, proxies: Sequence[str]) -> str:
    """The address that attempts are counted by. Of an IPv6 address its network counts: one client has all of
    it."""
    networks = [ip_network(text) for text in proxies]
    chain = [*(part.strip() for part in forwarded.split(",") if part.strip()), remote]
    while len(chain) > 1 and _within(chain[-1], networks):
        if not _is_address(chain[-2]):
            break
        chain.pop()
    return _counted(chain[-1])


def _within(text: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return _is_address(text) and any(ip_address(text) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _counted(text: str) -> str:
    if not _is_address(text):
        return text
    found = ip_address(text)
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or ip_network((found, 64), strict=False).network_address)
