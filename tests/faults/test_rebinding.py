"""S4: names that say one address when they are judged and another when they are gone to.

A registry is connected; what it answers sends a reader to names whose owner is its enemy. Names are looked up
through one that tells something else each time; connections are real ones, and traps count who comes.
"""

import itertools
import socket

import pytest

from service.adapters import reach
from service.adapters.oci.remote import Remote
from service.adapters.reach import Depth
from service.ports.outcomes import PortError
from tests.faults.harness import told
from tests.faults.test_named_addresses import Server

pytestmark = pytest.mark.faults
LEAST = 60
OUTSIDE = "93.184.216.34"
# Each way to write an address inside that a name can resolve to.
INSIDE = (
    "127.0.0.1", "127.0.0.2", "127.255.255.254", "0.0.0.0", "169.254.169.254", "169.254.170.2",  # noqa: S104
    "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.100.100.200", "192.0.0.192", "198.18.0.1", "224.0.0.1",
    "240.0.0.1", "::1", "::", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::",
    "fe80::1", "fec0::1", "fd00:ec2::254", "fc00::1", "ff02::1",
)  # fmt: skip
STATUSES = (301, 302, 303, 307, 308)


class Names:
    """What names resolve to: of each a list of addresses, told one after another, and the last for ever."""

    def __init__(self, monkeypatch):
        self.said, self.asked, self.gone_to = {}, [], []
        real, connect = socket.getaddrinfo, socket.socket.connect

        def resolve(host, port, *more, **named):
            if host not in self.said:
                return real(host, port, *more, **named)
            self.asked.append(host)
            answers = self.said[host]
            return real(answers.pop(0) if len(answers) > 1 else answers[0], port, *more, **named)

        def going(one, address):
            self.gone_to.append(address[0])
            if address[0] == OUTSIDE:
                raise ConnectionRefusedError("it is a name in this test")
            return connect(one, address)

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        monkeypatch.setattr(socket.socket, "connect", going)


@pytest.fixture
def names(monkeypatch):
    return Names(monkeypatch)


@pytest.fixture
def registry(monkeypatch):
    """One of the open network, as far as the product can tell."""
    server = Server(307)
    monkeypatch.setattr(reach.Own, "reached", lambda own, _connection: setattr(own, "depth", Depth.OPEN))
    yield server
    server.end()


@pytest.fixture
def trap():
    server = Server(200)
    yield server
    server.end()


def read(registry):
    """Look for tags, as a sweep does."""
    remote = Remote(registry.url, None, actions="pull", seconds=(2, 2), store="write it")
    with pytest.raises(PortError):
        remote.content(remote.ask("GET", "/tags/list", "acme/x", allowed={200}), 1 << 20)


def test_a_registry_outside_sends_nobody_inside(names, registry, trap):
    tried = 0
    for (number, inside), status, scheme in itertools.product(enumerate(INSIDE), STATUSES, ("http", "https")):
        host = f"rebinding-{number}-{status}-{scheme}.example"
        # What was judged is gone to, so that the first answer may be good and each later one is not.
        for answers in ([inside], [OUTSIDE, inside]):
            names.said[host] = answers
            registry.status, registry.location = status, f"{scheme}://{host}:{trap.server_port}"
            read(registry)
            tried += 1
        shown = f"[{inside}]" if ":" in inside else inside
        registry.location = f"{scheme}://{shown}:{trap.server_port}"
        read(registry)
        tried += 1
    elsewhere = [one for one in names.gone_to if one not in {OUTSIDE, "127.0.0.1"}]
    own = sum(one == "127.0.0.1" for one in names.gone_to)
    told(
        "names that are bound anew",
        tried=tried,
        looked_up=len(names.asked),
        gone_outside=names.gone_to.count(OUTSIDE),
        gone_inside=len(elsewhere) + own - len(registry.asked),
        trapped=len(trap.asked),
    )
    assert tried >= LEAST
    assert names.gone_to.count(OUTSIDE) > 0, "what was judged good was never gone to"
    assert elsewhere == []
    assert own == len(registry.asked), "this machine was gone to for more than the registry"
    assert trap.asked == []


def test_a_registry_outside_whose_token_service_is_inside_is_told_no_login(names, registry, trap):
    names.said["tokens.example"] = ["127.0.0.1"]
    registry.status = 401
    registry.challenge = f'Bearer realm="https://tokens.example:{trap.server_port}/t",service="x"'
    read(registry)
    assert names.asked == ["tokens.example"]
    assert trap.asked == []
    assert names.gone_to == ["127.0.0.1"] * len(registry.asked)


def test_a_registry_of_this_machine_may_send_to_its_bucket_here_and_not_to_a_clouds_secrets(names, trap):
    server = Server(307, trap.url)
    try:
        remote = Remote(server.url, None, actions="pull", seconds=(2, 2), store="write it")
        assert remote.ask("GET", "/tags/list", "acme/x", allowed={200}).status_code == 200
        assert len(trap.asked) == 1
        server.location = "http://169.254.169.254"
        read(server)
        assert "169.254.169.254" not in names.gone_to
    finally:
        server.end()


@pytest.mark.parametrize(
    ("address", "depth"),
    [
        ("8.8.8.8", Depth.OPEN), ("2606:4700::1111", Depth.OPEN), ("10.1.2.3", Depth.PRIVATE),
        ("100.64.0.1", Depth.PRIVATE), ("fc00::1", Depth.PRIVATE), ("fec0::1", Depth.PRIVATE),
        ("127.0.0.1", Depth.HERE), ("::1", Depth.HERE), ("::ffff:7f00:1", Depth.HERE), ("2002:7f00:1::", Depth.HERE),
        ("64:ff9b::a9fe:a9fe", Depth.NEVER), ("64:ff9b::808:808", Depth.OPEN), ("169.254.169.254", Depth.NEVER),
        ("fd00:ec2::254", Depth.NEVER), ("100.100.100.200", Depth.NEVER), ("192.0.0.192", Depth.NEVER),
        ("0.0.0.0", Depth.NEVER), ("::", Depth.NEVER), ("fe80::1%eth0", Depth.NEVER),  # noqa: S104
    ],
)  # fmt: skip
def test_how_far_inside_an_address_lies(address, depth):
    assert reach.depth(reach.parsed(address)) is depth


def test_it_finds_a_name_that_is_looked_up_twice(names, registry, trap, monkeypatch):
    """Planted: the name is judged, and then the name is connected to."""
    real = reach.Elsewhere.addresses

    def judged(self, host, port):
        list(real(self, host, port))
        yield host

    monkeypatch.setattr(reach.Elsewhere, "addresses", judged)
    names.said["rebinding.example"] = [OUTSIDE, "127.0.0.1"]
    registry.location = f"http://rebinding.example:{trap.server_port}"
    remote = Remote(registry.url, None, actions="pull", seconds=(2, 2), store="write it")
    assert remote.ask("GET", "/tags/list", "acme/x", allowed={200}).status_code == 200
    assert len(trap.asked) == 1
