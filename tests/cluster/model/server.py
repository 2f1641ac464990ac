"""A model server for tests on a cluster: what it does is said by its environment, nothing is learnt.

VERSION          what it calls itself, in the body and in the header X-Version
PORT             where it listens (8080)
ERROR_RATE       the part of predictions answered with 500, spread evenly: 0.05 is every twentieth
LATENCY_SECONDS  how long a prediction takes at least
CPU_SECONDS      how long it keeps a processor busy
READY_SECONDS    how long after its start it says that it is ready
CRASH_SECONDS    how long after its start it ends by itself, with code 3
HUNGRY_SECONDS   how long after its start it asks for all the memory there is
DRAIN_SECONDS    how long it goes on to answer after SIGTERM, while it says that it is not ready

GET /ready, GET /metrics (Prometheus); any other path is a prediction.
"""

import json
import os
import signal
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = os.environ.get("VERSION", "1")
ERROR_RATE = float(os.environ.get("ERROR_RATE", "0"))
LATENCY = float(os.environ.get("LATENCY_SECONDS", "0"))
CPU = float(os.environ.get("CPU_SECONDS", "0"))
READY = time.monotonic() + float(os.environ.get("READY_SECONDS", "0"))
CRASH = float(os.environ.get("CRASH_SECONDS", "0"))
HUNGRY = float(os.environ.get("HUNGRY_SECONDS", "0"))
DRAIN = float(os.environ.get("DRAIN_SECONDS", "5"))

draining = threading.Event()
lock = threading.Lock()
answered: Counter[int] = Counter()
held: list[bytearray] = []


def verdict() -> int:
    """The status of the next prediction."""
    with lock:
        number = answered.total() + 1
        status = 500 if int(number * ERROR_RATE) > int((number - 1) * ERROR_RATE) else 200
        answered[status] += 1
    return status


def metrics() -> str:
    """What was answered, for Prometheus."""
    with lock:
        lines = [
            f'model_requests_total{{version="{VERSION}",code="{status}"}} {count}'
            for status, count in sorted(answered.items())
        ]
    return "\n".join(["# TYPE model_requests_total counter", *lines, ""])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        match self.path:
            case "/ready":
                ready = time.monotonic() >= READY and not draining.is_set()
                self.answer(200 if ready else 503, "ready\n" if ready else "not ready\n")
            case "/metrics":
                self.answer(200, metrics())
            case _:
                self.predict()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.predict()

    def predict(self) -> None:
        busy = time.thread_time() + CPU
        time.sleep(LATENCY)
        while time.thread_time() < busy:
            pass
        status = verdict()
        self.answer(status, json.dumps({"version": VERSION, "status": status}) + "\n")

    def answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("X-Version", VERSION)
        self.send_header("Content-Length", str(len(body)))
        if draining.is_set():
            self.send_header("Connection", "close")  # the caller opens its next one elsewhere
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    server = Server(("", int(os.environ.get("PORT", "8080"))), Handler)

    def drain(*_: object) -> None:
        draining.set()
        threading.Timer(DRAIN, server.shutdown).start()

    signal.signal(signal.SIGTERM, drain)
    if CRASH:
        threading.Timer(CRASH, os._exit, [3]).start()
    if HUNGRY:
        threading.Timer(HUNGRY, lambda: held.append(bytearray(b"x") * (1 << 30))).start()
    print(f"version {VERSION} listens", flush=True)
    server.serve_forever()
    print(f"version {VERSION} ends", flush=True)


main()
