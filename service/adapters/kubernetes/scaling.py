"""Room for what a version is given: as many pods as its share of the requests needs, before it gets it.

During a rollout every autoscaler is held. The candidate has exactly the replicas that its share of
stable's live count comes to: fewer would starve it and look like a fault of the version, and an
autoscaler of its own would hide a fault by scaling it away. Stable keeps at least what it had, so
that a rollback finds room at once; with more load it may grow, and the candidate then grows too.
What an autoscaler was before is in an annotation on it, and `settle` restores it whoever held it.
"""

import json
from typing import Any

from policies.spec.declaration_cluster import External, Replicas
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import DEPLOYMENT, HPA
from service.adapters.kubernetes.transport import Object

HELD = "segue.dev/held"  # annotation of an autoscaler: its bounds before, and those that hold it


class Scaling:
    """Deployments of one namespace and their autoscalers."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    def autoscalers(self) -> dict[str, Object]:
        """The autoscalers of the namespace, by the Deployment that each scales."""
        return {
            one["spec"]["scaleTargetRef"]["name"]: one
            for one in self._api.list(HPA, self._namespace)
            if one["spec"]["scaleTargetRef"].get("kind") == "Deployment"
        }

    def hold(self, autoscaler: Object, least: int, most: int) -> None:
        """Keep the count within these bounds until it is settled. One that another controller (KEDA)
        keeps as it is stays that controller's."""
        if not any(owner.get("controller") for owner in autoscaler["metadata"].get("ownerReferences") or []):
            self._bound(autoscaler, held(autoscaler, least, most))

    def settle(self, autoscaler: Object) -> None:
        """As it was before it was held; bounds that somebody else set meanwhile stay."""
        self._bound(autoscaler, released(autoscaler))

    def scale(self, deployment: str, replicas: int) -> None:
        """Have so many replicas."""
        self._api.patch(DEPLOYMENT, self._namespace, deployment, {"spec": {"replicas": replicas}})

    def _bound(self, autoscaler: Object, patch: Object | None) -> None:
        if patch is not None:
            patch["metadata"]["resourceVersion"] = autoscaler["metadata"]["resourceVersion"]
            self._api.patch(HPA, self._namespace, autoscaler["metadata"]["name"], patch)


def bounds(autoscaler: Object) -> tuple[int, int]:
    """The least and the most replicas that it sets now."""
    spec = autoscaler["spec"]
    return spec.get("minReplicas", 1), spec["maxReplicas"]


def held(autoscaler: Object, least: int, most: int) -> Object | None:
    """The patch that holds it within these bounds; None where it is held so already."""
    before = _note(autoscaler).get("before") or list(bounds(autoscaler))
    if bounds(autoscaler) == (least, most) and _note(autoscaler):
        return None
    note = json.dumps({"before": before, "set": [least, most]})
    return _patch(note, least, most)


def released(autoscaler: Object) -> Object | None:
    """The patch that lets it go; None where nobody holds it."""
    note = _note(autoscaler)
    if not note:
        return None
    least, most = note["before"] if list(bounds(autoscaler)) == note["set"] else bounds(autoscaler)
    return _patch(None, least, most)


def begun_held(spec: Object, deployment: str, name: str, labels: dict[str, str], replicas: int) -> Object:
    """A new autoscaler for a version that begins its rollout with so many replicas: held from the first."""
    note = json.dumps(
        {"before": [spec.get("minReplicas", 1), spec["maxReplicas"]], "set": [replicas, replicas]}
    )
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "labels": labels, "annotations": {HELD: note}},
        "spec": {**spec, "scaleTargetRef": target, "minReplicas": replicas, "maxReplicas": replicas},
    }


def metrics(wanted: Replicas) -> list[Object]:
    """What an autoscaler looks at: the largest count that one of them asks for is taken.

    https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v2/
    """
    looked: list[Object] = []
    if wanted.cpu is not None:
        target = {"type": "Utilization", "averageUtilization": max(1, round(wanted.cpu * 100))}
        looked.append({"type": "Resource", "resource": {"name": "cpu", "target": target}})
    for name, aim in wanted.per_copy:
        pods = {"metric": {"name": name}, "target": _average(aim)}
        looked.append({"type": "Pods", "pods": pods})
    return [*looked, *({"type": "External", "external": _external(one)} for one in wanted.external)]


def _external(one: External) -> Object:
    metric: Object = {"name": one.metric}
    if one.labels:
        metric["selector"] = {"matchLabels": dict(one.labels)}
    if one.total is not None:
        return {"metric": metric, "target": {"type": "Value", "value": _quantity(one.total)}}
    return {"metric": metric, "target": _average(one.each or 0.0)}


def _average(aim: float) -> Object:
    return {"type": "AverageValue", "averageValue": _quantity(aim)}


def _quantity(aim: float) -> str:
    """In thousandths where it is no whole number, as Kubernetes itself writes it."""
    return str(round(aim)) if aim == round(aim) else f"{round(aim * 1000)}m"


def original(autoscaler: Object) -> Object:
    """What an autoscaler does when nobody holds it, for a copy of it."""
    least, most = _note(autoscaler).get("before") or bounds(autoscaler)
    kept = {key: autoscaler["spec"][key] for key in ("metrics", "behavior") if key in autoscaler["spec"]}
    return {**kept, "minReplicas": least, "maxReplicas": most}


def _note(autoscaler: Object) -> dict[str, Any]:
    text = (autoscaler["metadata"].get("annotations") or {}).get(HELD)
    return dict(json.loads(text)) if text else {}


def _patch(note: str | None, least: int, most: int) -> Object:
    return {
        "metadata": {"annotations": {HELD: note}},
        "spec": {"minReplicas": least, "maxReplicas": most},
    }
