"""Manifests for tests on a cluster: small ones that pass restricted pod security."""

import base64
from collections.abc import Mapping
from typing import Any

Manifest = dict[str, Any]
PORT = 8080
RESTRICTED: Manifest = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def deployment(
    namespace: str, name: str, image: str, *, replicas: int = 1, env: Mapping[str, str] | None = None
) -> Manifest:
    """A Deployment of the test model, ready when the model says so."""
    container = {
        "name": "model",
        "image": image,
        "env": [{"name": key, "value": value} for key, value in (env or {}).items()],
        "ports": [{"name": "http", "containerPort": PORT}],
        # Two busy cores are no reason to take a pod out of its Service.
        "readinessProbe": {
            "httpGet": {"path": "/ready", "port": PORT},
            "periodSeconds": 1,
            "timeoutSeconds": 10,
        },
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}},
        "securityContext": RESTRICTED,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        },
    }


def service(namespace: str, name: str) -> Manifest:
    """A Service at port 80 for the Deployment of that name."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": PORT}]},
    }


def http_route(
    namespace: str, name: str, host: str, gateway: tuple[str, str], weights: Mapping[str, int]
) -> Manifest:
    """A route from a host name to Services; `gateway` is namespace and name."""
    backends = [{"name": service, "port": 80, "weight": weight} for service, weight in weights.items()]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "parentRefs": [{"namespace": gateway[0], "name": gateway[1]}],
            "hostnames": [host],
            "rules": [{"backendRefs": backends}],
        },
    }


def secret(namespace: str, name: str, **values: str) -> Manifest:
    """A Secret with these texts by key."""
    coded = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": coded}
