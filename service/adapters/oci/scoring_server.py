"""Serves an MLflow model: GET /healthz and /ping, POST /invocations, on port $PORT.

Runs inside the model's own environment, with mlflow (or mlflow-skinny) and what the model needs; it
imports nothing of Segue. Requests are in MLflow's JSON formats: dataframe_split, dataframe_records,
inputs, instances. A request that cannot be read is a 400 that says why; a model that fails is a 500.
"""

import json
import os
import signal
import sys
import threading
import time
import traceback
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any

FORMATS = ("dataframe_split", "dataframe_records", "inputs", "instances")
LARGEST = 64 << 20
GRACE = 10.0
VERSION = os.environ.get("SEGUE_VERSION", "")  # whoever measures wants to know who answered


class BadRequest(ValueError):
    """The request cannot be understood; the text says why."""


class State:
    """The model once it is loaded, and how many requests are under way."""

    def __init__(self) -> None:
        self.model: Any = None
        self.draining = False
        self.busy = 0
        self.lock = threading.Lock()


STATE = State()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer is one packet and must not wait for a second
    server_version = "segue-scoring"
    sys_version = ""
    timeout = 75

    def do_GET(self) -> None:
        if self.path.split("?")[0] not in ("/healthz", "/ping", "/health"):
            self.answer(404, {"error": "there is only /healthz, /ping and /invocations"})
        elif STATE.model is None:
            self.answer(503, {"status": "loading"})
        elif STATE.draining:
            self.answer(503, {"status": "stopping"})
        else:
            self.answer(200, {"status": "ok"})

    def do_POST(self) -> None:
        body = self.body()
        if body is None:
            return
        if self.path.split("?")[0] != "/invocations":
            self.answer(404, {"error": "POST to /invocations"})
            return
        if STATE.model is None:
            self.answer(503, {"error": "the model is still loading"})
            return
        with STATE.lock:
            STATE.busy += 1
        try:
            self.answer(*score(body))
        finally:
            with STATE.lock:
                STATE.busy -= 1

    def body(self) -> bytes | None:
        """The request's body, or None after an answer that refuses it."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            self.close_connection = True
            self.answer(411, {"error": "send a Content-Length"})
            return None
        if int(length) > LARGEST:
            self.close_connection = True
            self.answer(413, {"error": f"a request has at most {LARGEST} bytes"})
            return None
        return self.rfile.read(int(length))

    def answer(self, status: int, value: object) -> None:
        """Send status and JSON in one piece."""
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        if STATE.draining:
            self.close_connection = True
        lines = [
            f"HTTP/1.1 {status} {self.responses[HTTPStatus(status)][0]}",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
            *([f"X-Model-Version: {VERSION}"] if VERSION else []),
            *(["Connection: close"] if self.close_connection else []),
        ]
        head = "\r\n".join(lines) + "\r\n\r\n"
        try:
            self.wfile.write(head.encode() + content)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        """Requests are counted at the router; only failures are printed."""


class Server(ThreadingHTTPServer):
    """Accepts bursts; a connection that waits does not keep the process alive."""

    request_queue_size = 1024
    daemon_threads = True


def score(body: bytes) -> tuple[int, object]:
    """Status and JSON for a request's body."""
    try:
        data, params = read(body)
    except BadRequest as error:
        return 400, {"error": str(error)}
    try:
        found = predict(STATE.model, data, params)
    except Exception as error:  # noqa: BLE001
        code = 400 if about_the_input(error) else 500
        if code == 500:
            traceback.print_exc()
        return code, {"error": f"{type(error).__name__}: {error}"}
    return 200, found


def read(body: bytes) -> tuple[Any, Any]:
    """The input that the model gets, and its parameters."""
    try:
        request = json.loads(body)
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    if not isinstance(request, dict):
        raise BadRequest(f"send a JSON object with one of: {', '.join(FORMATS)}")
    given = [name for name in FORMATS if name in request]
    if len(given) != 1:
        found = ", ".join(sorted(request)) or "nothing"
        raise BadRequest(f"send exactly one of {', '.join(FORMATS)}; found: {found}")
    other = sorted(set(request) - {*FORMATS, "params"})
    if other:
        raise BadRequest(f"unknown fields: {', '.join(other)}")
    try:
        return convert(given[0], request[given[0]]), request.get("params")
    except Exception as error:  # noqa: BLE001
        raise BadRequest(f"{given[0]} cannot be read: {error}") from None


def convert(name: str, value: Any) -> Any:
    """A data frame or arrays, of the types that the model's signature names."""
    proto_json_utils: Any = import_module("mlflow.utils.proto_json_utils")

    schema = STATE.model.metadata.get_input_schema()
    if name == "dataframe_split":
        return proto_json_utils.dataframe_from_parsed_json(value, pandas_orient="split", schema=schema)
    if name == "dataframe_records":
        return proto_json_utils.dataframe_from_parsed_json(value, pandas_orient="records", schema=schema)
    return proto_json_utils.parse_tf_serving_input({name: value}, schema=schema)


def predict(model: Any, data: Any, params: Any) -> bytes:
    """The answer's JSON."""
    found = model.predict(data, params=params) if params else model.predict(data)
    encoder: Any = import_module("mlflow.utils.proto_json_utils").NumpyEncoder
    return json.dumps({"predictions": plain(found)}, cls=encoder).encode()


def plain(found: Any) -> Any:
    """Predictions as lists: rows of a data frame as objects, as MLflow answers them."""
    if hasattr(found, "to_dict") and hasattr(found, "columns"):
        return found.to_dict(orient="records")
    if isinstance(found, dict):
        return {name: plain(value) for name, value in found.items()}
    return found.tolist() if hasattr(found, "tolist") else found


def about_the_input(error: Exception) -> bool:
    """Whether the model's signature refused the input."""
    code = getattr(error, "error_code", "")
    return code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")


def stop(server: ThreadingHTTPServer) -> None:
    """Take no new request, finish those under way, end."""
    STATE.draining = True
    server.shutdown()
    deadline = time.monotonic() + GRACE
    while STATE.busy and time.monotonic() < deadline:
        time.sleep(0.02)
    sys.stdout.flush()
    os._exit(0)


def main(path: str) -> None:
    """Serve at once, answer 503 until the model is loaded; a model that does not load ends us."""
    address = (os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080")))
    server = Server(address, Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=stop, args=(server,)).start())
    signal.signal(signal.SIGINT, signal.SIG_IGN if os.getppid() == 1 else signal.default_int_handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    begun = time.monotonic()
    STATE.model = import_module("mlflow.pyfunc").load_model(path)
    seconds = time.monotonic() - begun
    print(f"serving {path} at {address}, loaded in {seconds:.1f} s", flush=True)  # noqa: T201
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main(sys.argv[1])
