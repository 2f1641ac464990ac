"""Where connections to addresses may go that a server named, and not the person who connected that server.

What a name resolves to is judged once, and gone to: asked a second time it may resolve to something else. A
server in the open network sends nobody into a network behind it, and none sends anybody to a place that
answers whoever is on its machine with secrets.
"""

import socket
from collections.abc import Iterator
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from service.ports.outcomes import Refused

Address = IPv4Address | IPv6Address

_TRANSLATED = ip_network("64:ff9b::/96")  # IPv4 behind NAT64, RFC 6052
# The metadata services of clouds, beside those that are link-local: Amazon's, Alibaba's, Oracle's.
_SECRETS = frozenset(map(ip_address, ("fd00:ec2::254", "100.100.100.200", "192.0.0.192")))


class Depth(IntEnum):
    """How far inside an address lies."""

    OPEN = 0  # the internet's
    PRIVATE = 1  # an organisation's
    HERE = 2  # this machine's
    NEVER = 3  # a neighbour's by link, a cloud's metadata, nobody's


def depth(address: Address) -> Depth:
    """How far inside; of an IPv4 address that is written as IPv6, that one's."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _TRANSLATED:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return depth(inner)
    if address.is_loopback:
        return Depth.HERE
    if (
        address in _SECRETS
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
    ):
        return Depth.NEVER
    return Depth.OPEN if address.is_global and not getattr(address, "is_site_local", False) else Depth.PRIVATE


class Own:
    """A connected server's own address: whoever connected it chose it, wherever it lies."""

    def __init__(self) -> None:
        self.depth: Depth | None = None  # the least that was seen; None: not reached yet

    def addresses(self, host: str, _port: int) -> Iterator[str]:
        """What is gone to: what the name says."""
        yield host

    def reached(self, connection: socket.socket) -> None:
        """The other end of a connection that was made."""
        found = depth(parsed(connection.getpeername()[0]))
        self.depth = found if self.depth is None else min(found, self.depth)


class Elsewhere:
    """Addresses that the server names: none that lies further inside than itself."""

    def __init__(self, own: Own) -> None:
        self._own = own

    def addresses(self, host: str, port: int) -> Iterator[str]:
        """Those of the name that may be gone to. Raises `Refused` where none may."""
        most = min(self._own.depth or Depth.OPEN, Depth.HERE)
        allowed = [one for one in _resolved(host, port) if depth(parsed(one)) <= most]
        if not allowed:
            raise Refused(f"it sends to {host}, an address further inside a network than its own")
        yield from allowed

    def reached(self, connection: socket.socket) -> None:
        """Nothing is learnt from it."""


class Chosen:
    """An address that an operator chose to be told something, wherever it lies but where nobody is told:
    neighbours by link, a cloud's metadata."""

    def addresses(self, host: str, port: int) -> Iterator[str]:
        """Those of the name that may be gone to. Raises `Refused` where none may."""
        allowed = [one for one in _resolved(host, port) if depth(parsed(one)) < Depth.NEVER]
        if not allowed:
            raise Refused(
                f"{host} is an address at which nobody is told anything; connect the receiver's own"
            )
        yield from allowed

    def reached(self, connection: socket.socket) -> None:
        """Nothing is learnt from it."""


Reach = Own | Elsewhere | Chosen


def _resolved(host: str, port: int) -> list[str]:
    try:
        return [str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except UnicodeError:
        raise Refused(f"{host[:80]} is no name of a server") from None


def parsed(address: str) -> Address:
    """An address as it is resolved, without the link that it may name."""
    return ip_address(address.partition("%")[0])
