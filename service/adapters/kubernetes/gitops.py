"""Who keeps an object as it is written in Git, and the lines that let them leave Segue's fields alone.

Pure functions of decoded objects. A route's `backendRefs`, a Deployment's `replicas`, an autoscaler's
bounds and a Service's `selector` change while a release shifts traffic; self-heal would change them
back. Contracts:
https://argo-cd.readthedocs.io/en/stable/user-guide/diffing/,
https://fluxcd.io/flux/components/kustomize/kustomizations/ and
https://fluxcd.io/flux/components/helm/helmreleases/#drift-detection.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

ARGO, FLUX, FLUX_HELM, HELM = "Argo CD", "Flux", "Flux's Helm controller", "Helm"
_HOLDER = {ARGO: "Application", FLUX: "Kustomization", FLUX_HELM: "HelmRelease", HELM: "release"}
FIELD_MANAGERS = {
    "argocd-controller": ARGO,
    "kustomize-controller": FLUX,
    "helm-controller": FLUX_HELM,
    "helm": HELM,
}


@dataclass(frozen=True, slots=True)
class Thing:
    """One object of which Segue changes a field, by its kind's name: HTTPRoute, Deployment, Service."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of a kind that are ours, as JSON pointers.

    Of a list that the API server knows as one value, only the whole can be left out: Flux would take the
    rest out of what it applies. Argo CD keeps the whole at a sync even where only a part is named; then it
    compares the rest with what the server filled in, and is out of sync for ever.
    """

    group: str
    pointers: Sequence[str]


_ROUTE = _Fields("gateway.networking.k8s.io", ("/spec/rules",))
_FIELDS = {
    "HTTPRoute": _ROUTE,
    "GRPCRoute": _ROUTE,
    "VirtualService": _Fields("networking.istio.io", ("/spec/http",)),
    "Ingress": _Fields("networking.k8s.io", ("/spec/rules",)),
    "TraefikService": _Fields("traefik.io", ("/spec/weighted/services",)),
    "Deployment": _Fields("apps", ("/spec/replicas",)),
    "Service": _Fields("", ("/spec/selector",)),
    "HorizontalPodAutoscaler": _Fields("autoscaling", ("/spec/minReplicas", "/spec/maxReplicas")),
}


def manager_of(live: Mapping[str, Any]) -> str | None:
    """Who keeps the object: the tool, and after a comma what it is kept by, where it says so.

    Such as `Argo CD, Application fraud`; None where nobody can be seen. What a tool wrote on the object
    counts before who last wrote fields of it.
    """
    metadata = live.get("metadata", {})
    labels, notes = metadata.get("labels") or {}, metadata.get("annotations") or {}
    tracked = notes.get("argocd.argoproj.io/tracking-id", "").partition(":")[0]
    kustomization = "kustomize.toolkit.fluxcd.io/name"
    release = "helm.toolkit.fluxcd.io/name"
    said = (
        (ARGO, tracked or labels.get("argocd.argoproj.io/instance")),
        (FLUX, labels.get(kustomization)),
        (FLUX_HELM, labels.get(release)),
        (HELM, notes.get("meta.helm.sh/release-name")),
    )
    named = next(((tool, name) for tool, name in said if name), None)
    if named is not None:
        return f"{named[0]}, {_HOLDER[named[0]]} {named[1]}"
    writers = {entry.get("manager") for entry in metadata.get("managedFields") or []}
    return next((tool for writer, tool in FIELD_MANAGERS.items() if writer in writers), None)


def mend(manager: str | None, kind: str, namespace: str, name: str) -> str:
    """The lines for one object, and where to put them; `manager` as `manager_of` says it.

    None, or a tool that is not known: the lines for Argo CD and for Flux.
    """
    return lines(manager, (Thing(kind, namespace, name),))


def lines(manager: str | None, things: Sequence[Thing]) -> str:
    """The lines for several objects of one manager. Those of a kind without a field of ours need none."""
    ours = [thing for thing in things if thing.kind in _FIELDS]
    tool, _, holder = (manager or "").partition(", ")
    if tool in _SPOKEN:
        return _SPOKEN[tool](holder, ours)
    return f"{_argo('', ours)}\n{_flux('', ours)}"


def mends(found: Iterable[tuple[Thing, Mapping[str, Any]]]) -> str:
    """All lines for objects as they are found, by their managers; empty where nobody keeps any."""
    by_manager: dict[str, list[Thing]] = {}
    for thing, live in found:
        if (manager := manager_of(live)) is not None and thing.kind in _FIELDS:
            by_manager.setdefault(manager, []).append(thing)
    return "\n".join(lines(manager, things) for manager, things in by_manager.items())


def _argo(holder: str, things: Sequence[Thing]) -> str:
    ignored = [_argo_rule(thing) for thing in things]
    respected = {"syncOptions": ["RespectIgnoreDifferences=true"]}
    text = _yaml({"spec": {"ignoreDifferences": ignored, "syncPolicy": respected}})
    return f"In Argo CD, add to the {holder or 'Application'}:\n{text}"


def _argo_rule(thing: Thing) -> dict[str, Any]:
    fields = _FIELDS[thing.kind]
    named = {"group": fields.group, "kind": thing.kind, "namespace": thing.namespace, "name": thing.name}
    return {**named, "jsonPointers": [*fields.pointers]}


def _flux(holder: str, things: Sequence[Thing]) -> str:
    text = _yaml({"spec": {"ignore": [_flux_rule(thing) for thing in things]}})
    return (
        f"In Flux 2.9 or newer, add to the {holder or 'Kustomization'}:\n{text}\n"
        "(Before 2.9, give the object this annotation in Git: kustomize.toolkit.fluxcd.io/ssa: IfNotPresent)"
    )


def _flux_helm(holder: str, things: Sequence[Thing]) -> str:
    text = _yaml({"spec": {"driftDetection": {"ignore": [_flux_rule(thing) for thing in things]}}})
    return f"In Flux, add to the {holder}:\n{text}"


def _flux_rule(thing: Thing) -> dict[str, Any]:
    target = {"kind": thing.kind, "namespace": thing.namespace, "name": thing.name}
    return {"paths": [*_FIELDS[thing.kind].pointers], "target": target}


def _helm(holder: str, things: Sequence[Thing]) -> str:
    named = ", ".join(
        f"{' and '.join(_FIELDS[one.kind].pointers)} of {one.kind} {one.namespace}/{one.name}"
        for one in things
    )
    return (
        f"Helm writes {named} when {holder or 'the release'} is upgraded, and at no other time: upgrade it"
        " while no release of Segue's is under way"
    )


def _yaml(value: dict[str, Any]) -> str:
    return str(yaml.safe_dump(value, sort_keys=False)).rstrip("\n")


_SPOKEN = {ARGO: _argo, FLUX: _flux, FLUX_HELM: _flux_helm, HELM: _helm}
