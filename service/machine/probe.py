"""The small port of a process that serves nothing else: `/healthz`, `/readyz`, `/metrics`."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

_NOTHING = b'{"type":"about:blank","title":"Not Found","status":404,"detail":"there is nothing here"}\n'


def open_probe(ready: Callable[[], bool], host: str = "127.0.0.1", port: int = 0) -> int:
    """Serve the three paths until the process ends; the port, 0 being any that is free. `ready` may raise."""

    class Probe(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = _answer(self.path, ready)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_told: object) -> None:
            """Probes come every second; they are no news."""

    server = ThreadingHTTPServer((host, port), Probe)
    server.daemon_threads = True
    # The interval is only how soon it would see a wish to end, which nobody has.
    threading.Thread(target=server.serve_forever, args=(3600.0,), name="probe", daemon=True).start()
    return int(server.server_address[1])


def _answer(path: str, ready: Callable[[], bool]) -> tuple[int, str, bytes]:
    match path:
        case "/healthz":
            return 200, "application/json", b'{"status":"ok"}\n'
        case "/readyz":
            return _readiness(ready)
        case "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest(REGISTRY)
        case _:
            return 404, "application/problem+json", _NOTHING


def _readiness(ready: Callable[[], bool]) -> tuple[int, str, bytes]:
    try:
        fine = ready()
    except Exception:  # noqa: BLE001  whatever is wrong, the answer is that it is not ready
        fine = False
    if fine:
        return 200, "application/json", b'{"status":"ready"}\n'
    return 503, "application/json", b'{"status":"not ready"}\n'
