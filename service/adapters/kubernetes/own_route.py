"""A route of Segue's own on Gateway API: pure functions from splits to its spec, and what differs from it.

It holds the split as its first rule, then one rule for each version's preview, then one for the users
that each version keeps. These are matches and not `sessionPersistence`, which by its definition keeps
users on a backend of weight 0, too: no rollback would reach them. Contract:
https://gateway-api.sigs.k8s.io/reference/spec/ (HTTPRoute, v1).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from policies.place import served_by
from service.adapters.kubernetes import recorders_manifest, routes_manifest, splits, stamps
from service.adapters.kubernetes.planes import OWN_SUFFIX
from service.adapters.kubernetes.routes_manifest import GROUP, parent
from service.adapters.kubernetes.shapes import WHOLE, part
from service.adapters.kubernetes.shapes.gateway_api import GatewayApi
from service.ports.traffic import Backend, Route
from service.preview import PREVIEW_HEADER

SESSION_HEADER = "X-Segue-Session"  # an answer's token; a request with it gets the version that gave it
_COOKIE = "segue_"  # the name of a target's cookie begins so
Rule = dict[str, Any]


def own_name(target: str) -> str:
    """The name of our own route; neither half of a target can hold a dot."""
    return target.replace("/", ".") + OWN_SUFFIX


def own_spec(route: Route, gateway: str, namespace: str) -> dict[str, Any]:
    """The spec of a route of our own, all defaults written out, so that it reads back the same."""
    gateway_namespace, _, gateway_name = gateway.partition("/")
    parent = {"group": GROUP, "kind": "Gateway", "namespace": gateway_namespace, "name": gateway_name}
    path = {"type": "PathPrefix", "value": f"/{route.target}"}
    split = _rule([{"path": path}], _refs(route, namespace))
    # A version that the target does not have must not be answered by another: a rule without backends
    # answers 500. Exact values stand before it, as the first of equally good matches wins.
    shown = [
        _rule([{"path": path, "headers": [_asks(one.name)]}], [_ref(replace(one, weight=100.0), namespace)])
        for one in route.backends
        if not recorders_manifest.is_recorder(one.name)
    ]
    missing = {"matches": [{"path": path, "headers": [_asks(".*", "RegularExpression")]}]}
    kept = [
        _rule([{"path": path, "headers": [_keeps(route, one)]}], _kept_refs(route, one, namespace))
        for one in _keeping(route)
    ]
    return {"parentRefs": [parent], "rules": [split, *shown, missing, *kept]}


def own_differences(
    spec: Mapping[str, Any], wanted: Mapping[str, Any], namespace: str, *, newer: bool = False
) -> list[str]:
    """What a route of our own has otherwise than we wrote it. `newer`: a newer Segue wrote it, which may say
    more than we know: then only the shares in what we know count."""
    found = []
    if _said(spec, wanted, namespace, newer=newer) != _said(wanted, wanted, namespace, newer=newer):
        refs = GatewayApi().rules(spec)
        found.append(splits.shown(GatewayApi(), refs, namespace))
    if [parent(one, namespace) for one in spec.get("parentRefs") or []] != [
        parent(one, namespace) for one in wanted["parentRefs"]
    ]:
        found.append("it is attached elsewhere")
    return found


def _said(spec: Mapping[str, Any], wanted: Mapping[str, Any], namespace: str, *, newer: bool) -> list[Any]:
    rules = spec.get("rules") or []
    if not newer:
        return [_essence(rule, namespace) for rule in rules]
    known = [rule.get("matches") for rule in wanted["rules"]]
    return [_shares(rule, namespace) for rule in rules if rule.get("matches") in known]


def _rule(matches: list[Any], refs: list[Any]) -> Rule:
    rewrite = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
    filters = [{"type": "URLRewrite", "urlRewrite": {"path": rewrite}}]
    return {"matches": matches, "filters": filters, "backendRefs": refs}


def _asks(value: str, kind: str = "Exact") -> dict[str, str]:
    return {"type": kind, "name": PREVIEW_HEADER, "value": value}


def _keeping(route: Route) -> list[Backend]:
    """The versions that keep their users: those with a share, where more than one has any."""
    served = [one for one in route.backends if one.weight > 0]
    return served if route.sticky != "none" and len(served) > 1 else []


def _refs(route: Route, namespace: str) -> list[Any]:
    """The split; each version that keeps its users says so in its answers."""
    keeping = _keeping(route)
    return [
        {**_ref(one, namespace), **({"filters": [_told(route, one)]} if one in keeping else {})}
        for one in route.backends
    ]


def _kept_refs(route: Route, kept: Backend, namespace: str) -> list[Any]:
    """All to the version, behind the others without a share: what tells it from a preview where it is
    counted (`planes`)."""
    others = [_ref(replace(one, weight=0.0), namespace) for one in route.backends if one is not kept]
    return [*others, _ref(replace(kept, weight=100.0), namespace)]


def _told(route: Route, backend: Backend) -> dict[str, Any]:
    """Add it to an answer; a model's own cookies stay."""
    said = {"name": SESSION_HEADER, "value": served_by(backend.name)}
    if route.sticky == "cookie":
        cookie = f"{_cookie(route)}={served_by(backend.name)}; Path=/{route.target}; HttpOnly; SameSite=Lax"
        said = {"name": "Set-Cookie", "value": cookie}
    return {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [said]}}


def _keeps(route: Route, backend: Backend) -> dict[str, str]:
    if route.sticky == "header":
        return {"type": "Exact", "name": SESSION_HEADER, "value": served_by(backend.name)}
    # Whole values and parts of them are matched by different controllers: this is right for both.
    pattern = rf"^(.*;\s*)?{_cookie(route)}={served_by(backend.name)}(\s*;.*)?$"
    return {"type": "RegularExpression", "name": "Cookie", "value": pattern}


def _cookie(route: Route) -> str:
    return _COOKIE + route.target.replace("/", "_")


def _ref(backend: Backend, namespace: str) -> dict[str, Any]:
    return {**routes_manifest.ref(backend, namespace), "weight": part(backend.weight, WHOLE)}


def _shares(rule: Mapping[str, Any], namespace: str) -> Any:
    refs = rule.get("backendRefs") or []
    return rule.get("matches"), [(routes_manifest.key_of(ref, namespace), ref.get("weight")) for ref in refs]


def _essence(rule: Mapping[str, Any], namespace: str) -> Any:
    said = rule.get("backendRefs") or []
    refs = [
        (
            routes_manifest.key_of(ref, namespace),
            ref.get("port"),
            ref.get("weight"),
            stamps.unstamped(ref, namespace),
        )
        for ref in said
    ]
    return rule.get("matches"), rule.get("filters") or [], refs
