"""A server that answers what a test told it to, over real HTTP."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Answers by path: (status, headers, body), or a function of the request's headers that gives those.

    Remembers who asked what.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = {}
        self.default = (200, {}, b"{}")
        self.asked = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def answer(self, path, status=200, body=b"{}", **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers[path] = (status, {k.replace("_", "-"): v for k, v in headers.items()}, data)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        size = int(self.headers.get("Content-Length") or 0)
        self.server.asked.append((self.command, path, query, dict(self.headers), self.rfile.read(size)))
        known = self.server.answers.get(self.path) or self.server.answers.get(path)
        status, headers, body = (known(self.headers) if callable(known) else known) or self.server.default
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 (the base class names it so)

    def log_message(self, *arguments):
        pass
