"""Real processes for tests: Traefik and Valkey from the daemons' own orders, and tiny model servers."""

import http.server
import subprocess
import threading
import time

from service.adapters.process import ports
from service.adapters.traefik.daemon import TraefikDaemon
from service.settings import Settings


def free_port():
    """One that no outgoing connection takes before it is used: those have a range of their own."""
    return ports.free(set())


def wait_until(true, seconds=20.0):
    """Wait for a condition; fail where it does not come. It is asked less often the longer it takes."""
    began = time.monotonic()
    while not true():
        waited = time.monotonic() - began
        if waited > seconds:
            raise AssertionError("it did not become so in time")
        time.sleep(min(max(0.01, waited / 20), 0.05))


class Daemon:
    """A daemon's order, run as a child of the test."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.process = None

    def start(self):
        order = self.daemon.order()
        self.process = subprocess.Popen(
            order.argv, env=dict(order.env), cwd=order.cwd, stdout=subprocess.DEVNULL
        )
        wait_until(lambda: self.daemon.ready() or self.process.poll() is not None)
        assert self.process.poll() is None, "the daemon ended at once"
        return self

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Traefik(Daemon):
    """Traefik in a home of its own, on free ports."""

    def __init__(self, home, **settings):
        self.settings = Settings(home=home, router_port=free_port(), **settings)
        super().__init__(TraefikDaemon.open(self.settings))


class Model(http.server.ThreadingHTTPServer):
    """A model server that says its name and the path it was asked for; `status` is what it answers."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, name, host="127.0.0.1"):
        super().__init__((host, 0), _Handler)
        self.name = name
        self.status = 200
        self.heard = {}  # the headers of the last request
        self.asked = []  # the path of each
        self.hold = None  # an event: answer only once it is set
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.heard = self.headers
        self.server.asked.append(self.path)
        size = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(size)
        if self.server.hold is not None:
            self.server.hold.wait(10)
        body = f"{self.server.name} {self.path}".encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Version", self.server.name)
        # Head and body in one write, or delayed acknowledgements make each answer take 40 ms.
        self._headers_buffer.append(b"\r\n" + body)
        self.flush_headers()

    do_POST = do_GET  # noqa: N815 (the base class names it so)

    def log_message(self, *arguments):
        pass
