"""A real Alertmanager: built from its Go module, once, and started with one receiver, which is Segue's intake."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import requests

from tests.running import free_port, wait_until

_MODULE = "github.com/prometheus/alertmanager"
_VERSION = "0.28.1"
# What go.sum must say of the version: nothing else is taken for it.
_SUMS = f"""\
{_MODULE} v{_VERSION} h1:BK5pCoAtaKg01BYRUJhEDV1tqJMEtYBGzPw8QdvnnvA=
{_MODULE} v{_VERSION}/go.mod h1:0StpPUDDHi1VXeM7p2yYfeZgLVi/PPlt39vo9LQUHxM=
"""
_HOME = Path.home() / ".cache" / "segue-hosts"


def program() -> Path:
    """Alertmanager's program, built where it is not there (some minutes of two processors)."""
    ready = _HOME / f"alertmanager-{_VERSION}"
    if not ready.exists():
        _HOME.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_HOME, prefix="new-") as made:
            _build(Path(made))
            (Path(made) / "alertmanager").replace(ready)
    return ready


def _build(folder: Path) -> None:
    told = _go("mod", "download", "-json", f"{_MODULE}@v{_VERSION}", folder=folder)
    found = Path(json.loads(told)["Dir"])
    (folder / "go.mod").write_bytes((found / "go.mod").read_bytes())
    (folder / "go.sum").write_text((found / "go.sum").read_text() + _SUMS)
    _go("mod", "edit", "-module=segue.test/alerts", f"-require={_MODULE}@v{_VERSION}", folder=folder)
    package = f"{_MODULE}/cmd/alertmanager"
    _go("build", "-p=2", "-trimpath", "-mod=mod", "-ldflags=-s -w", "-o=alertmanager", package, folder=folder)


def _go(*words: str, folder: Path) -> str:
    if shutil.which("go") is None:
        sys.exit(
            "The tests with real servers build them with Go 1.26 or newer: see https://go.dev/doc/install"
        )
    env = {**os.environ, "CGO_ENABLED": "0"}
    command = ["nice", "-n", "10", "go", *words]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, cwd=folder, env=env)
    if done.returncode != 0:
        sys.exit(f"go {words[0]} failed in {folder}")
    return done.stdout


class Alertmanager:
    """One server with its files in one folder; it tells `hook` what fires, with that login."""

    def __init__(self, folder: Path, hook: str, http_config: dict[str, object]) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        receiver = {"url": hook, "send_resolved": True, "http_config": http_config}
        self._config = {
            "route": {
                "receiver": "segue", "group_by": ["alertname"],
                "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1s",
            },
            "receivers": [{"name": "segue", "webhook_configs": [receiver]}],
        }  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self):
        """Start it and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "config.json").write_text(json.dumps(self._config))  # JSON is YAML
        words = (
            f"--config.file={self.folder / 'config.json'}",
            f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--cluster.listen-address=",
        )
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([program(), *words], stdout=log, stderr=log)
        wait_until(self._ready, 60)
        return self

    def _ready(self):
        assert self._process.poll() is None, (self.folder / "log").read_text()
        try:
            return requests.get(f"{self.url}/-/ready", timeout=5).ok
        except requests.ConnectionError:
            return False

    def alert(self, *, ends=None, **labels):
        """What Prometheus sends: an alert with these labels fires, or has ended."""
        told = {"labels": labels, "annotations": {"summary": "customers complain"}}
        if ends is not None:
            told["endsAt"] = ends.isoformat()
        answer = requests.post(f"{self.url}/api/v2/alerts", json=[told], timeout=10)
        assert answer.ok, answer.text

    def resolve(self, **labels):
        """The alert has ended."""
        self.alert(ends=datetime.now(UTC), **labels)

    def stop(self):
        if self._process is not None:
            self._process.terminate()
            self._process.wait()


if __name__ == "__main__":
    print(program())
