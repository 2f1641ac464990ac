"""A job as the `batch/v1` Job that runs it: a pure function from values to plain dictionaries.

The pod passes the `restricted` pod security standard, has no token of the cluster's and a read-only
root. The command's result is its container's termination message, a file of at most 4096 bytes that
the kubelet reads when the command has ended.
https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
"""

import hashlib
import json
import math
import re
from typing import Any

from policies.spec.declaration_cluster import (
    BucketWeights,
    ClaimWeights,
    ImageWeights,
    PodNeeds,
    Toleration,
    Weights,
)
from service.adapters.buckets.order import VARIABLE, write_order
from service.adapters.buckets.signing import is_azure
from service.adapters.kubernetes import labels as labelling
from service.adapters.kubernetes.reasons import WEIGHTS
from service.ports.jobs import Job, Limits

Object = dict[str, Any]

CONTAINER = "job"
SECURITY: Object = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
AZURE = "azure.workload.identity/use"
_COPY = ("python3", "-m", "service.adapters.buckets.copy")
RESULT = "/dev/termination-log"
RESULT_BYTES = 4096
WANTED = "segue.dev/limits"
ELSEWHERE = "segue.dev/no-result"  # the annotation of a Job whose numbers are no result of its own
QUEUE = "kueue.x-k8s.io/queue-name"
KEEP_SECONDS = 86_400  # a Job that has ended is there for a day: what it printed, and why it failed
GRACE_SECONDS = 10
_LONGEST = 63
_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_USER = (
    65_532  # nobody's in particular; an image that names a user of its own keeps it out of root all the same
)


def object_name(name: str) -> str:
    """The job's name as an object's: itself, or shortened with a digest where Kubernetes would refuse it."""
    if len(name) <= _LONGEST and _PLAIN.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[: _LONGEST - 11].strip("-")
    return f"{plain}-{digest}" if plain else f"job-{digest}"


def manifest(job: Job, labels: dict[str, str], patience: float) -> Object:
    """The whole Job. `labels` say whose it is; `patience` is how many seconds it may wait for room.

    The command's own time is kept by who looks at it, since only the container knows when it began, after
    all waiting and pulling; the Job's deadline is the backstop while nobody looks.
    """
    spec: Object = {
        "backoffLimit": 0,
        "completions": 1,
        "parallelism": 1,
        "ttlSecondsAfterFinished": KEEP_SECONDS,
        "podFailurePolicy": {
            # A pod that the cluster itself ends (a drain, a preemption) has not failed: another is made.
            "rules": [
                {
                    "action": "Ignore",
                    "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                }
            ]
        },
        "template": {"metadata": {"labels": {**labels, **identified(job.weights)}}, "spec": _pod(job)},
    }
    if job.limits.seconds > 0:
        spec["activeDeadlineSeconds"] = math.ceil(job.limits.seconds + 2 * patience)
    if job.pod.queue is not None:
        labels = {**labels, QUEUE: job.pod.queue}
        spec["suspend"] = True  # Kueue lets it go; without Kueue's own webhook it would start at once
    body: Object = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": object_name(job.name), "labels": dict(labels)},
        "spec": spec,
    }
    limits = json.dumps([job.limits.memory, job.limits.seconds])
    body["metadata"]["annotations"] = {labelling.SPEC: labelling.digest(body), WANTED: limits}
    if not job.writes:
        body["metadata"]["annotations"][ELSEWHERE] = "true"
    return body


def limits_of(body: Object) -> Limits:
    """The limits with which a Job was made."""
    annotations = body["metadata"].get("annotations") or {}
    memory, seconds = json.loads(annotations.get(WANTED, "[0, 0]"))
    return Limits(memory=memory, seconds=seconds)


def _pod(job: Job) -> Object:
    needs = job.pod
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(job)],
        "volumes": [{"name": "tmp", "emptyDir": {}}, *volumes(needs, job.weights)],
    }
    return {**pod, **placement(needs), **copying(job.weights)}


def _container(job: Job) -> Object:
    env = {"HOME": "/tmp", **dict(job.env)}  # noqa: S108  a volume of the pod's own
    if job.writes:
        env["SEGUE_RESULT"] = RESULT
    container: Object = {
        "name": CONTAINER,
        "image": job.image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": name, "value": literal(value)} for name, value in sorted(env.items())],
        "resources": resources(job.limits, job.pod),
        "terminationMessagePath": RESULT,
        "terminationMessagePolicy": "File",  # what it printed is no result
        "securityContext": SECURITY,
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, *mounts(job.pod, job.weights)],  # noqa: S108
    }
    if job.run:
        container["command"] = [literal(word) for word in job.run]
    if job.pod.secrets:
        container["envFrom"] = [{"secretRef": {"name": name}} for name in job.pod.secrets]
    return container


# --- what a serving pod asks for in the same words ---------------------------------------------


def literal(text: str) -> str:
    """The text as it is: Kubernetes would replace `$(NAME)` in commands and environment variables."""
    return text.replace("$", "$$")


def resources(limits: Limits, needs: PodNeeds) -> Object:
    """What it may use is also kept for it: requests and limits are the same."""
    asked = {"cpu": f"{math.ceil(limits.cpu * 1000)}m"}
    if limits.memory:
        asked["memory"] = str(limits.memory)
    asked |= {name: str(count) for name, count in needs.extended}
    return {"requests": dict(asked), "limits": dict(asked)}


def placement(needs: PodNeeds) -> Object:
    """The keys of a pod that say where it may run, as whom, and with which pull secrets."""
    found: Object = {
        "nodeSelector": dict(needs.node_selector),
        "tolerations": [_toleration(one) for one in needs.tolerations],
        "priorityClassName": needs.priority_class,
        "serviceAccountName": needs.service_account,
        "imagePullSecrets": [{"name": name} for name in needs.pull_secrets],
    }
    return {key: value for key, value in found.items() if value}


def volumes(needs: PodNeeds, weights: Weights | None = None) -> list[Object]:
    """The pod's volumes: claims of its namespace, and the weights of its version."""
    claims = [
        {
            "name": f"claim-{number}",
            "persistentVolumeClaim": {"claimName": one.claim, "readOnly": not one.write},
        }
        for number, one in enumerate(needs.volumes)
    ]
    return claims if weights is None else [*claims, {"name": WEIGHTS, **_weights(weights)}]


def mounts(needs: PodNeeds, weights: Weights | None = None) -> list[Object]:
    """Where its container sees them."""
    claims: list[Object] = [
        {"name": f"claim-{number}", "mountPath": one.path, "readOnly": not one.write}
        for number, one in enumerate(needs.volumes)
    ]
    if weights is None:
        return claims
    mount: Object = {"name": WEIGHTS, "mountPath": weights.path, "readOnly": True}
    return [*claims, {**mount, "subPath": weights.folder} if isinstance(weights, ClaimWeights) else mount]


def _weights(weights: Weights) -> Object:
    """https://kubernetes.io/docs/concepts/storage/volumes/#image: what a digest names is pulled once."""
    match weights:
        case ClaimWeights(claim=claim):
            return {"persistentVolumeClaim": {"claimName": claim, "readOnly": True}}
        case ImageWeights(image=image):
            return {"image": {"reference": image, "pullPolicy": "IfNotPresent"}}
        case BucketWeights():
            return {"emptyDir": {}}


def copying(weights: Weights | None) -> Object:
    """The keys of a pod that has its weights copied before it starts, by a container of Segue's own image."""
    if not isinstance(weights, BucketWeights):
        return {}
    asked = {"cpu": "500m", "memory": str(256 << 20)}
    container: Object = {
        "name": WEIGHTS,
        "image": weights.copier,
        "imagePullPolicy": "IfNotPresent",
        "command": list(_COPY),
        "env": [
            {"name": "HOME", "value": "/tmp"},  # noqa: S108  a volume of the pod's own
            {"name": VARIABLE, "value": literal(write_order(weights.url, weights.sums or "", weights.path))},
        ],
        "resources": {"requests": dict(asked), "limits": dict(asked)},
        "securityContext": SECURITY,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
            {"name": WEIGHTS, "mountPath": weights.path},
        ],
    }
    if weights.secret is not None:
        container["envFrom"] = [{"secretRef": {"name": weights.secret}}]
    return {"initContainers": [container]}


def identified(weights: Weights | None) -> dict[str, str]:
    """The labels of a pod that copies its weights as its service account: Azure asks for one, and gives
    no token without. https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html"""
    if not isinstance(weights, BucketWeights) or weights.secret is not None:
        return {}
    return {AZURE: "true"} if is_azure(weights.url) else {}


def _toleration(one: Toleration) -> Object:
    found = {"key": one.key, "operator": "Exists" if one.value is None else "Equal"}
    if one.value is not None:
        found["value"] = one.value
    return found if one.effect is None else {**found, "effect": one.effect}
