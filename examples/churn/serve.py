"""Serves model.json on $HOST:$PORT: POST /predict {"months": 7, "calls": 2} says who stays; GET /healthz."""

import json
import math
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

with open("model.json") as file:
    MODEL = json.load(file)


def score(months, calls):
    """How likely a customer leaves who has been one for so long and called so often, from 0 to 1."""
    weight = MODEL["newcomers"] if months < 12 else 1.0
    return 1 / (1 + math.exp((months - weight * MODEL["calls"] * calls) / 10))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 75

    def do_GET(self):
        known = self.path == "/healthz"
        self.answer(200 if known else 404, {"status": "ok"} if known else {"error": "GET /healthz"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            asked = json.loads(body)
            likely = score(float(asked["months"]), float(asked["calls"]))
            self.answer(200, {"predictions": ["leaves" if likely > 0.5 else "stays"], "scores": [likely]})
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            self.answer(400, {"error": f"{type(error).__name__} {error}"})

    def answer(self, status, told):
        content = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Requests are counted at the router."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


if __name__ == "__main__":
    server = Server((os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080"))), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
