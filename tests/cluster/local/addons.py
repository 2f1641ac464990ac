"""What a cluster is expected to have beside Kubernetes: names (CoreDNS), metrics, the Gateway API.

CoreDNS and metrics-server run on the node, not in pods: they need no image then. The cluster reaches
them as it reaches any server outside of it, by a Service without selector.
"""

import base64
import json
from pathlib import Path
from typing import Any

from tests.cluster.local.control_plane import apply, kubectl
from tests.cluster.local.place import METRICS_PORT, Place
from tests.cluster.local.processes import start

_DNS_PORT = 53
_KUBECONFIGS = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
Manifest = dict[str, Any]


def start_all(place: Place, gateway_api: Path) -> None:
    """Start them and wait until they answer; `gateway_api` holds the definitions to be applied."""
    apply(place, [*_dns_objects(place), *_metrics_objects(place), _registry(place)])
    (place.folder / "Corefile").write_text(_corefile(place))
    start(place, "dns", [place.program("dns"), "-conf", place.folder / "Corefile"])
    metrics = start(place, "metrics-server", _metrics_server(place))
    done = kubectl(place, "apply", "--server-side", "-f", str(gateway_api))
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    _wait_for_crds(place)
    metrics.wait_for(lambda: _answers(place), seconds=90)


def _wait_for_crds(place: Place) -> None:
    waited = kubectl(place, "wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    if waited.returncode != 0:
        raise RuntimeError(waited.stderr)


def _answers(place: Place) -> bool:
    found = kubectl(place, "get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes")
    return found.returncode == 0 and bool(json.loads(found.stdout)["items"])


def _corefile(place: Place) -> str:
    return f"""
cluster.local:{_DNS_PORT} in-addr.arpa:{_DNS_PORT} {{
    bind {place.node_ip}
    errors
    ready {place.node_ip}:8181
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {place.client("dns")} {place.netns}
        pods insecure
    }}
    cache 5
    loadbalance
}}
"""


def _metrics_server(place: Place) -> list[object]:
    files = [f"--{kind}={place.client('metrics')}" for kind in _KUBECONFIGS]
    return [
        place.program("metrics-server"),
        *files,
        f"--secure-port={METRICS_PORT}",
        f"--bind-address={place.node_ip}",
        f"--tls-cert-file={place.certificate('metrics-serving')}",
        f"--tls-private-key-file={place.key('metrics-serving')}",
        f"--kubelet-certificate-authority={place.certificate('ca')}",
        f"--kubelet-client-certificate={place.certificate('metrics')}",
        f"--kubelet-client-key={place.key('metrics')}",
        "--kubelet-preferred-address-types=InternalIP",
        "--metric-resolution=10s",  # the least that it takes
        "--kubelet-request-timeout=5s",
    ]


def _dns_objects(place: Place) -> list[Manifest]:
    ports = [{"name": f"dns-{p.lower()}", "port": 53, "protocol": p} for p in ("UDP", "TCP")]
    rules = [
        _rule("", ["endpoints", "services", "pods", "namespaces"], ["list", "watch"]),
        _rule("discovery.k8s.io", ["endpointslices"], ["list", "watch"]),
    ]
    return [
        *_outside(place, "kube-dns", ports, place.service_ip(10)),
        *_allowed("system:coredns", rules),
    ]


def _metrics_objects(place: Place) -> list[Manifest]:
    rules = [
        _rule("", ["nodes/metrics"], ["get"]),
        _rule("", ["pods", "nodes", "namespaces", "configmaps"], ["get", "list", "watch"]),
    ]
    ports = [{"name": "https", "port": METRICS_PORT, "protocol": "TCP"}]
    return [
        *_outside(place, "metrics", ports, None),
        *_allowed("system:metrics-server", rules),
        _bound("metrics-server:delegator", "system:auth-delegator", "system:metrics-server"),
        _readers(),
        _api_service(place),
    ]


def _api_service(place: Place) -> Manifest:
    authority = base64.b64encode(place.certificate("ca").read_bytes()).decode()
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1beta1.metrics.k8s.io"},
        "spec": {
            "group": "metrics.k8s.io",
            "version": "v1beta1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "caBundle": authority,
            "service": {"name": "metrics", "namespace": "kube-system", "port": METRICS_PORT},
        },
    }


def _registry(place: Place) -> Manifest:
    """Tells tools and tests where images go; kind and others write the same.

    See https://github.com/kubernetes/enhancements/tree/master/keps/sig-cluster-lifecycle/generic/1755-communicating-a-local-registry
    """
    hosting = f"host: {place.registry}\nhostFromContainerRuntime: {place.registry}\n"
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "local-registry-hosting", "namespace": "kube-public"},
        "data": {"localRegistryHosting.v1": hosting},
    }


def _outside(place: Place, name: str, ports: list[Manifest], address: str | None) -> list[Manifest]:
    """A Service for a server on the node."""
    service: Manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"ports": ports, **({"clusterIP": address} if address else {})},
    }
    slice_ = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-node",
            "namespace": "kube-system",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": [{"addresses": [place.node_ip], "conditions": {"ready": True}}],
    }
    return [service, slice_]


def _rule(group: str, resources: list[str], verbs: list[str]) -> Manifest:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


def _allowed(user: str, rules: list[Manifest]) -> list[Manifest]:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": user},
        "rules": rules,
    }
    return [role, _bound(user, user, user)]


def _bound(name: str, role: str, user: str) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }


def _readers() -> Manifest:
    """metrics-server reads how the front proxy is recognised."""
    role, user = "extension-apiserver-authentication-reader", "system:metrics-server"
    binding = _bound("metrics-server:reader", role, user)
    binding["kind"] = "RoleBinding"
    binding["metadata"]["namespace"] = "kube-system"
    binding["roleRef"]["kind"] = "Role"
    return binding
