"""From splits to Gateway API routes and back: pure functions over decoded objects.

A route of our own holds the split as its first rule, then one rule for each version's preview. Of a
route that exists already only the backends of our rules are touched. Contract:
https://gateway-api.sigs.k8s.io/reference/spec/ (HTTPRoute and GRPCRoute, v1).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from service.adapters.kubernetes.planes import OWN_SUFFIX
from service.adapters.kubernetes.records import Record
from service.ports import Backend, Refused, Route
from service.preview import PREVIEW_HEADER

WHOLE = 1_000_000  # all of a split; a ten-thousandth of a percent is 1, and no weight may be more
_GROUP = "gateway.networking.k8s.io"

Rule = dict[str, Any]


def own_name(target: str) -> str:
    """The name of our own route; neither half of a target can hold a dot."""
    return target.replace("/", ".") + OWN_SUFFIX


def weight(backend: Backend) -> int:
    return max(1, round(backend.weight * WHOLE / 100)) if backend.weight > 0 else 0


def service_of(backend: Backend) -> tuple[str, str, int]:
    """Namespace, name and port of the Service behind a backend. Raises `Refused` for another name."""
    name, _, namespace = backend.name.partition(".")
    if not name or not namespace or "." in namespace:
        raise Refused(f"{backend.name!r} is no backend in a cluster; its name is service.namespace")
    parts = urlsplit(backend.url)
    return namespace, name, parts.port or (443 if parts.scheme == "https" else 80)


def own_spec(route: Route, gateway: str, namespace: str) -> dict[str, Any]:
    """The spec of a route of our own, all defaults written out, so that it reads back the same."""
    gateway_namespace, _, gateway_name = gateway.partition("/")
    parent = {"group": _GROUP, "kind": "Gateway", "namespace": gateway_namespace, "name": gateway_name}
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
        found.append(_shown(spec.get("rules") or [], namespace))
    if [_parent(one, namespace) for one in spec.get("parentRefs") or []] != [
        _parent(one, namespace) for one in wanted["parentRefs"]
    ]:
        found.append("it is attached elsewhere")
    return found


# --- a route that exists already ------------------------------------------------------------


def our_rules(spec: Mapping[str, Any], names: Collection[str], namespace: str) -> list[int]:
    """The rules that lead to one of these backends."""
    rules = spec.get("rules") or []
    return [at for at, rule in enumerate(rules) if set(weights(rule, namespace)) & set(names)]


def names_of(record: Record | None) -> frozenset[str]:
    """Every backend that a record knows: those it sent traffic to, and those it found."""
    if record is None:
        return frozenset()
    found = {name for rule in record.found for name in rule}
    return frozenset(one.name for one in record.backends) | found


def weights(rule: Mapping[str, Any], namespace: str) -> dict[str, int]:
    """The weights of a rule by `service.namespace`; what is no Service is left out."""
    refs = ((key_of(ref, namespace), ref.get("weight", 1)) for ref in rule.get("backendRefs") or [])
    return {key: said for key, said in refs if key is not None}


def found_in(
    spec: Mapping[str, Any], rules: Iterable[int], names: Collection[str], namespace: str
) -> tuple[dict[str, Any], ...]:
    """What our rules say of these backends before we touch them, in the rules' order."""
    said = (weights(spec["rules"][at], namespace) for at in rules)
    return tuple({name: n for name, n in one.items() if name in names} for one in said)


def with_split(
    spec: Mapping[str, Any], record: Record, before: Collection[str], rules: Collection[int], namespace: str
) -> dict[str, Any]:
    """The spec with the record's split in our rules. Raises `Refused` where others take a share of a rule.

    A backend that was found stays, at weight 0 if need be; one of ours from `before` that is not wanted
    any more goes.
    """
    changed = [
        _split_rule(rule, record, before, namespace) if at in rules else rule
        for at, rule in enumerate(spec["rules"])
    ]
    return {**spec, "rules": changed}


def restored(spec: Mapping[str, Any], record: Record, namespace: str) -> dict[str, Any]:
    """The spec with our rules as they were found."""
    ours = our_rules(spec, names_of(record), namespace)
    past = dict(zip(ours, record.found, strict=False)) if len(ours) == len(record.found) else {}
    changed = list(spec.get("rules") or [])
    for at in ours:
        found = past.get(at) or next(
            (one for one in record.found if set(one) & set(weights(changed[at], namespace))), {}
        )
        refs = [
            ref if key not in found else {**ref, "weight": found[key]}
            for ref in changed[at].get("backendRefs") or []
            if (key := key_of(ref, namespace)) in found or key not in names_of(record)
        ]
        changed[at] = {**changed[at], "backendRefs": refs}
    return {**spec, "rules": changed}


def split_differences(spec: Mapping[str, Any], record: Record, namespace: str) -> list[str]:
    """What our rules of a route say otherwise than the record."""
    wanted = {one.name: weight(one) for one in record.backends}
    ours = our_rules(spec, names_of(record), namespace)
    rules = [spec["rules"][at] for at in ours]
    if not rules:
        return ["no rule leads to the model's versions any more"]
    said = [{name: n for name, n in weights(rule, namespace).items() if n > 0} for rule in rules]
    positive = {name: n for name, n in wanted.items() if n > 0}
    complete = all(set(wanted) <= set(weights(rule, namespace)) for rule in rules)
    if len(rules) < len(record.found):
        return [f"only {len(rules)} of {len(record.found)} rules lead to the model's versions"]
    return [] if complete and all(one == positive for one in said) else [_shown(rules, namespace)]


def shares(rule: Mapping[str, Any], namespace: str) -> tuple[Backend, ...]:
    """The split that a rule says, in percent."""
    said = weights(rule, namespace)
    whole = sum(said.values())
    ports = {key_of(ref, namespace): ref.get("port", 80) for ref in rule.get("backendRefs") or []}
    return tuple(
        Backend(name, f"http://{name}.svc:{ports[name]}", 100.0 * n / whole if whole else 0.0)
        for name, n in said.items()
    )


# --- what a controller answers --------------------------------------------------------------


def unconfirmed(live: Mapping[str, Any]) -> list[str]:
    """Why a route is not served as written yet, by its parents' own words; empty: it is."""
    generation = live["metadata"].get("generation")
    namespace = live["metadata"]["namespace"]
    parents = (live.get("status") or {}).get("parents") or []
    found = []
    for wanted in live["spec"].get("parentRefs") or []:
        said = [one for one in parents if _parent(one["parentRef"], namespace) == _parent(wanted, namespace)]
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


def _split_rule(rule: Rule, record: Record, before: Collection[str], namespace: str) -> Rule:
    wanted = {one.name: weight(one) for one in record.backends}
    found = {name for one in record.found for name in one}
    refs = []
    for ref in rule.get("backendRefs") or []:
        key = key_of(ref, namespace)
        if key in wanted:
            refs.append({**ref, "weight": wanted[key]})
        elif key in found:
            refs.append({**ref, "weight": 0})
        elif key not in before:
            if ref.get("weight", 1) > 0:
                raise Refused(
                    f"the rule gives a share to {key or ref['name']} too, which is not the model's; give that"
                    " backend a rule of its own, or weight 0"
                )
            refs.append(ref)
    there = set(weights({"backendRefs": refs}, namespace))
    refs += [_ref(one, namespace) for one in record.backends if one.name not in there]
    return {**rule, "backendRefs": refs}


def _rule(matches: list[Any], refs: list[Any]) -> Rule:
    rewrite = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
    filters = [{"type": "URLRewrite", "urlRewrite": {"path": rewrite}}]
    return {"matches": matches, "filters": filters, "backendRefs": refs}


def _asks(value: str, kind: str = "Exact") -> dict[str, str]:
    return {"type": kind, "name": PREVIEW_HEADER, "value": value}


def _ref(backend: Backend, namespace: str) -> dict[str, Any]:
    where, name, port = service_of(backend)
    ref = {"group": "", "kind": "Service", "name": name, "port": port, "weight": weight(backend)}
    return ref if where == namespace else {**ref, "namespace": where}


def _essence(rule: Mapping[str, Any], namespace: str) -> Any:
    refs = [
        (key_of(ref, namespace), ref.get("port"), ref.get("weight")) for ref in rule.get("backendRefs") or []
    ]
    return rule.get("matches"), rule.get("filters") or [], refs


def _parent(ref: Mapping[str, Any], namespace: str) -> Any:
    defaults = {"group": _GROUP, "kind": "Gateway", "namespace": namespace, "sectionName": None, "port": None}
    return {**defaults, **ref}


def _shown(rules: Iterable[Mapping[str, Any]], namespace: str) -> str:
    """The weights of rules in percent, as people read them."""
    said = []
    for rule in rules:
        parts = ", ".join(f"{one.name} {one.weight:g} %" for one in shares(rule, namespace))
        said.append(parts or "nothing")
    return "it sends " + "; ".join(dict.fromkeys(said))
