"""Recorders as objects of a cluster: pure functions from values to plain dictionaries.

The pods of a shadow's stand between the route and stable while requests are copied, so they are kept as a
version's are: two at least, drained before they end, and restricted as pod security asks. Those of the one
that listens stand in nobody's way, and end at once.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from policies.spec.declaration_cluster import PodNeeds
from service.adapters.kubernetes import job_manifest, manifests
from service.adapters.kubernetes.labels import SPEC, digest
from service.ports.traffic import Backend
from service.recorder import between
from service.recorder.orders import ALIVE

Object = dict[str, Any]
Ordered = between.Order | between.Listening

PREFIX = "segue-shadow-"  # each recorder's Service is called so, and nothing else of Segue's
LISTENER = "segue-answers"  # the one that listens: whoever runs the gateway has it send its spans there
COMPONENT, RECORDER = "app.kubernetes.io/component", "segue-recorder"
LEAST, MOST = 2, 20  # pods
_PLAIN = {None, "http", "kubernetes.io/http"}  # what a Service's port says of itself where it is HTTP/1.1
COMMAND = ("python3", "-m", "service.recorder.pod")
# Data planes may send to a pod for some seconds after it was told to end; for a late one it goes on.
_DRAINED = {"lifecycle": {"preStop": {"sleep": {"seconds": manifests.DRAIN_SECONDS}}}}
_ASKED = {"cpu": "100m", "memory": "128Mi"}
_MOST = {"cpu": "1", "memory": "512Mi"}


def name_of(owner: str, target: str, stable: str, candidate: str) -> str:
    """The name of the objects that record this pair of versions. Another pair has others: a recorder is
    never changed while users' requests go through it."""
    said = f"{owner}\n{target}\n{stable}\n{candidate}"
    return PREFIX + hashlib.sha256(said.encode()).hexdigest()[:12]


def is_recorder(backend: str) -> bool:
    """Whether a backend of a route is a recorder, by its name."""
    return backend.startswith(PREFIX)


def backend_of(name: str, namespace: str) -> Backend:
    """What a route leads to while answers are recorded."""
    return Backend(f"{name}.{namespace}", f"http://{name}.{namespace}.svc:{between.PORT}", 100.0)


def marks(worn: dict[str, str]) -> dict[str, str]:
    """The labels of all that belongs to a recorder; network policies can go by the component."""
    return {**worn, COMPONENT: RECORDER}


def shut_out(policies: Iterable[Mapping[str, Any]], worn: Mapping[str, str]) -> str:
    """The network policy that selects a recorder's pods where none speaks of recorders; empty: there is none.

    What selects a pod lets in only what some policy names. Whether that is the gateway cannot be seen, so one
    that selects by the component is taken for somebody's word that it is.
    Contract: https://kubernetes.io/docs/concepts/services-networking/network-policies/
    """
    found = [one for one in policies if _takes_in(one["spec"]) and _selects(one["spec"], worn)]
    if any(COMPONENT in _keys(one["spec"]) for one in found):
        return ""
    return str(found[0]["metadata"]["name"]) if found else ""


def told_shut_out(policy: str, namespace: str) -> str:
    """What to write where a policy shuts them out."""
    return (
        f"the NetworkPolicy {namespace}/{policy} lets nobody in to the pods that copy requests; write one"
        f" with podSelector {{matchLabels: {{{COMPONENT}: {RECORDER}}}}} that lets the gateway in at port"
        f" {between.PORT}"
    )


def _takes_in(spec: Mapping[str, Any]) -> bool:
    return "Ingress" in (spec.get("policyTypes") or ["Ingress"])


def _selects(spec: Mapping[str, Any], worn: Mapping[str, str]) -> bool:
    selector = spec.get("podSelector") or {}
    said = all(worn.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return said and all(_fits(one, worn) for one in selector.get("matchExpressions") or [])


def _fits(one: Mapping[str, Any], worn: Mapping[str, str]) -> bool:
    there, values = worn.get(one["key"]), one.get("values") or []
    match one["operator"]:
        case "In":
            return there in values
        case "NotIn":
            return there not in values
        case "Exists":
            return there is not None
        case _:
            return there is None


def _keys(spec: Mapping[str, Any]) -> set[str]:
    selector = spec.get("podSelector") or {}
    said = set(selector.get("matchLabels") or {})
    return said | {one["key"] for one in selector.get("matchExpressions") or [] if one["operator"] == "In"}


def pods_for(ready: int) -> int:
    """How many pods, beside so many of stable: passing a request on costs less than answering it."""
    return max(LEAST, min(ready, MOST))


def deployment(  # noqa: PLR0917 (what a recorder depends on)
    name: str,
    labels: dict[str, str],
    order: Ordered,
    image: str,
    pods: int,
    pulled: Sequence[str] = (),
) -> Object:
    """The Deployment that runs the order with Segue's own image, `pulled` with these Secrets."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": dict(labels), "annotations": {SPEC: spec_of(order)}},
        "spec": {
            "replicas": pods,
            "selector": {"matchLabels": manifests.selector(labels)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "minReadySeconds": 2,
            "revisionHistoryLimit": 0,
            "template": {"metadata": {"labels": dict(labels)}, "spec": _pod(labels, order, image, pulled)},
        },
    }


def service(name: str, labels: dict[str, str]) -> Object:
    """What the route leads to, and where Segue asks for notes."""
    ports = (("http", between.PORT), ("control", between.CONTROL))
    made = [{"name": said, "port": at, "targetPort": said, "protocol": "TCP"} for said, at in ports]
    return manifests.service(name, labels, made)


def ready(deployment: Mapping[str, Any]) -> int:
    """How many pods of a recorder's Deployment run its order and are surely known to all data planes."""
    status = deployment.get("status") or {}
    if status.get("observedGeneration") != deployment["metadata"].get("generation"):
        return 0
    return int(min(status.get("updatedReplicas", 0), status.get("availableReplicas", 0)))


def spoken(service: Mapping[str, Any] | None, port: int | None) -> str:
    """What a Service says that it speaks at a port (None: at any) where that is not plain HTTP/1.1."""
    ports = (service or {"spec": {}})["spec"].get("ports") or []
    said = (one.get("appProtocol") for one in ports if port in {None, one.get("port")})
    return next((str(one) for one in said if one not in _PLAIN), "")


def told_spoken(service: str, protocol: str) -> str:
    """What to write where a version speaks something else."""
    return (
        f"the Service {service} speaks {protocol}, and what copies requests passes on plain HTTP/1.1 alone;"
        " write `strategy: canary`"
    )


def pull_secrets(pods: Iterable[Mapping[str, Any]], also: Iterable[str]) -> tuple[str, ...]:
    """The Secrets that a recorder's image is pulled with: the installation's, and those of stable's pods.

    A pod has been given those of its service account, too. One that is not there does no harm.
    https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#add-imagepullsecrets-to-a-service-account
    """
    theirs = (one["name"] for pod in pods for one in pod["spec"].get("imagePullSecrets") or [])
    return tuple(dict.fromkeys([*also, *theirs]))


def order_of(deployment: Mapping[str, Any]) -> Ordered:
    """The order that its pods are told. Raises `ValueError` for another Deployment."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    said = {one["name"]: one.get("value", "") for one in container.get("env") or []}
    return between.read(said.get(between.VARIABLE, "{}").replace("$$", "$"))


def spec_of(order: Ordered) -> str:
    """Tells one order from another, whichever image runs it."""
    return digest({"order": order.text()})


def _pod(labels: dict[str, str], order: Ordered, image: str, pulled: Sequence[str]) -> Object:
    return {
        **job_manifest.placement(PodNeeds(pull_secrets=tuple(pulled))),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": manifests.GRACE_SECONDS + int(between.MOST_UNFORGOTTEN),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": manifests.USER,
            "runAsGroup": manifests.USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": manifests.selector(labels)},
            }
        ],
        "containers": [_container(order, image)],
    }


def _container(order: Ordered, image: str) -> Object:
    ports = (("http", between.PORT), ("control", between.CONTROL))
    return {
        "name": "recorder",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(COMMAND),
        "env": [{"name": between.VARIABLE, "value": job_manifest.literal(order.text())}],
        "ports": [{"name": said, "containerPort": at, "protocol": "TCP"} for said, at in ports],
        "resources": {"requests": dict(_ASKED), "limits": dict(_MOST)},
        "readinessProbe": _probe(between.READY, every=1, failures=3),
        "livenessProbe": _probe(ALIVE, every=10, failures=6),
        "securityContext": job_manifest.SECURITY,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **(_DRAINED if isinstance(order, between.Order) else {}),
    }


def _probe(path: str, *, every: int, failures: int) -> Object:
    return {
        "httpGet": {"path": path, "port": "control", "scheme": "HTTP"},
        "periodSeconds": every,
        "failureThreshold": failures,
        "timeoutSeconds": 5,
    }
