"""What a data scientist does in the demo: trains models, registers versions, moves aliases.

Training runs in the environment of the MLflow server, as a process of its own; nothing here loads a
model.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from service.demo.place import CommandFailed

SECONDS = 120
API = "api/2.0/mlflow"


@dataclass(frozen=True, slots=True)
class Models:
    """The examples in the clone `work`, a Python that can train them, and an MLflow server's address."""

    python: Path
    work: Path
    tracking: str

    registered = "diabetes"
    target = "diabetes/production"

    def train_wine(self, features: int) -> None:
        """Write a wine model that uses so many of the 13 measurements."""
        self._train("wine", "--features", str(features))

    def register(self, *, better: bool) -> str:
        """Register a diabetes model; the number of its version. It has no alias yet."""
        said = self._train(self.registered, "--alpha", "0.05" if better else "1")
        found = re.search(r"version (\d+)", said)
        if found is None:
            raise CommandFailed(f"train.py does not say which version it registered: {said}")
        return found[1]

    def move_alias(self, alias: str, version: str) -> None:
        """Let the alias name the version."""
        told = {"name": self.registered, "alias": alias, "version": version}
        self._ask("POST", "registered-models/alias", json=told)

    def alias(self, alias: str) -> str | None:
        """The version that the alias names."""
        try:
            found = self._ask(
                "GET", "registered-models/alias", params={"name": self.registered, "alias": alias}
            )
        except CommandFailed:
            return None
        return str(found["model_version"]["version"])

    def tags(self, version: str) -> dict[str, str]:
        """The version's tags."""
        found = self._ask("GET", "model-versions/get", params={"name": self.registered, "version": version})
        return {tag["key"]: tag["value"] for tag in found["model_version"].get("tags", [])}

    def _train(self, folder: str, *options: str) -> str:
        done = subprocess.run(
            [str(self.python), "train.py", *options],
            cwd=self.work / folder,
            env={**os.environ, "MLFLOW_TRACKING_URI": self.tracking, "MLFLOW_DISABLE_TELEMETRY": "true",
                 "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore"},
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )  # fmt: skip
        if done.returncode != 0:
            raise CommandFailed(f"{folder}/train.py: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def _ask(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        session = requests.Session()
        session.trust_env = False  # this machine is asked, whatever proxy is set
        with session:
            answer = session.request(method, f"{self.tracking}/{API}/{path}", timeout=20, **given)
        if not answer.ok:
            raise CommandFailed(f"MLflow answered {path} with {answer.status_code}: {answer.text[:300]}")
        return dict(answer.json())
