"""An Ingress: each path leads to one Service; the split itself is in a second Ingress beside it.

That one is ingress-nginx's canary; `ingress.py` writes it, by the functions here. Written against the
Kubernetes API and the annotations as documented, without an NGINX: what it makes of them was not run.
Nobody confirms a write, so it counts once it reads back, and what users get is checked by the counters.
Contract: https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/#canary
"""

from collections.abc import Mapping, Sequence
from typing import Any

from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import INGRESS
from service.adapters.kubernetes.routes_manifest import service_of
from service.adapters.kubernetes.shapes import WHOLE, Reached, Ref
from service.ports.outcomes import Refused
from service.ports.traffic import Backend

_PREFIX = "nginx.ingress.kubernetes.io/"
_CLASS = "kubernetes.io/ingress.class"  # how a class was named before `ingressClassName`


class Ingress:
    """Each path is a rule with one reference, `backend.service`; one to a resource is no Service."""

    kinds = (INGRESS,)
    title = "Ingress"
    fields = ("spec.rules",)
    keeps: frozenset[str] = frozenset()

    def rules(self, spec: Mapping[str, Any]) -> list[list[Ref]]:
        services = (path["backend"].get("service") for path in paths(spec))
        return [[] if one is None else [dict(one)] for one in services]

    def with_rules(self, spec: Mapping[str, Any], rules: Sequence[Sequence[Ref]]) -> dict[str, Any]:
        refs = iter(rules)
        changed = [
            {**rule, "http": {**rule["http"], "paths": [_led(path, next(refs)) for path in _paths(rule)]}}
            if _paths(rule)
            else rule
            for rule in spec.get("rules") or []
        ]
        return {**spec, "rules": changed}

    def key(self, ref: Ref, namespace: str) -> str | None:
        return f"{ref['name']}.{namespace}"

    def port(self, ref: Ref) -> int:
        return int((ref.get("port") or {}).get("number", 0))

    def weight(self, ref: Ref, refs: Sequence[Ref]) -> int:  # noqa: ARG002 (a path leads to one Service)
        return 1

    def ref(self, backend: Backend, namespace: str) -> Ref:
        """Raises `Refused` for a Service of another namespace: an Ingress cannot name it."""
        where, name, port = service_of(backend)
        if where != namespace:
            raise Refused(f"an Ingress in {namespace} cannot lead to the Service {name} in {where}")
        return {"name": name, "port": {"number": port}}

    def whole(self, backends: Sequence[Backend]) -> int:  # noqa: ARG002 (as fine for all)
        return WHOLE

    def reached(self, spec: Mapping[str, Any], ours: Sequence[int], namespace: str) -> Reached:  # noqa: ARG002
        at = [(rule.get("host"), path) for rule in spec.get("rules") or [] for path in _paths(rule)]
        mine = [at[number] for number in ours]
        host = next((one for one, _ in mine if one and not one.startswith("*")), None)
        return Reached(host, str(mine[0][1].get("path", "")) if mine else "")

    def covers_inside(self, spec: Mapping[str, Any], key: str, namespace: str) -> bool:  # noqa: ARG002 (it serves who asks it)
        return False

    def unkept(self, live: Mapping[str, Any], ours: Sequence[int], sticky: str) -> str:  # noqa: ARG002 (its canary is ours, and keeps nobody)
        return ""

    def unconfirmed(self, api: Api, live: Mapping[str, Any]) -> list[str]:  # noqa: ARG002 (nobody to ask)
        return []


def paths(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All paths of an Ingress, in their order."""
    return [path for rule in spec.get("rules") or [] for path in _paths(rule)]


def canary_spec(main: Mapping[str, Any], ours: Sequence[int], ref: Ref) -> dict[str, Any]:
    """The spec of the second Ingress: our paths of the first, all leading to this Service."""
    numbers = iter(range(len(paths(main))))
    rules = []
    for rule in main.get("rules") or []:
        mine = [_led(path, [ref]) for path in _paths(rule) if next(numbers) in ours]
        if mine:
            rules.append({**rule, "http": {"paths": mine}})
    kept = {key: main[key] for key in ("ingressClassName",) if key in main}
    return {**kept, "rules": rules}


def canary_marks(main: Mapping[str, Any], weight: int) -> dict[str, str]:
    """The annotations that make an Ingress the canary of another, with so many parts of a million.

    Where the main one has an affinity, NGINX would keep users on the canary also at weight 0, where no
    rollback reaches them: `legacy` lets the weight alone decide who gets it.
    """
    notes = main["metadata"].get("annotations") or {}
    kept = {key: str(notes[key]) for key in (_CLASS,) if key in notes}
    marks = {
        "canary": "true",
        "canary-weight": str(weight),
        "canary-weight-total": str(WHOLE),
        "affinity-canary-behavior": "legacy",
    }
    return kept | {_PREFIX + name: said for name, said in marks.items()}


def canary_weight(canary: Mapping[str, Any]) -> float:
    """The canary's share in percent, as its annotations say; 0 for one that is none."""
    notes = canary["metadata"].get("annotations") or {}
    if notes.get(_PREFIX + "canary") != "true":
        return 0.0
    try:
        return 100.0 * int(notes[_PREFIX + "canary-weight"]) / int(notes[_PREFIX + "canary-weight-total"])
    except (KeyError, ValueError, ZeroDivisionError):
        return 0.0


def _paths(rule: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list((rule.get("http") or {}).get("paths") or [])


def _led(path: Mapping[str, Any], refs: Sequence[Ref]) -> dict[str, Any]:
    return {**path, "backend": {"service": dict(refs[0])}} if refs else dict(path)
