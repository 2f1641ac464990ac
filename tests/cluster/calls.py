"""A model that speaks gRPC, counts its calls as the usual interceptors do, and fails as many as it is told to."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import grpc
from prometheus_client import CollectorRegistry, Counter, start_http_server

METHOD = "/fraud.Scores/Score"


class Calls:
    """A server on this machine: `port` takes calls, `metrics` is the port of its counters.

    Every `nth` call fails with INTERNAL (0: none). `seen` is how many it was asked.
    """

    def __init__(self, nth: int = 0) -> None:
        self._nth, self.seen = nth, 0
        self._lock = threading.Lock()
        registry = CollectorRegistry()
        labels = ("grpc_type", "grpc_service", "grpc_method", "grpc_code")
        self._handled = Counter("grpc_server_handled", "Calls that ended.", labels, registry=registry)
        self._page, self._thread = start_http_server(0, registry=registry)
        self.metrics = self._page.server_port
        self._server = grpc.server(ThreadPoolExecutor(max_workers=4))
        handler = grpc.unary_unary_rpc_method_handler(self._score)
        service, method = METHOD.strip("/").split("/")
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {method: handler}),)
        )
        self.port = self._server.add_insecure_port("0.0.0.0:0")

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.stop(grace=0).wait()
        self._page.shutdown()
        self._page.server_close()
        self._thread.join()

    def _score(self, _request: bytes, context: grpc.ServicerContext) -> bytes:
        with self._lock:
            self.seen += 1
            fails = self._nth and self.seen % self._nth == 0
        code = grpc.StatusCode.INTERNAL if fails else grpc.StatusCode.OK
        service, method = METHOD.strip("/").split("/")
        self._handled.labels("unary", service, method, code.name).inc()
        if fails:
            context.abort(code, "the features cannot be read")
        return b"score"
