"""What the peers share: one Traefik as data plane, one Prometheus that scrapes it, both on this machine.

Argo Rollouts moves the weights of Traefik's own objects, Flagger and Segue those of Gateway API: one
Traefik serves both. It reaches pods by their addresses, so the cluster must be on this machine.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.cluster.kubectl import Kubectl
from tests.running import free_port, wait_until

NAMESPACE = "segue-peers"
GATEWAY = "gateway"
ACCOUNT = "segue"
_TRAEFIK = Path(__file__).parents[2] / ".venv/bin/traefik"
_GROUP = "traefik.io"
# Traefik starts only where all of these are known. Their fields do not matter to it, only that they are kept.
_KINDS = ("IngressRoute", "IngressRouteTCP", "IngressRouteUDP", "Middleware", "MiddlewareTCP",
          "ServersTransport", "ServersTransportTCP", "TLSOption", "TLSStore", "TraefikService")  # fmt: skip
Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plane:
    """`url` takes requests, told apart by Host; `metrics`: Traefik's counters; `prometheus`: its address."""

    url: str
    metrics: str
    prometheus: str


@contextmanager
def plane(kubectl: Kubectl, folder: Path, throttle: str = "100ms") -> Iterator[Plane]:
    """Both run, with a Gateway, until the block is left; then nothing of it is there any more.

    `throttle`: for how long Traefik gathers changes before it takes them.
    """
    web, control, prometheus = free_port(), free_port(), free_port()
    kubectl.apply(*_objects(web))
    traefik = _start(folder, "traefik", _traefik(web, control, throttle), KUBECONFIG=str(kubectl.kubeconfig))
    monitor = _start(folder, "prometheus", _prometheus(folder, prometheus, control))
    made = Plane(*(f"http://127.0.0.1:{at}" for at in (web, control, prometheus)))
    made = Plane(made.url, f"{made.metrics}/metrics", made.prometheus)
    try:
        wait_until(lambda: _answers(made.metrics) and _answers(f"{made.prometheus}/-/ready"), 60)
        yield made
    finally:
        for process in (traefik, monitor):
            process.kill()
            process.wait()
        kubectl.run("delete", "--ignore-not-found", "--wait=false", "namespace", NAMESPACE)
        kubectl.run("delete", "--ignore-not-found", "gatewayclass,clusterrolebinding", NAMESPACE)
        kubectl.run("delete", "--ignore-not-found", "crd", *(_plural(kind) for kind in _KINDS))


def _start(folder: Path, name: str, command: list[str], **environ: str) -> subprocess.Popen[bytes]:
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(command, env={**os.environ, **environ}, stdout=log, stderr=log, cwd=folder)


def _traefik(web: int, control: int, throttle: str) -> list[str]:
    return [
        str(_TRAEFIK),
        f"--entrypoints.web.address=127.0.0.1:{web}",
        f"--entrypoints.traefik.address=127.0.0.1:{control}",
        "--api.insecure=true",
        "--providers.kubernetesgateway=true",
        f"--providers.kubernetesgateway.labelselector={NAMESPACE}=yes",
        "--providers.kubernetescrd=true",
        f"--providers.providersthrottleduration={throttle}",
        "--metrics.prometheus=true",
        "--metrics.prometheus.addServicesLabels=true",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
    ]


def _prometheus(folder: Path, port: int, traefik: int) -> list[str]:
    program = shutil.which("prometheus")
    if program is None:
        raise SystemExit("the peers read Prometheus: apt-get install --no-install-recommends prometheus")
    scraped = {"job_name": "traefik", "static_configs": [{"targets": [f"127.0.0.1:{traefik}"]}]}
    every = {"scrape_interval": "1s", "scrape_timeout": "900ms"}
    (folder / "prometheus.yml").write_text(json.dumps({"global": every, "scrape_configs": [scraped]}))
    return [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def _objects(web: int) -> list[Manifest]:
    gateway = "gateway.networking.k8s.io/v1"
    listener = {
        "name": "web",
        "protocol": "HTTP",
        "port": web,
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    return [
        *(_definition(kind) for kind in _KINDS),
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        *_login(),
        {
            "apiVersion": gateway,
            "kind": "GatewayClass",
            "metadata": {"name": NAMESPACE, "labels": {NAMESPACE: "yes"}},
            "spec": {"controllerName": "traefik.io/gateway-controller"},
        },
        {
            "apiVersion": gateway,
            "kind": "Gateway",
            "metadata": {"namespace": NAMESPACE, "name": GATEWAY},
            "spec": {"gatewayClassName": NAMESPACE, "listeners": [listener]},
        },
    ]


def _login() -> list[Manifest]:
    """The account that each controller acts as, so that the audit log tells its calls from all others."""
    account = {"namespace": NAMESPACE, "name": ACCOUNT}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": NAMESPACE},
            "roleRef": role,
            "subjects": [{"kind": "ServiceAccount", **account}],
        },
    ]


def _definition(kind: str) -> Manifest:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "listKind": f"{kind}List", "plural": _plural(kind).partition(".")[0]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": _plural(kind)},
        "spec": {"group": _GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def _plural(kind: str) -> str:
    return f"{kind.lower()}s.{_GROUP}"
