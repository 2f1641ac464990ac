"""S4: addresses that a repository, or a host's answer, names are never gone to."""

import http.server
import socket
import threading

import pytest

from service.adapters.hosts.mirror import Mirror, Way
from service.adapters.hosts.rest import Rest
from service.bootstrap import Site
from service.ports.connections import Cluster, Source
from service.ports.outcomes import PortError
from service.sources import opened
from tests.faults.harness import told
from tests.scenarios.conftest import World

pytestmark = pytest.mark.faults
LEAST = 60
# Ways to write this machine, a cloud's metadata, and what parsers differ about; `{port}` is the trap's.
HOSTS = (
    "127.0.0.1", "127.1", "127.0.1", "0", "0.0.0.0",  # noqa: S104
    "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1",
    "127.0.0.1.", "localhost", "LOCALHOST", "localhost.", "localhost.localdomain", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[fe80::1]", "169.254.169.254", "[fd00:ec2::254]",
    "metadata.google.internal", "metadata", "192.0.0.192", "100.100.100.200", "10.0.0.1", "172.16.0.1", "192.168.0.1",
    "127.0.0.1%00.example", "127.0.0.1#.example", "example@127.0.0.1", "example:x@127.0.0.1", "127.0.0.1\\@example",
    "example\\@127.0.0.1", "１２７.0.0.1", "127。0。0。1", "ⓛocalhost", "127.0.0.1\t", " 127.0.0.1", "127.0.0.1\n",
)  # fmt: skip
FORMS = ("{host}:{port}/acme/x:1-*", "http://{host}:{port}/acme/x:1-*", "https://{host}/acme/x:main-*")
SCHEMES = (
    "file:///etc/passwd", "ftp://127.0.0.1:{port}/x", "gopher://127.0.0.1:{port}/x", "unix:///run/docker.sock",
    "dict://127.0.0.1:{port}/x", "//127.0.0.1:{port}/x", "data:text/plain,x", "ext::sh -c id", "../../x", "{{x}}",
)  # fmt: skip
MODEL = """\
name: named
image: {image!r}
serve: {{port: 8080}}
strategy: bluegreen
warm_up: 0s
watch: 10s
"""


class Server(http.server.ThreadingHTTPServer):
    """Answers everything alike, and counts; `location` is where it sends everybody."""

    daemon_threads = True

    def __init__(self, status=404, location=""):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.location, self.challenge, self.asked = status, location, "", []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def end(self):
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location + self.path)
        if self.server.challenge:
            self.send_header("WWW-Authenticate", self.server.challenge)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_HEAD = do_PUT = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def trap():
    server = Server(200)
    yield server
    server.end()


def test_no_address_that_a_declaration_names_is_gone_to(tmp_path, trap, monkeypatch):
    """A registry is connected; a repository names images at all kinds of other places."""
    registry, world = Server(404), World(tmp_path)
    asked, resolved = [], []
    real, look_up = socket.socket.connect, socket.getaddrinfo
    try:
        site = Site(world.workloads, world.jobs, world.router, world.metrics, lambda *_: "asked")
        world.parts.open_site = lambda *_: site
        with world.store.change() as change:  # where images run that others built
            change.save_cluster(Cluster("prod", namespace="ml", default=True))
        source = Source("images", "registry", registry.url)
        world.connect(source, opened(world.settings, source))

        def connect(self, address):
            asked.append(address)
            return real(self, address)

        def resolve(host, *more, **named):
            resolved.append(host)
            return look_up(host, *more, **named)

        monkeypatch.setattr(socket.socket, "connect", connect)
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        names = [form.format(host=h, port=trap.server_port) for h in HOSTS for form in FORMS]
        names += [one.format(port=trap.server_port) for one in SCHEMES]
        for name in names:
            world.push({"segue.yaml": MODEL.format(image=name)})
            world.clock.now += world.settings.sweep_seconds
            world.settle(0.5)
        own = f"127.0.0.1:{registry.server_port}/acme/x:1-*"
        before = len(registry.asked)
        world.push({"segue.yaml": MODEL.format(image=own)})
        world.clock.now += world.settings.sweep_seconds
        world.settle(1.0)
        elsewhere = [one for one in asked if one[:2] != ("127.0.0.1", registry.server_port)]
        told(
            "addresses in declarations",
            tried=len(names),
            calls_of_the_registry=len(registry.asked),
            elsewhere=len(elsewhere),
            trapped=len(trap.asked),
        )
        assert elsewhere == []
        assert set(resolved) <= {"127.0.0.1"}
        assert trap.asked == []
        assert len(registry.asked) > before, "the registry that is connected was never asked"
        assert len(names) >= LEAST
    finally:
        monkeypatch.undo()
        world.close()
        registry.end()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_host_that_sends_elsewhere_is_not_followed(tmp_path, trap, status):
    host = Server(status, trap.url)
    try:
        rest = Rest(host.url, "git", lambda: "token a-login")
        for ask in (
            lambda: rest.get("/x"),
            lambda: rest.send("POST", "/x", {}),
            lambda: list(rest.pages("/x")),
        ):
            with pytest.raises(PortError):
                ask()
        mirror = Mirror(tmp_path / "mirror", f"{host.url}/acme/x.git", host.url, "git")
        with pytest.raises(PortError):
            mirror.fetch(Way("Bearer a-login"))
        assert len(host.asked) >= 4
        assert trap.asked == []
    finally:
        host.end()
