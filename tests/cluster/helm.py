"""Helm for tests: the chart with values, rendered or installed."""

import json
import subprocess
from pathlib import Path

import yaml

CHART = Path(__file__).parents[2] / "charts/segue"
FORMER = sorted((Path(__file__).parent / "chart_values").glob("*.yaml"))  # values of releases so far
OLDEST, NEWEST = "1.34.0", "1.37.0"


def _run(*words, values=None, kubeconfig=None):
    where = ["--kubeconfig", str(kubeconfig)] if kubeconfig else []
    given = json.dumps(values or {})
    command = ["helm", *map(str, words), *where, "--values", "-"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, input=given)
    if done.returncode != 0:
        raise RuntimeError(f"helm {' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def rendered(values, namespace="ops", version=NEWEST):
    """The objects of the release `segue` with these values, hooks among them."""
    words = ("template", "segue", CHART, "--namespace", namespace, "--kube-version", version)
    return [one for one in yaml.safe_load_all(_run(*words, values=values)) if one]


class Release:
    """The chart, installed as `segue` in a namespace."""

    def __init__(self, kubeconfig, namespace):
        self._kubeconfig = kubeconfig
        self.namespace = namespace

    def install(self, values):
        """Install it, or upgrade it to these values and no others; it is ready when this returns."""
        words = ("upgrade", "--install", "segue", CHART, "-n", self.namespace, "--wait", "--timeout", "240s")
        _run(*words, values=values, kubeconfig=self._kubeconfig)

    def upgrade(self, values):
        """Upgrade it with what it was installed with, and these values on top."""
        words = ("upgrade", "segue", CHART, "-n", self.namespace, "--reset-then-reuse-values")
        _run(*words, "--wait", "--timeout", "240s", values=values, kubeconfig=self._kubeconfig)

    def uninstall(self):
        """Uninstall it."""
        command = ["helm", "uninstall", "segue", "-n", self.namespace, "--wait", "--ignore-not-found"]
        subprocess.run([*command, "--kubeconfig", str(self._kubeconfig)], check=True, capture_output=True)
