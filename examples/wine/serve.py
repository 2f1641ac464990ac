"""Serves model.joblib on $HOST:$PORT: POST /predict {"instances": [[13 numbers], ...]}; GET /healthz."""

import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import joblib
import numpy

NAME = os.environ.get("SEGUE_VERSION", "local")
KEPT = joblib.load("model.joblib")


def predict(instances):
    """The grower of each wine. Raises ValueError for what is no list of 13 numbers each."""
    rows = numpy.asarray(instances, dtype=float)
    if rows.ndim != 2 or rows.shape[1] != 13 or not numpy.isfinite(rows).all():
        raise ValueError('send {"instances": [[13 numbers], ...]}')
    return KEPT["pipeline"].predict(rows[:, : KEPT["features"]]).tolist()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 75

    def do_GET(self):
        known = self.path == "/healthz"
        self.answer(200 if known else 404, {"status": "ok"} if known else {"error": "GET /healthz"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/predict":
            self.answer(404, {"error": "POST /predict"})
            return
        try:
            self.answer(200, {"predictions": predict(json.loads(body)["instances"])})
        except (ValueError, KeyError, TypeError) as error:
            self.answer(400, {"error": str(error)})
        except Exception as error:
            self.answer(500, {"error": str(error)})

    def answer(self, status, told):
        content = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Model-Version", NAME)
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
    print(f"{NAME} serves on {server.server_address[1]}", flush=True)
    server.serve_forever()
