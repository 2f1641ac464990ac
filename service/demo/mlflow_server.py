"""A real MLflow server for the demo and for tests: how it is started, when it is ready, how it ends.

It runs from an environment of its own (`.venvs/mlflow`, made by `make`), as a user would run one.
The control plane never imports this.
"""

import base64
import contextlib
import json
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import requests

from service.machine import proc

PYTHON = Path(".venvs/mlflow/bin/python")  # below the clone's root
READY_SECONDS = 120.0  # the first start makes the database
GRACE_SECONDS = 10.0
RECORD = "server.json"  # which process it is
_PASSED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def argv(python: Path, folder: Path, port: int, host: str = "127.0.0.1") -> list[str]:
    """The command: one worker, a database file, artifacts handed out by the server itself."""
    options = {
        "--host": host,
        "--port": str(port),
        "--workers": "1",
        "--backend-store-uri": f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination": str(folder / "artifacts"),
    }
    return [str(python), "-m", "mlflow", "server", *(word for pair in options.items() for word in pair)]


def environ(given: Mapping[str, str], folder: Path, key: bytes) -> dict[str, str]:
    """The server's variables: no telemetry, no job runner, webhooks to this machine, their key."""
    passed = {name: given[name] for name in _PASSED if name in given}
    return {
        **passed,
        "HOME": str(folder),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_CACHE_TTL": "1",  # by default a new webhook is told nothing for a minute
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": key.decode(),
    }


class NotStarted(Exception):
    """The server does not answer."""


@dataclass(slots=True)
class MlflowServer:
    """One server with all its files in one folder; started again there, it knows what it knew.

    It has a session of its own. One that is left over from a run that was killed is ended first.
    """

    python: Path
    folder: Path
    port: int
    host: str = "127.0.0.1"
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.host}:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers. Raises `NotStarted` with what it printed."""
        self.begin()
        self.wait()

    def begin(self) -> None:
        """Start it, and write down which process it is."""
        self.folder.mkdir(parents=True, exist_ok=True)
        end_former(self.folder)
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                argv(self.python, self.folder, self.port, self.host),
                env=environ(os.environ, self.folder, _key(self.folder / "webhook-key")),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        started = proc.start_of(self._process.pid)
        known = {"pid": self._process.pid, "started": started, "boot": proc.boot_id()}
        (self.folder / RECORD).write_text(json.dumps(known))

    def wait(self) -> None:
        """Wait until it answers. Raises `NotStarted` with what it printed."""
        until = time.monotonic() + READY_SECONDS
        while not self.ready():
            if self._process is None or self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                said = (self.folder / "server.log").read_text(errors="replace")[-2000:]
                raise NotStarted(f"the MLflow server did not start:\n{said}")
            time.sleep(0.1)

    def ready(self) -> bool:
        """Whether it answers now."""
        session = requests.Session()
        session.trust_env = False  # this machine is asked, whatever proxy is set
        try:
            with session:
                return session.get(f"{self.url}/health", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def stop(self) -> None:
        """End it and its workers."""
        if self._process is None:
            return
        proc.terminate_group(self._process.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)
        proc.sweep(self._process.pid, None)
        self._process.wait()
        self._process = None


def end_former(folder: Path) -> None:
    """End the server that was started in this folder by somebody who was killed since."""
    record = folder / RECORD
    known = json.loads(record.read_text()) if record.is_file() else {}
    alive = known and known["started"] is not None and known["boot"] == proc.boot_id()
    if alive and proc.start_of(known["pid"]) == known["started"]:
        proc.sweep(known["pid"], None)
    record.unlink(missing_ok=True)


def _key(path: Path) -> bytes:
    """The Fernet key that the server keeps its webhooks' secrets under; made once."""
    if not path.is_file():
        path.touch(mode=0o600)
        path.write_bytes(base64.urlsafe_b64encode(os.urandom(32)))
    return path.read_bytes()
