"""Definitions of custom resources, from the Go modules of their projects that go.mod here pins.

A cluster that has them already keeps its own; those that a test brought go after it.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.kubectl import Kubectl
from tests.running import wait_until

ISTIO = ("istio.io/api", "kubernetes/customresourcedefinitions.gen.yaml")
TRAEFIK = (
    "github.com/traefik/traefik/v3",
    "docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml",
)
Manifest = dict[str, Any]


@contextmanager
def installed(kubectl: Kubectl, source: tuple[str, str], *names: str) -> Iterator[None]:
    """Have these definitions (`virtualservices.networking.istio.io`; none: all of the file) for a while."""
    there = {one["metadata"]["name"] for one in kubectl.get("crd")["items"]}
    if names and there.issuperset(names):
        yield  # without Go, too
        return
    wanted = [one for one in _read(source) if not names or one["metadata"]["name"] in names]
    with brought(kubectl, wanted):
        yield


@contextmanager
def brought(kubectl: Kubectl, definitions: list[Manifest]) -> Iterator[None]:
    """Have these for a while; those that are there already stay as they are."""
    there = {one["metadata"]["name"] for one in kubectl.get("crd")["items"]}
    missing = [one for one in definitions if one["metadata"]["name"] not in there]
    if not missing:
        yield
        return
    made = [one["metadata"]["name"] for one in missing]
    kubectl.apply(*missing)
    try:
        wait_until(lambda: _established(kubectl) >= set(made), 30)
        yield
    finally:
        kubectl.run("delete", "crd", *made, "--timeout=60s")


def _established(kubectl: Kubectl) -> set[str]:
    """`kubectl wait` fails for one that has no conditions at all yet."""
    return {
        one["metadata"]["name"]
        for one in kubectl.get("crd")["items"]
        for said in (one.get("status") or {}).get("conditions") or []
        if (said["type"], said["status"]) == ("Established", "True")
    }


def _read(source: tuple[str, str]) -> list[Manifest]:
    module, path = source
    words = ["go", "mod", "download", "-json", module]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent)
    folder = Path(json.loads(done.stdout)["Dir"])
    return [one for one in yaml.load_all((folder / path).read_text(), yaml.CSafeLoader) if one]
