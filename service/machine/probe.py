"""The small port of a process that serves nothing else: `/healthz`, `/readyz`, `/metrics`."""

import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

log = structlog.get_logger()
_NOTHING = b'{"type":"about:blank","title":"Not Found","status":404,"detail":"there is nothing here"}\n'


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_told: object) -> None:
        """Mostly somebody who did not wait for the answer; the library would print it over many lines."""
        error = sys.exc_info()[1]
        log.warning("probe not answered", reason=f"{type(error).__name__}: {error}")


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

    server = _Server((host, port), Probe)
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
