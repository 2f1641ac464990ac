"""How Gateway API says which Service gets requests, and whether its controller took a route: pure functions.

Contract: https://gateway-api.sigs.k8s.io/reference/spec/ (HTTPRoute and GRPCRoute, v1).
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from service.ports.outcomes import Refused
from service.ports.traffic import Backend

GROUP = "gateway.networking.k8s.io"


def service_of(backend: Backend) -> tuple[str, str, int]:
    """Namespace, name and port of the Service behind a backend. Raises `Refused` for another name."""
    name, _, namespace = backend.name.partition(".")
    if not name or not namespace or "." in namespace:
        raise Refused(f"{backend.name!r} is no backend in a cluster; its name is service.namespace")
    parts = urlsplit(backend.url)
    return namespace, name, parts.port or (443 if parts.scheme == "https" else 80)


def unconfirmed(live: Mapping[str, Any]) -> list[str]:
    """Why a route is not served as written yet, by its parents' own words; empty: it is."""
    generation = live["metadata"].get("generation")
    namespace = live["metadata"]["namespace"]
    parents = (live.get("status") or {}).get("parents") or []
    found = []
    for wanted in live["spec"].get("parentRefs") or []:
        said = [one for one in parents if parent(one["parentRef"], namespace) == parent(wanted, namespace)]
        name = f"{wanted.get('namespace', namespace)}/{wanted['name']}"
        if not said:
            found.append(f"nobody answers for {wanted.get('kind', 'Gateway')} {name}")
        for one in said:
            found += [f"{name}: {why}" for why in _missing(one, generation)]
    return found if live["spec"].get("parentRefs") else ["it is attached to no gateway"]


def gateways(live: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Namespace and name of the Gateways that a route is attached to."""
    namespace = live["metadata"]["namespace"]
    refs = live["spec"].get("parentRefs") or []
    return [
        (one.get("namespace", namespace), one["name"])
        for one in refs
        if one.get("kind", "Gateway") == "Gateway"
    ]


def condition(conditions: Iterable[Mapping[str, Any]], kind: str) -> Mapping[str, Any]:
    """The condition of that type; empty where there is none."""
    return next((one for one in conditions if one.get("type") == kind), {})


def key_of(ref: Mapping[str, Any], namespace: str) -> str | None:
    """`service.namespace` of a backend reference; None where it is no Service."""
    if ref.get("group", "") or ref.get("kind", "Service") != "Service":
        return None
    return f"{ref['name']}.{ref.get('namespace') or namespace}"


def _missing(parent: Mapping[str, Any], generation: Any) -> list[str]:
    found = []
    for kind in ("Accepted", "ResolvedRefs"):
        said = condition(parent.get("conditions") or [], kind)
        if said.get("status") != "True":
            found.append(
                f"{kind} is {said.get('status', 'unknown')}: {said.get('reason')} {said.get('message', '')}"
            )
        elif said.get("observedGeneration") != generation:
            found.append(f"{kind} is of generation {said.get('observedGeneration')}, not {generation}")
    return found


def ref(backend: Backend, namespace: str) -> dict[str, Any]:
    """A reference to a backend, defaults written out, without its weight."""
    where, name, port = service_of(backend)
    made = {"group": "", "kind": "Service", "name": name, "port": port}
    return made if where == namespace else {**made, "namespace": where}


def parent(ref: Mapping[str, Any], namespace: str) -> Any:
    """A reference to a parent with its defaults written out, so that two can be compared."""
    defaults = {"group": GROUP, "kind": "Gateway", "namespace": namespace, "sectionName": None, "port": None}
    return {**defaults, **ref}
