"""Traefik in the cluster: the controller of a GatewayClass, the data plane of one Gateway, and of an Ingress class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.cluster.kubectl import Kubectl
from tests.cluster.objects import RESTRICTED

NAMESPACE = "segue-gateway"
NAME = "traefik"
_WEB, _ADMIN = 8000, 9000
_OURS = "segue-test-gateway"
INGRESS_CLASS = "segue-test"
Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Gateway:
    """`url` takes requests from this machine (say the Host), `metrics` is for Prometheus.

    Ingresses of INGRESS_CLASS are served at the same address.
    """

    namespace: str
    name: str
    class_name: str
    url: str
    metrics: str

    @property
    def reference(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name


def install(kubectl: Kubectl, image: str, namespace: str = NAMESPACE, also: Sequence[str] = ()) -> Gateway:
    """Install it, or adopt what an earlier run installed; it serves when this returns.

    In another namespace it is another one, `also` with these arguments; `remove` takes away what of it is of no
    namespace.
    """
    kubectl.apply(*_objects(image, namespace, also))
    kubectl.rolled_out(namespace, NAME)
    accepted = "--for=condition=Programmed"
    kubectl.run("wait", accepted, f"gateway/{NAME}", "-n", namespace, "--timeout=60s")
    service: Manifest = kubectl.get("service", NAME, "-n", namespace)
    ports = {port["name"]: port["nodePort"] for port in service["spec"]["ports"]}
    node = _node_address(kubectl)
    web, admin = f"http://{node}:{ports['web']}", f"http://{node}:{ports['admin']}/metrics"
    return Gateway(namespace, NAME, _class(namespace), web, admin)


def remove(kubectl: Kubectl, namespace: str) -> None:
    """What of the one in that namespace does not go with it."""
    kubectl.run("delete", "gatewayclass", _class(namespace))
    kubectl.run("delete", "clusterrole,clusterrolebinding", namespace)


def _class(namespace: str) -> str:
    return f"segue-{NAME}" if namespace == NAMESPACE else namespace


def _node_address(kubectl: Kubectl) -> str:
    addresses = kubectl.get("nodes")["items"][0]["status"]["addresses"]
    return next(str(entry["address"]) for entry in addresses if entry["type"] == "InternalIP")


def _objects(image: str, namespace: str, also: Sequence[str]) -> list[Manifest]:
    metadata = {"namespace": namespace, "name": NAME}
    own = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}]
    ports = [("web", 80, _WEB), ("admin", _ADMIN, _ADMIN)]
    return [
        *(own if namespace == NAMESPACE else []),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        *_rights(namespace),
        _deployment(image, namespace, also),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {
                "type": "NodePort",
                "selector": {"app": NAME},
                "ports": [{"name": name, "port": port, "targetPort": at} for name, port, at in ports],
            },
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": INGRESS_CLASS},
            "spec": {"controller": "traefik.io/ingress-controller"},
        },
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": _class(namespace), "labels": {_OURS: namespace}},
            "spec": {"controllerName": "traefik.io/gateway-controller"},
        },
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": metadata,
            "spec": {"gatewayClassName": _class(namespace), "listeners": [_listener()]},
        },
    ]


def _listener() -> Manifest:
    allowed = {"namespaces": {"from": "All"}}
    return {"name": "web", "protocol": "HTTP", "port": _WEB, "allowedRoutes": allowed}


def _deployment(image: str, namespace: str, also: Sequence[str]) -> Manifest:
    container = {
        "name": NAME,
        "image": image,
        "args": [
            f"--entrypoints.web.address=:{_WEB}",
            f"--entrypoints.traefik.address=:{_ADMIN}",
            "--providers.kubernetesgateway=true",
            f"--providers.kubernetesgateway.labelselector={_OURS}={namespace}",  # there may be other Traefiks
            "--providers.kubernetesgateway.statusaddress.service.namespace=" + namespace,
            "--providers.kubernetesgateway.statusaddress.service.name=" + NAME,
            "--providers.kubernetesingress=true",
            f"--providers.kubernetesingress.ingressclass={INGRESS_CLASS}",
            "--ping=true",
            "--metrics.prometheus=true",
            "--metrics.prometheus.addServicesLabels=true",
            "--metrics.prometheus.addRoutersLabels=true",
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
            *also,
        ],
        "readinessProbe": {
            "httpGet": {"path": "/ping", "port": _ADMIN},
            "periodSeconds": 1,
            "timeoutSeconds": 10,  # two busy cores are no reason to take it out of its Service
        },
        "securityContext": RESTRICTED,
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    spec = {
        "serviceAccountName": NAME,
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    template = {"metadata": {"labels": {"app": NAME}}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": namespace, "name": NAME},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": NAME}}, "template": template},
    }


def _rights(namespace: str) -> list[Manifest]:
    gateway, read = "gateway.networking.k8s.io", ["get", "list", "watch"]
    kinds = ["backendtlspolicies", "gatewayclasses", "gateways", "grpcroutes", "httproutes", "referencegrants",
             "tlsroutes"]  # fmt: skip
    rules = [
        {
            "apiGroups": [""],
            "resources": ["namespaces", "services", "secrets", "configmaps", "nodes"],
            "verbs": read,
        },
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": read},
        {
            "apiGroups": ["networking.k8s.io"],
            "resources": ["ingresses", "ingressclasses"],
            "verbs": read,
        },
        {"apiGroups": [gateway], "resources": kinds, "verbs": read},
        {
            "apiGroups": [gateway],
            "resources": [f"{kind}/status" for kind in kinds],
            "verbs": ["update", "patch"],
        },
    ]
    rbac = "rbac.authorization.k8s.io"
    name = {"name": namespace}
    subject = {"kind": "ServiceAccount", "namespace": namespace, "name": NAME}
    return [
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": name, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": name,
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": namespace},
            "subjects": [subject],
        },
    ]
