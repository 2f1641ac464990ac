"""A receiver of webhooks for tests: it verifies as its owners do, keeps what is new to it, and can be broken."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from handlers import signing
from handlers.errors import Unverified

WINDOW = 300.0


class Receiver(ThreadingHTTPServer):
    """`told` are the bodies of what was verified, by webhook-id; `came` all tries: id, timestamp, status.

    `script` holds answers (status and headers) that come before all others, once each.
    """

    daemon_threads = True

    def __init__(self, secrets=(), now=time.time):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/segue"
        self.secrets, self.now, self.told, self.came, self.script, self.headers = secrets, now, {}, [], [], []
        self.lock = threading.Lock()

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """Clients that go away are no news."""

    def take(self, headers, body):
        """The status of a delivery."""
        if self.script:
            return self.script.pop(0)
        try:
            signing.standard(self.secrets, headers, body, self.now(), WINDOW)
        except Unverified:
            return 401, {}
        self.told.setdefault(headers["webhook-id"], json.loads(body))
        return 204, {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.server.lock:
            status, more = self.server.take(headers, body)
            self.server.came.append((headers.get("webhook-id"), headers.get("webhook-timestamp"), status))
            self.server.headers.append(headers)
        self.send_response(status)
        for name, value in ({"Content-Length": "0"} | more).items():
            self.send_header(name, value)
        self.end_headers()
