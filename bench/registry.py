"""A model registry that speaks as much of MLflow's REST API as a build asks for; files are in memory.

Not a measure of MLflow: what a build waits for beside the builder's own work is kept small on purpose.
"""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

PROXY = "/api/2.0/mlflow-artifacts/artifacts"


class Registry(ThreadingHTTPServer):
    """One model named `bench`; `versions` are the contents of its one file, by version."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.versions: dict[str, bytes] = {}
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = Thread(target=self.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Registry

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        version = query.get("version", "")
        match parts.path:
            case "/api/2.0/mlflow/registered-models/search":
                self._json({"registered_models": []})
            case "/api/2.0/mlflow/model-versions/get":
                self._json({"model_version": {"name": "bench", "version": version, "status": "READY"}})
            case "/api/2.0/mlflow/model-versions/get-download-uri":
                self._json({"artifact_uri": f"mlflow-artifacts:/{version}"})
            case "/api/2.0/mlflow-artifacts/artifacts":
                size = len(self.server.versions[query["path"]])
                self._json({"files": [{"path": "weights.bin", "is_dir": False, "file_size": size}]})
            case path if path.startswith(PROXY):
                self._send(
                    self.server.versions[unquote(path.removeprefix(PROXY)).split("/")[1]], "octet-stream"
                )
            case _:
                self.send_error(404)

    def _json(self, body: dict[str, Any]) -> None:
        self._send(json.dumps(body).encode(), "json")

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"application/{kind}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_told: object) -> None:
        """A build asks a dozen times; that is no news."""
