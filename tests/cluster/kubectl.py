"""kubectl for tests: objects in, objects out. The service's own client is not used to test it."""

import json
import subprocess
from pathlib import Path
from typing import Any

Manifest = dict[str, Any]


class Kubectl:
    """One cluster, by its kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def run(self, *words: str, given: str | None = None) -> str:
        """What kubectl prints. Raises `RuntimeError` with its complaint where it fails."""
        command = ["kubectl", "--kubeconfig", str(self.kubeconfig), *words]
        done = subprocess.run(command, check=False, capture_output=True, text=True, input=given)
        if done.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(words)}: {done.stdout}{done.stderr.strip()}")
        return done.stdout

    def apply(self, *objects: Manifest) -> None:
        """Apply them, server-side."""
        whole = {"apiVersion": "v1", "kind": "List", "items": objects}
        words = ("apply", "--server-side", "--force-conflicts", "-f", "-")
        self.run(*words, given=json.dumps(whole))

    def get(self, *words: str) -> Any:
        """An object or a list of them, as in `get("pods", "-n", "x")`."""
        return json.loads(self.run("get", *words, "-o", "json"))

    def rolled_out(self, namespace: str, *names: str) -> None:
        """Wait until Deployments have all their pods ready."""
        for name in names:
            self.run("rollout", "status", f"deployment/{name}", "-n", namespace, "--timeout=120s")
