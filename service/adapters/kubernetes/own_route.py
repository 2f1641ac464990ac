"""A route of Segue's own on Gateway API: pure functions from splits to its spec, and what differs from it.

It holds the split as its first rule, then one rule for each version's preview. Contract:
https://gateway-api.sigs.k8s.io/reference/spec/ (HTTPRoute, v1).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from service.adapters.kubernetes import routes_manifest, splits
from service.adapters.kubernetes.planes import OWN_SUFFIX
from service.adapters.kubernetes.routes_manifest import GROUP, parent
from service.adapters.kubernetes.shapes import WHOLE, part
from service.adapters.kubernetes.shapes.gateway_api import GatewayApi
from service.ports.traffic import Backend, Route
from service.preview import PREVIEW_HEADER

Rule = dict[str, Any]


def own_name(target: str) -> str:
    """The name of our own route; neither half of a target can hold a dot."""
    return target.replace("/", ".") + OWN_SUFFIX


def own_spec(route: Route, gateway: str, namespace: str) -> dict[str, Any]:
    """The spec of a route of our own, all defaults written out, so that it reads back the same."""
    gateway_namespace, _, gateway_name = gateway.partition("/")
    parent = {"group": GROUP, "kind": "Gateway", "namespace": gateway_namespace, "name": gateway_name}
    path = {"type": "PathPrefix", "value": f"/{route.target}"}
    split = _rule([{"path": path}], [_ref(one, namespace) for one in route.backends])
    # A version that the target does not have must not be answered by another: a rule without backends
    # answers 500. Exact values stand before it, as the first of equally good matches wins.
    shown = [
        _rule([{"path": path, "headers": [_asks(one.name)]}], [_ref(replace(one, weight=100.0), namespace)])
        for one in route.backends
    ]
    missing = {"matches": [{"path": path, "headers": [_asks(".*", "RegularExpression")]}]}
    return {"parentRefs": [parent], "rules": [split, *shown, missing]}


def own_differences(spec: Mapping[str, Any], wanted: Mapping[str, Any], namespace: str) -> list[str]:
    """What a route of our own has otherwise than we wrote it."""
    found = []
    if [_essence(rule, namespace) for rule in spec.get("rules") or []] != [
        _essence(rule, namespace) for rule in wanted["rules"]
    ]:
        refs = GatewayApi().rules(spec)
        found.append(splits.shown(GatewayApi(), refs, namespace))
    if [parent(one, namespace) for one in spec.get("parentRefs") or []] != [
        parent(one, namespace) for one in wanted["parentRefs"]
    ]:
        found.append("it is attached elsewhere")
    return found


def _rule(matches: list[Any], refs: list[Any]) -> Rule:
    rewrite = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
    filters = [{"type": "URLRewrite", "urlRewrite": {"path": rewrite}}]
    return {"matches": matches, "filters": filters, "backendRefs": refs}


def _asks(value: str, kind: str = "Exact") -> dict[str, str]:
    return {"type": kind, "name": PREVIEW_HEADER, "value": value}


def _ref(backend: Backend, namespace: str) -> dict[str, Any]:
    return {**routes_manifest.ref(backend, namespace), "weight": part(backend.weight, WHOLE)}


def _essence(rule: Mapping[str, Any], namespace: str) -> Any:
    said = rule.get("backendRefs") or []
    refs = [(routes_manifest.key_of(ref, namespace), ref.get("port"), ref.get("weight")) for ref in said]
    return rule.get("matches"), rule.get("filters") or [], refs
