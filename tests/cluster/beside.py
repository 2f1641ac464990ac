"""What stands beside a cluster on this machine and is reached from its pods: a database, a broker.

`outside` is the address of this machine that pods reach.
"""

import socket
import socketserver
import subprocess
import threading
from contextlib import contextmanager

from service.adapters.valkey import ValkeyDaemon
from service.settings import Settings
from tests.running import free_port


@contextmanager
def database(postgres, outside):
    """A new database's URL: PostgreSQL listens on a socket, and a port passes on to it."""
    url = postgres.new_database()
    name, path = url.rpartition("@/")[2].split("?unix_sock=")
    with _passed_on(outside, path) as port:
        yield f"postgresql://segue@{outside}:{port}/{name}"


@contextmanager
def broker(folder, outside):
    """The URL of a Valkey of its own."""
    program, port = ValkeyDaemon.open(Settings(home=folder)).program(), free_port()
    options = ["--bind", outside, "--port", str(port), "--requirepass", "broker", "--save", ""]
    process = subprocess.Popen([program, *options, "--dir", str(folder)], stdout=subprocess.DEVNULL)
    try:
        yield f"redis://:broker@{outside}:{port}/0"
    finally:
        process.kill()
        process.wait()


@contextmanager
def _passed_on(host, path):
    """A port of this machine whose connections go on to a unix socket."""

    class Pass(socketserver.BaseRequestHandler):
        def handle(self):
            with socket.socket(socket.AF_UNIX) as there:
                there.connect(path)
                back = threading.Thread(target=_copy, args=(there, self.request), daemon=True)
                back.start()
                _copy(self.request, there)
                back.join()

    with socketserver.ThreadingTCPServer((host, 0), Pass) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def _copy(source, target):
    try:
        while chunk := source.recv(1 << 16):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # either side ended; so does the other
