"""An HTTP server that answers as a script says: late, wrongly, or not at all."""

import contextlib
import itertools
import json
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DRIP = 0.05  # seconds between two bytes


class Misbehaving(ThreadingHTTPServer):
    """Each request takes the next step of the script, and the last one for ever."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = [answer({})]
        self.asked = []  # (method, path with query, headers, body)
        self.over = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._lock = threading.Lock()

    def does(self, *steps):
        """What it does from now on."""
        with self._lock:
            self.script, self.asked = list(steps), []

    def next(self):
        with self._lock:
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self.over.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """Clients that go away are what the tests are about."""


def answer(body, status=200, **headers):
    """Answer with JSON, or with a text or bytes as they are."""
    data = (
        body.encode()
        if isinstance(body, str)
        else body
        if isinstance(body, bytes)
        else json.dumps(body).encode()
    )

    def step(handler):
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    return step


def status(code, reason="", message="no", details=None, **headers):
    """Answer as an API server does that refuses."""
    told = {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details or {}}
    return answer(told, code, **headers)


def hang(handler):
    """Say nothing until the test is over."""
    handler.server.over.wait()


def drip(handler):
    """Answer a body a byte at a time, without an end."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    _drip(handler)


def slowly(body):
    """Answer with this a byte at a time, to its end."""

    def step(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        _drip(handler, body)

    return step


def drip_headers(handler):
    """The same, and not even headers come to an end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    _drip(handler)


def _drip(handler, content=None):
    pieces = itertools.repeat(b" ") if content is None else (bytes([one]) for one in content)
    with contextlib.suppress(OSError):  # who asked went away
        while (piece := next(pieces, b"")) and not handler.server.over.wait(DRIP):
            handler.wfile.write(piece)
            handler.wfile.flush()


def reset(handler):
    """Break the connection off as a host does that has gone."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    for part in (handler.rfile, handler.wfile, handler.connection):
        part.close()


def half(handler):
    """Promise more than is sent."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"items": [')
    handler.wfile.flush()
    reset(handler)


def stream(*changes):
    """Answer a watch with these changes, then end it."""
    return answer("".join(json.dumps(change) + "\n" for change in changes))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        size = int(self.headers.get("Content-Length") or 0)
        self.server.asked.append((self.command, self.path, dict(self.headers), self.rfile.read(size)))
        self.server.next()(self)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 (the base class names it so)

    def log_message(self, *arguments):
        pass
