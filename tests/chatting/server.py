"""A chat's API for tests, by its documented contract: it keeps state, and refuses as the chat does."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit


class ChatServer(ThreadingHTTPServer):
    """`answer(method, path, query, body)` of a chat's own class says what is answered: a status and JSON."""

    daemon_threads = True
    token = "a-token-of-the-test"

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.script = []  # (status, body) that come before all others, once each
        self.asked = []  # (method, path)
        self.lock = threading.RLock()

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """Clients that go away are no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def _do(self):
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        parts = urlsplit(self.path)
        server = self.server
        with server.lock:
            server.asked.append((self.command, parts.path))
            if server.script:
                status, told = server.script.pop(0)
            elif self.headers.get("Authorization") != f"Bearer {server.token}":
                status, told = server.stranger()
            else:
                body = json.loads(raw) if raw else {}
                query = dict(parse_qsl(parts.query))
                status, told = server.answer(self.command, unquote(parts.path), query, body)
        content = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _do  # noqa: N815
