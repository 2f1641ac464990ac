"""A version as a copy of a Deployment that exists: its pod template whole, with another image.

Service account, sidecars, volumes, probes and everything else stay as they are. Besides the image only
labels change, and of those only as many as must: whatever selects the original's pods (a Service, the
Deployment itself and with it its autoscaler, a disruption budget) must not select the copy's, or
traffic would reach a candidate before any weight says so, and an autoscaler that finds its pods
selected twice stops scaling. All other labels stay, since network policies and monitors go by them.
"""

import copy
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from service.adapters.kubernetes import manifests
from service.adapters.kubernetes.labels import value
from service.ports.outcomes import Refused
from service.ports.workloads import WorkloadOrder

Object = dict[str, Any]

COPIED_FROM = "segue.dev/copied-from"  # label: the Deployment of the namespace that was copied
CHOSEN = "kubectl.kubernetes.io/default-container"
_KEPT = ("strategy", "minReadySeconds", "progressDeadlineSeconds")
_ORDINARY = ("app", "app.kubernetes.io/name", "app.kubernetes.io/instance")
_AFFINITY = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)


@dataclass(frozen=True, slots=True)
class Reached:
    """How the original's pods are reached: the label selectors of the namespace that may select them,
    as they are and as they were found, and the port of their Service."""

    selectors: tuple[Mapping[str, str], ...]
    port: int


def deployment(
    found: Object,
    order: WorkloadOrder,
    name: str,
    labels: Mapping[str, str],
    reached: Reached,
) -> Object:
    """The Deployment that runs the order as a copy of `found`, with one pod to begin with.

    `reached` says which selectors of the namespace may select the original's pods.
    """
    template = copy.deepcopy(found["spec"]["template"])
    worn: dict[str, str] = template.setdefault("metadata", {}).get("labels") or {}
    changed = dict.fromkeys(apart(worn, [*reached.selectors, own_selector(found)]), value(name))
    template["metadata"]["labels"] = {**worn, **changed, **labels}
    template["metadata"].pop("creationTimestamp", None)
    for constraint in _selecting(template["spec"]):
        _follow(constraint, worn, changed)
    container(template, order.image)["image"] = order.image
    labels = {**labels, COPIED_FROM: value(found["metadata"]["name"])}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": manifests.notes(order, reached.port),
        },
        "spec": {
            **{key: found["spec"][key] for key in _KEPT if key in found["spec"]},
            "replicas": 1,
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": manifests.selector(dict(labels))},
            "template": template,
        },
    }


def ports(service: Object) -> list[Object]:
    """The ports of a Service, without what the cluster gave to that one alone."""
    return [
        {key: said for key, said in port.items() if key != "nodePort"} for port in service["spec"]["ports"]
    ]


def sticking(service: Object) -> Object:
    """What else of a Service says where requests go."""
    kept = ("sessionAffinity", "sessionAffinityConfig", "internalTrafficPolicy", "trafficDistribution")
    return {key: service["spec"][key] for key in kept if key in service["spec"]}


def container(template: Object, image: str = "") -> Object:
    """The container of a pod template that holds the model.

    The one whose image is of the same repository, else the one that the pod names as its default
    (the annotation that kubectl knows too), else the only one. Raises `Refused`, listing them.
    """
    containers: list[Object] = template["spec"]["containers"]
    same = [one for one in containers if image and repository(one["image"]) == repository(image)]
    if len(same) == 1:
        return same[0]
    chosen = (template.get("metadata", {}).get("annotations") or {}).get(CHOSEN)
    named = [one for one in containers if one["name"] == chosen]
    if named:
        return named[0]
    if len(containers) == 1:
        return containers[0]
    shown = ", ".join(f"{one['name']} ({one['image']})" for one in containers)
    raise Refused(
        f"the pod has several containers and none says that it holds the model: {shown};"
        f" annotate the pod template with {CHOSEN}: NAME"
    )


def asked(template: Object, services: Iterable[Object]) -> Object:
    """The container that most likely holds the model, before anything names its image.

    The one that the pod names as its default, else the one that a Service leads to, else the first.
    """
    containers: list[Object] = template["spec"]["containers"]
    chosen = (template.get("metadata", {}).get("annotations") or {}).get(CHOSEN)
    wanted = {
        port.get("targetPort", port["port"]) for one in services for port in one["spec"].get("ports") or []
    }
    named = [one for one in containers if one["name"] == chosen]
    reached = [one for one in containers if wanted & _own_ports(one)]
    return (named or reached or containers)[0]


def _own_ports(container: Object) -> set[str | int]:
    """The ports that it names, by number and by name."""
    declared = container.get("ports") or []
    return {said for port in declared for said in (port["containerPort"], port.get("name")) if said}


def repository(image: str) -> str:
    """An image reference without tag and digest."""
    place, _, last = image.partition("@")[0].rpartition("/")
    name = last.partition(":")[0]
    return f"{place}/{name}" if place else name


def own_selector(found: Object) -> dict[str, str]:
    """The labels by which a Deployment selects its pods."""
    return dict(found["spec"]["selector"].get("matchLabels") or {})


def selects(selector: Mapping[str, str] | None, worn: Mapping[str, str]) -> bool:
    """Whether a selector of labels selects pods that wear these; an empty one selects nothing here."""
    return bool(selector) and all(worn.get(key) == said for key, said in (selector or {}).items())


def apart(worn: Mapping[str, str], selectors: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """The fewest keys whose change takes the pods out of every selector.

    Of keys that do as well, those that other tools use most are kept.
    """
    left = [selector for selector in selectors if selects(selector, worn)]
    keys: list[str] = []
    while left:
        counted = Counter(key for selector in left for key in selector)
        best = max(counted, key=lambda key: (counted[key], key not in _ORDINARY, key))
        keys.append(best)
        left = [selector for selector in left if best not in selector]
    return tuple(keys)


def _selecting(spec: Object) -> Iterable[Object]:
    """Everything in a pod that selects pods: spread constraints and affinities to other pods."""
    yield from spec.get("topologySpreadConstraints") or []
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = (spec.get("affinity") or {}).get(kind) or {}
        for term in (term for when in _AFFINITY for term in terms.get(when) or []):
            yield term.get("podAffinityTerm", term)


def _follow(constraint: Object, worn: Mapping[str, str], changed: Mapping[str, str]) -> None:
    """A pod that keeps away from its like goes on to do so: from those of its own version."""
    labels = (constraint.get("labelSelector") or {}).get("matchLabels") or {}
    if selects(labels, worn):
        labels.update({key: said for key, said in changed.items() if key in labels})
