"""A version as the objects that run it: pure functions from an order to plain dictionaries.

Deployment, Service and PodDisruptionBudget, and an autoscaler where the order asks for one, all of one
name. Pods pass the `restricted` pod security standard, have no token of the cluster's and a read-only
root; the model is probed at its health path on its port. A pod that ends goes on to answer until
every data plane has forgotten it.
"""

import math
from dataclasses import asdict
from typing import Any

from policies.spec.declaration_cluster import BucketWeights, PodNeeds
from service.adapters.kubernetes import job_manifest, scaling
from service.adapters.kubernetes.labels import BACKEND, OWNER, SPEC, digest
from service.ports.outcomes import Refused
from service.ports.workloads import WorkloadOrder

Object = dict[str, Any]

PORT = "segue.dev/port"  # annotation
CONTAINER = "model"
PORT_NAME = "http"
USER = 65_532  # nobody's in particular; it keeps an image that names no user out of root
DRAIN_SECONDS = 10  # in which a pod that is going to end answers as before
GRACE_SECONDS = DRAIN_SECONDS + 30
START_SECONDS = 600  # in which a model may load before its container is started anew
PROGRESS_SECONDS = 900
WEIGHTS_SECONDS = 3600  # the same for a version whose weights are pulled or copied first
_HOME = "/tmp"  # noqa: S108 (a volume of the pod's own)


def deployment(order: WorkloadOrder, name: str, labels: dict[str, str]) -> Object:
    """The Deployment that runs the order. `labels` say whose it is, and two of them select its pods."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": dict(labels), "annotations": notes(order, order.port)},
        "spec": {
            "replicas": order.replicas.least,
            "selector": {"matchLabels": selector(labels)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "minReadySeconds": 2,
            "revisionHistoryLimit": 0,
            "progressDeadlineSeconds": PROGRESS_SECONDS if order.weights is None else WEIGHTS_SECONDS,
            "template": {
                "metadata": {"labels": {**labels, **job_manifest.identified(order.weights)}},
                "spec": _pod(order, labels),
            },
        },
    }


def service(name: str, labels: dict[str, str], ports: list[Object], **also: Any) -> Object:
    """The Service of one version, whose name and namespace are the backend's name."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": {"type": "ClusterIP", "selector": selector(labels), "ports": ports, **also},
    }


def own_ports(order: WorkloadOrder) -> list[Object]:
    """The port of a Service of our own: the model's."""
    return [{"name": PORT_NAME, "port": order.port, "targetPort": PORT_NAME, "protocol": "TCP"}]


def budget(name: str, labels: dict[str, str]) -> Object:
    """At most one pod at a time is evicted, and one that is not ready always may be: a node drain neither
    takes a version away nor waits for ever."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector(labels)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def autoscaler(order: WorkloadOrder) -> Object | None:
    """What the order wants of an autoscaler; None where it wants a fixed count."""
    wanted = order.replicas
    if not wanted.vary:
        return None
    return {
        "minReplicas": wanted.least,
        "maxReplicas": wanted.most,
        "metrics": scaling.metrics(wanted),
    }


def selector(labels: dict[str, str]) -> dict[str, str]:
    """The labels that only the pods of this version have."""
    return {key: labels[key] for key in (BACKEND, OWNER) if key in labels}


def notes(order: WorkloadOrder, port: int) -> dict[str, str]:
    """The annotations of a version's Deployment: which order it runs, and its Service's port."""
    return {SPEC: order_digest(order), PORT: str(port)}


def order_digest(order: WorkloadOrder) -> str:
    """Tells one order from another, whatever later versions of Segue make of it."""
    said = asdict(order)
    for part, key in ((said, "weights"), (said["replicas"], "per_copy"), (said["replicas"], "external")):
        if not part[key]:  # digests made before there was any stand
            del part[key]
    if isinstance(order.weights, BucketWeights):
        del said["weights"]["copier"]  # another Segue copies the same weights
    return digest(said)


def check_image(image: str) -> None:
    """Raises `Refused` for an image that could be another one tomorrow."""
    repository, _, what = image.partition("@")
    if not repository or not what.startswith("sha256:"):
        raise Refused(f"the image {image!r} is not named by its digest: write repository@sha256:...")


def _pod(order: WorkloadOrder, labels: dict[str, str]) -> Object:
    needs = order.pod
    pod: Object = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": key,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": selector(labels)},
            }
            for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
        ],
        "containers": [_container(order, needs)],
        "volumes": [{"name": "tmp", "emptyDir": {}}, *job_manifest.volumes(needs, order.weights)],
    }
    return {**pod, **job_manifest.placement(needs), **job_manifest.copying(order.weights)}


def _container(order: WorkloadOrder, needs: PodNeeds) -> Object:
    env = {"HOME": _HOME, "PORT": str(order.port), **dict(order.env)}
    container: Object = {
        "name": CONTAINER,
        "image": order.image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": PORT_NAME, "containerPort": order.port, "protocol": "TCP"}],
        # Kubernetes itself replaces `$(NAME)` in values and arguments; what people wrote is meant as it is.
        "env": [{"name": name, "value": _plain(value)} for name, value in sorted(env.items())],
        "resources": job_manifest.resources(order.limits, needs),
        "startupProbe": _probe(order, every=1, failures=START_SECONDS, patience=1),
        "readinessProbe": _probe(order, every=2, failures=2, patience=2),
        "livenessProbe": _probe(order, every=10, failures=6, patience=5),
        "lifecycle": {"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}},
        "securityContext": job_manifest.SECURITY,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "tmp", "mountPath": _HOME}, *job_manifest.mounts(needs, order.weights)],
    }
    if order.run:
        container["command"] = [_plain(word) for word in order.run]
    if needs.secrets:
        container["envFrom"] = [{"secretRef": {"name": name}} for name in needs.secrets]
    return container


def _plain(text: str) -> str:
    return text.replace("$(", "$$(")


def _probe(order: WorkloadOrder, *, every: int, failures: int, patience: int) -> Object:
    return {
        "httpGet": {"path": order.health, "port": PORT_NAME, "scheme": "HTTP"},
        "periodSeconds": every,
        "failureThreshold": failures,
        "timeoutSeconds": patience,
    }


def share(live: int, weight: float) -> int:
    """How many of so many replicas a share of the requests (percent) needs, at least one."""
    return max(1, math.ceil(live * weight / 100 - 1e-9))
