"""A proxy before an API server that misbehaves as a test says, and counts what it is asked.

Segue talks to it in plain HTTP on loopback, by a kubeconfig of its own. It talks to the real server
with the login of the kubeconfig that it was given, or with the bearer token that a call brings along.
Watches and logs pass as they come. It knows nothing of what Segue means by its calls.
"""

import http.client
import json
import select
import socket
import struct
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from tests.cluster.faults import Call, Fault, Rule, call_of, never
from tests.cluster.upstream import Upstream

SLOW_SECONDS = 1.0
LATE_SECONDS = 2.0  # after the caller gave up
RETRY_AFTER = 1  # seconds, in every 429
_PIECE = 1 << 16
_HOP = {"connection", "host", "keep-alive", "transfer-encoding", "content-length"}


class FaultyApi(ThreadingHTTPServer):
    """The proxy; a context manager. What it does wrong is switched with `does`, at any time."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, kubeconfig: str | Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = Upstream.of(Path(kubeconfig))
        self.over = threading.Event()
        self.calls: list[Call] = []
        self.done: list[tuple[Call, Fault]] = []  # what went wrong
        self.statuses: Counter[int] = Counter()  # of the real server's answers
        self.denied: list[tuple[Call, str]] = []  # 403 by the real server, with its words
        self.used: set[tuple[str, str]] = set()  # rights that the real server granted
        self._rule: Rule = never
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def kubeconfig(self, path: Path, token: str | None = None) -> str:
        """Write a kubeconfig that leads through the proxy; with a token its calls are of that login."""
        told = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "faulty",
            "clusters": [{"name": "faulty", "cluster": {"server": self.url}}],
            "users": [{"name": "faulty", "user": {"token": token} if token else {}}],
            "contexts": [{"name": "faulty", "context": {"cluster": "faulty", "user": "faulty"}}],
        }
        path.write_text(json.dumps(told))
        return str(path)

    def does(self, rule: Rule) -> None:
        """From now on; calls are counted from 0 again."""
        with self._lock:
            self._rule = rule
            self.calls, self.done = [], []

    def counts(self) -> Counter[tuple[str, str]]:
        """Calls by verb and resource, since the last change of the rule."""
        with self._lock:
            return Counter(call.right for call in self.calls)

    def note(self, method: str, path: str) -> tuple[Call, Fault | None]:
        """Count the call; what has to go wrong with it."""
        with self._lock:
            call = call_of(len(self.calls), method, path)
            self.calls.append(call)
            fault = self._rule(call)
            if fault is not None:
                self.done.append((call, fault))
            return call, fault

    def answered(self, call: Call, status: int, content: bytes) -> None:
        """Note what the real server said of it; `content` where the status is 403."""
        with self._lock:
            self.statuses[status] += 1
            if status == 403 and b"cannot " in content:  # else an admission plugin's no
                self.denied.append((call, content.decode("utf-8", "replace")))
            elif status != 401:
                self.used.add(call.right)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()
        self.upstream.close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are what it is for."""


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client, with one connection of its own to the real server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FaultyApi

    def setup(self) -> None:
        super().setup()
        self._forwarding: http.client.HTTPConnection | None = None

    def finish(self) -> None:
        super().finish()
        if self._forwarding is not None:
            self.server.upstream.release(self._forwarding)

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call, fault = self.server.note(self.command, self.path)
        match fault:
            case Fault.DROP_BEFORE:
                self._reset()
            case Fault.HANG:
                self._hang()
            case Fault.LATE:
                self._hang()
                self.server.over.wait(LATE_SECONDS)
                self._forwarded(call, fault, body)
            case Fault.ERROR_BEFORE:
                self._refuse(500, "InternalError")
            case Fault.UNAVAILABLE:
                self._refuse(503, "ServiceUnavailable")
            case Fault.BUSY:
                self._refuse(429, "TooManyRequests")
            case Fault.CONFLICT:
                self._refuse(409, "Conflict")
            case Fault.EXPIRED:
                self._refuse(410, "Expired")
            case _:
                self._forwarded(call, fault, body)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 (the base class names it so)

    def _forwarded(self, call: Call, fault: Fault | None, body: bytes) -> None:
        try:
            answer = self._ask(body)
            first = answer.read() if answer.status == 403 or fault in _AFTERWARDS else b""
        except (OSError, http.client.HTTPException):
            self._reset()  # as the client would have seen it without us
            return
        self.server.answered(call, answer.status, first)
        match fault:
            case Fault.DROP_AFTER | Fault.LATE:
                self._reset()
            case Fault.HANG_AFTER:
                self._hang()
            case Fault.ERROR_AFTER:
                self._refuse(500, "InternalError")
            case Fault.SLOW:
                self.server.over.wait(SLOW_SECONDS)
                self._pass_on(answer, first)
            case Fault.CUT:
                self._cut(answer, first)
            case _:
                self._pass_on(answer, first)

    def _ask(self, body: bytes) -> http.client.HTTPResponse:
        upstream = self.server.upstream
        if self._forwarding is None:
            self._forwarding = upstream.connect(by_token="Authorization" in self.headers)
        kept = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        login = {} if "Authorization" in self.headers else upstream.headers
        self._forwarding.request(self.command, self.path, body or None, {**kept, **login})
        return self._forwarding.getresponse()

    def _pass_on(self, answer: http.client.HTTPResponse, first: bytes) -> None:
        """Send the answer as it comes, piece by piece."""
        self._head(answer)
        try:
            while piece := first or answer.read1(_PIECE):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                first = b""
            answer.read()  # nothing is left, but only so it knows that the connection is free again
        except (OSError, http.client.HTTPException):
            self._reset()
            return
        self.wfile.write(b"0\r\n\r\n")

    def _cut(self, answer: http.client.HTTPResponse, first: bytes) -> None:
        """Promise a piece, and break off in the middle of it."""
        self._head(answer)
        piece = first or answer.read1(_PIECE)
        self.wfile.write(b"%x\r\n%s" % (len(piece) + 1, piece[: len(piece) // 2]))
        self._reset()

    def _head(self, answer: http.client.HTTPResponse) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _refuse(self, status: int, reason: str) -> None:
        words = {"message": "the proxy of the test says so", "reason": reason, "code": status}
        body = json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", **words}).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 429:
            self.send_header("Retry-After", str(RETRY_AFTER))
        self.end_headers()
        self.wfile.write(body)

    def _hang(self) -> None:
        """Say nothing until the client has gone."""
        while not self.server.over.is_set():
            if select.select([self.connection], [], [], 0.2)[0]:
                break
        self.close_connection = True

    def _reset(self) -> None:
        """Break the connection as a host does that has gone."""
        self.wfile.flush()
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for part in (self.rfile, self.wfile, self.connection):
            part.close()

    def log_message(self, *arguments: object) -> None:
        """The test counts calls; nobody reads them."""


_AFTERWARDS = frozenset({Fault.DROP_AFTER, Fault.LATE, Fault.HANG_AFTER, Fault.ERROR_AFTER})
