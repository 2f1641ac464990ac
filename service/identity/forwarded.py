"""Whose address a request comes from, behind proxies: pure, over what the connection and the header say.

`X-Forwarded-For` is anybody's text. Only what a proxy of ours wrote at its end is believed: entries are
taken from the right for as long as they are proxies themselves.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network


def client(remote: str, forwarded: str, proxies: Sequence[str]) -> str:
    """The address that attempts are counted by. Of an IPv6 address its network counts: one client has all of
    it."""
    networks = [ip_network(text) for text in proxies]
    chain = [*(part.strip() for part in forwarded.split(",") if part.strip()), remote]
    while len(chain) > 1 and _within(chain[-1], networks):
        if _address(chain[-2]) is None:
            break
        chain.pop()
    return _counted(chain[-1])


def _within(text: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    found = _address(text)
    return found is not None and any(found in network for network in networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address; of an IPv4 one that a socket for both writes as IPv6, that one."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def _counted(text: str) -> str:
    found = _address(text)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, 64), strict=False).network_address)
    return text if found is None else str(found)
