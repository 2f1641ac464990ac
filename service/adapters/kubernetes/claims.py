"""Which other HTTPRoutes a gateway prefers for the requests that a route of ours is for.

No condition says so: of two routes with one match the gateway takes the older one, and both are `Accepted`.
Contract: https://gateway-api.sigs.k8s.io/reference/spec/ (HTTPRouteRule, precedence of `matches`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from service.adapters.kubernetes import labels, routes_manifest
from service.adapters.kubernetes.answers import NoSuchKind
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import HTTP_ROUTE

Object = Mapping[str, Any]
_ANY = [{"path": {"type": "PathPrefix", "value": "/"}}]  # what a rule without matches is for
_NEW = "~"  # after every time: the server has not given it one yet


def visible(api: Api, namespace: str) -> tuple[list[dict[str, Any]], bool]:
    """The HTTPRoutes that Segue's login may see, and whether these are those of all namespaces."""
    try:
        if api.allowed("list", HTTP_ROUTE, None):
            return api.list(HTTP_ROUTE, None), True
        seen = api.list(HTTP_ROUTE, namespace) if api.allowed("list", HTTP_ROUTE, namespace) else []
    except NoSuchKind:
        return [], True
    return seen, False


def preferred(route: Object, rules: Iterable[int], others: Iterable[Object]) -> list[Object]:
    """Those of the others that take requests of these rules of the route away from it.

    A match that asks for more than ours is somebody's intention; the same match at the same host is not.
    """
    wanted = {key for at in rules for key in _matches(route["spec"]["rules"][at])}
    return [
        other
        for other in others
        if _name(other) != _name(route)
        and wanted & {key for rule in other["spec"].get("rules") or [] for key in _matches(rule)}
        and _meet(_parents(route), _parents(other))
        and _wins(other, route)
    ]


def told(other: Object) -> str:
    """What is the matter with such a route, and what to do about it."""
    namespace, name = _name(other)
    said = f"HTTPRoute {namespace}/{name} is for the same host and path of the same gateway, which prefers it"
    worn = other["metadata"].get("labels") or {}
    if worn.get(labels.MANAGED_BY) == labels.SEGUE:
        whose = f"the installation {worn[labels.OWNER]}" if labels.OWNER in worn else "another installation"
        return (
            f"{said}; it is of {whose} of Segue: give the model or the environment another name, or connect"
            " one of the two with a gateway of its own: segue cluster NAME --gateway NAMESPACE/NAME"
        )
    return f"{said}; change its match: kubectl edit httproute {name} -n {namespace}"


def _matches(rule: Object) -> Iterator[Any]:
    for match in rule.get("matches") or _ANY:
        path = match.get("path") or _ANY[0]["path"]
        kind, value = path.get("type", "PathPrefix"), str(path.get("value", "/"))
        where = value.rstrip("/") if kind == "PathPrefix" else value
        yield kind, where, match.get("method"), _pairs(match, "headers"), _pairs(match, "queryParams")


def _pairs(match: Object, key: str) -> frozenset[tuple[str, str, str]]:
    """Names of headers are the same in small letters; those of parameters are not."""
    said = match.get(key) or []
    names = [one["name"].lower() if key == "headers" else one["name"] for one in said]
    return frozenset(
        (one.get("type", "Exact"), name, one["value"]) for one, name in zip(said, names, strict=True)
    )


def _parents(route: Object) -> list[dict[str, Any]]:
    namespace = route["metadata"]["namespace"]
    return [routes_manifest.parent(one, namespace) for one in route["spec"].get("parentRefs") or []]


def _meet(ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]]) -> bool:
    """Whether both are attached to one listener; a reference that names none is to all."""
    keys = ("group", "kind", "namespace", "name")
    return any(
        all(one[key] == other[key] for key in keys)
        and all(None in {one[key], other[key]} or one[key] == other[key] for key in ("sectionName", "port"))
        for one in ours
        for other in theirs
    )


def _wins(other: Object, route: Object) -> bool:
    """Whether the gateway prefers the other at a host of both: the closer name, else the older route."""
    older = _age(other) < _age(route)
    pairs = ((mine, theirs) for mine in _hosts(route) for theirs in _hosts(other))
    return any(
        older if mine == theirs else _closeness(theirs) > _closeness(mine)
        for mine, theirs in pairs
        if _covers(mine, theirs) or _covers(theirs, mine)
    )


def _hosts(route: Object) -> list[str]:
    return [str(one) for one in route["spec"].get("hostnames") or [""]]


def _covers(wide: str, narrow: str) -> bool:
    return wide in {"", narrow} or (wide.startswith("*.") and narrow.endswith(wide[1:]))


def _closeness(host: str) -> tuple[int, int]:
    return (0 if not host else 1 if host.startswith("*.") else 2), len(host)


def _age(route: Object) -> tuple[str, str, str]:
    return route["metadata"].get("creationTimestamp") or _NEW, *_name(route)


def _name(route: Object) -> tuple[str, str]:
    return str(route["metadata"]["namespace"]), str(route["metadata"]["name"])
