"""What `segue doctor --cluster` asks: what is missing in a cluster, and the exact line that mends it.

Each question is a small function that returns findings; none of them changes anything. A question that
Segue's login may not ask is itself a finding, never an answer.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from policies.place import Place
from policies.place import counted as backend_of
from service.adapters.exposition import Strange
from service.adapters.kubernetes import (
    copying,
    counted,
    hearing,
    labels,
    passing,
    reconnecting,
    routes_manifest,
    shadowing,
    splits,
)
from service.adapters.kubernetes.answers import NoSuchKind
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.counted import Counts
from service.adapters.kubernetes.kinds import (
    DEPLOYMENT,
    ENDPOINT_SLICE,
    EVENT,
    GATEWAY,
    GRPC_ROUTE,
    HPA,
    HTTP_ROUTE,
    INGRESS,
    JOB,
    NAMESPACE,
    NETWORK_POLICY,
    PDB,
    POD,
    RESOURCE_QUOTA,
    SERVICE,
    Kind,
)
from service.adapters.kubernetes.others import KubernetesOthers
from service.adapters.kubernetes.shapes.known import SHAPES
from service.ports.clusters import Finding, Served
from service.ports.connections import Cluster
from service.ports.outcomes import PortError, Refused

Object = dict[str, Any]
_POD_MONITOR = Kind("monitoring.coreos.com/v1", "podmonitors")
_MADE = ("get", "list", "create", "delete")
# What each part does in the namespaces of its targets, verb by verb.
RIGHTS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    (DEPLOYMENT, (*_MADE, "patch")),
    (SERVICE, (*_MADE, "update")),
    (PDB, _MADE),
    (HPA, (*_MADE, "patch")),
    (JOB, ("get", "create", "update", "delete")),
    (POD, ("list",)),
    (EVENT, ("list",)),
    (ENDPOINT_SLICE, ("list",)),
    (NETWORK_POLICY, ("list",)),
    (Kind("v1", "pods/log"), ("get",)),
    (Kind("v1", "services/proxy"), ("get", "create")),
)
WATCHING: tuple[tuple[Kind, tuple[str, ...]], ...] = ((SERVICE, ("get",)), (POD, ("list",)))
ROUTE_RIGHTS = ("get", "list", "create", "update")
_CRDS = "kubectl apply --server-side -f https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.5.1/standard-install.yaml"
_UNITS = {
    **{unit: 1000.0**n for n, unit in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), -3)},
    **{unit: 1024.0**n for n, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}


def examine(api: Api, cluster: Cluster, targets: Sequence[Served]) -> list[Finding]:
    """All questions about a connected cluster and the targets that serve there."""
    try:
        version = api.version()
    except PortError as error:
        return [
            Finding(
                "cluster", ok=False, detail=str(error), mend=f"connect it again: {reconnecting.line(cluster)}"
            )
        ]
    found = [Finding("cluster", ok=True, detail=f"Kubernetes {version}")]
    namespaces = dict.fromkeys([cluster.namespace, *(one.place.namespace for one in targets)])
    acted = {cluster.namespace, *(one.place.namespace for one in targets if not one.place.watched)}
    for namespace in namespaces:
        wanted = RIGHTS if namespace in acted else WATCHING
        found += _asked(
            f"rights in {namespace}", lambda where=namespace, these=wanted: rights(api, cluster, where, these)
        )
        found += _asked(f"quota of {namespace}", lambda where=namespace: quota(api, where))
    if cluster.gateway is not None:
        found += _asked("gateway", lambda: gateway(api, cluster, list(namespaces)))
    counts = _counters(cluster)
    if isinstance(counts, Finding):
        found, known = [*found, counts], None
    else:
        found, known = [*found, *counted.whole(counts, namespaces)], counts
    for one in targets:
        found += _asked(one.target, lambda it=one: existing(api, it, known))
        if one.shadow:
            found += _asked(one.target, lambda it=one: shadowing.possible(api, cluster, it))
        if one.noted:
            found += _asked(one.target, lambda it=one: hearing.possible(api, it))
    return found


def rights(
    api: Api, cluster: Cluster, namespace: str, these: Sequence[tuple[Kind, tuple[str, ...]]] = RIGHTS
) -> Iterator[Finding]:
    """Every verb that the parts use there, asked of the API server itself."""
    own = [(HTTP_ROUTE, ROUTE_RIGHTS)] if cluster.gateway and these is RIGHTS else []
    wanted = [(kind, verbs, "") for kind, verbs in (*these, *own)]
    place, _, gateway = (cluster.gateway or "").partition("/")
    if place == namespace:
        wanted.append((GATEWAY, ("get",), gateway))  # of this one alone, as the chart's Role says
    denied = {
        (kind, name): missing
        for kind, verbs, name in wanted
        if (missing := [verb for verb in verbs if not api.allowed(verb, kind, namespace, name)])
    }
    if not denied:
        found = sum(len(verbs) for _, verbs, _ in wanted)
        yield Finding(f"rights in {namespace}", ok=True, detail=f"all {found} are there")
    for (kind, name), verbs in denied.items():
        which = f"{kind.plural}], resourceNames: [{name}" if name else kind.plural
        yield Finding(
            f"rights in {namespace}",
            ok=False,
            detail=f"Segue may not {', '.join(verbs)} {kind.title}",
            mend=f"add to its Role in {namespace}:"
            f" - {{apiGroups: [{kind.group!r}], resources: [{which}], verbs: [{', '.join(verbs)}]}}",
        )


def route_rights(api: Api, target: str, kind: Kind, route: Object) -> Iterator[Finding]:
    """What is done with a route that was there before, and with the gateways that serve it."""
    where, name = route["metadata"]["namespace"], route["metadata"]["name"]
    wanted = [("get", kind, where, name), ("update", kind, where, name)]
    wanted += [("get", GATEWAY, *gateway) for gateway in routes_manifest.gateways(route)]
    if kind == INGRESS:  # and its canary
        wanted += [(verb, kind, where, "") for verb in ("get", "create", "update", "delete")]
    for verb, what, namespace, named in wanted:
        if not api.allowed(verb, what, namespace, named):
            yield Finding(
                target,
                ok=False,
                detail=f"Segue may not {verb} {what.title} {namespace}/{named or '*'}",
                mend=f"add to its Role in {namespace}: - {{apiGroups: [{what.group!r}],"
                f" resources: [{what.plural}],{f' resourceNames: [{named}],' if named else ''}"
                f" verbs: [{verb}]}}",
            )


def quota(api: Api, namespace: str) -> Iterator[Finding]:
    """Limits of the namespace that leave no room for one more pod of anything, and whether it is there."""
    check = f"quota of {namespace}"
    if api.allowed("get", NAMESPACE, None, namespace) and api.get(NAMESPACE, None, namespace) is None:
        mend = f"make it: kubectl create namespace {namespace}"
        yield Finding(f"namespace {namespace}", ok=False, detail="is not there", mend=mend)
        return
    if not api.allowed("list", RESOURCE_QUOTA, namespace):
        yield Finding(check, ok=True, detail="Segue may not see it; a version that does not fit will say so")
        return
    full = [
        f"{one['metadata']['name']}: {name} {status['used'].get(name)} of {hard}"
        for one in api.list(RESOURCE_QUOTA, namespace)
        if (status := one.get("status") or {}).get("used")
        for name, hard in (status.get("hard") or {}).items()
        if quantity(str(status["used"].get(name, "0"))) >= quantity(str(hard)) > 0
    ]
    mend = f"raise it: kubectl edit resourcequota -n {namespace}"
    yield Finding(check, not full, ", ".join(full) or "there is room", mend)


def gateway(api: Api, cluster: Cluster, namespaces: Iterable[str]) -> Iterator[Finding]:
    """Whether the Gateway is there, serves, and takes routes from where Segue makes them."""
    where, _, name = (cluster.gateway or "").partition("/")
    try:
        found = api.get(GATEWAY, where, name)
    except NoSuchKind:
        yield Finding("gateway", ok=False, detail="the cluster has no Gateway API", mend=_CRDS)
        return
    if found is None:
        again = reconnecting.line(cluster, gateway="NAMESPACE/NAME")
        yield Finding("gateway", ok=False, detail=f"there is no Gateway {cluster.gateway}", mend=again)
        return
    said = routes_manifest.condition((found.get("status") or {}).get("conditions") or [], "Programmed")
    why = said.get("message") or "no controller answered for its class"
    look = f"kubectl describe gateway {name} -n {where}"
    yield Finding("gateway", said.get("status") == "True", f"Gateway {cluster.gateway}: {why}", look)
    for namespace in namespaces:
        yield from _listeners(api, found, namespace)
    if cluster.address is None:
        again = reconnecting.line(cluster, address="http://HOST")
        yield Finding("address", ok=False, detail="it is not known where users reach the gateway", mend=again)


def _counters(cluster: Cluster) -> Counts | Finding:
    """What the data plane counts, or why that cannot be read."""
    try:
        return counted.read(cluster)
    except Strange as error:
        return Finding("metrics", ok=False, detail=str(error), mend=counted.again(cluster))


def _watched(api: Api, target: str, place: Place) -> Iterator[Finding]:
    """The Services, and the route, between which somebody else shifts."""
    mend = "write the names of Services and a route that are there under `services` and `route`"
    try:
        behind = KubernetesOthers(api, place).look()
    except Refused as reason:
        yield Finding(target, ok=False, detail=str(reason), mend=mend)
        return
    said = "" if behind.weight is None else f"; the route gives the candidate {behind.weight:g} %"
    told = f"only watched: {len(behind.stable)} pods behind {place.stable}, {len(behind.candidate)} behind"
    yield Finding(target, ok=True, detail=f"{told} {place.candidate}{said}")


def existing(api: Api, served: Served, counts: Counts | None = None) -> Iterator[Finding]:
    """What a target takes over: the Deployment, its Service, its route, who reaches it otherwise, and what is
    counted of its versions."""
    target, place = served.target, served.place
    if place.watched:
        yield from _watched(api, target, place)
        both = (backend_of(place, place.stable), backend_of(place, place.candidate))
        yield from counted.apart(target, both, counts)
        return
    if place.deployment is None:
        yield Finding(target, ok=True, detail=f"its versions are objects of Segue's own in {place.namespace}")
        yield from passing.own(api, target, place, counts)
        return
    found = api.get(DEPLOYMENT, place.namespace, place.deployment)
    if found is None:
        told = f"there is no Deployment {place.namespace}/{place.deployment}"
        yield Finding(target, ok=False, detail=told, mend="write its name under `serve: {deployment: …}`")
        return
    worn = found["spec"]["template"]["metadata"].get("labels") or {}
    services = [one for one in api.list(SERVICE, place.namespace) if _others(one) and _selected(one, worn)]
    names = [one["metadata"]["name"] for one in services]
    if not names:
        told = f"no Service selects the pods of {place.deployment}"
        mend = f"kubectl expose deployment {place.deployment} -n {place.namespace}"
        yield Finding(target, ok=False, detail=told, mend=mend)
    else:
        yield from _route(api, served, names, counts)
    yield from _left_behind(api, target, place, found, services)


def quantity(text: str) -> float:
    """A Kubernetes quantity as a number. Contract:
    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/"""
    unit = next(unit for unit in sorted(_UNITS, key=len, reverse=True) if text.endswith(unit))
    return float(text.removesuffix(unit)) * _UNITS[unit]


def _asked(check: str, question: Any) -> list[Finding]:
    """A question's findings, or that it could not be asked."""
    try:
        return list(question())
    except PortError as error:
        return [Finding(check, ok=False, detail=str(error), mend="give Segue's login the right to read it")]


def _listeners(api: Api, found: Object, namespace: str) -> Iterator[Finding]:
    where = found["metadata"]["namespace"]
    said = [
        ((one.get("allowedRoutes") or {}).get("namespaces") or {"from": "Same"})
        for one in found["spec"]["listeners"]
    ]
    taken = any(
        one["from"] == "All"
        or (one["from"] == "Same" and namespace == where)
        or (one["from"] == "Selector" and _namespace_fits(api, namespace, one.get("selector") or {}))
        for one in said
    )
    mend = (
        f'kubectl patch gateway {found["metadata"]["name"]} -n {where} --type json -p \'[{{"op":"add","path":'
        '"/spec/listeners/0/allowedRoutes","value":{"namespaces":{"from":"All"}}}]\''
    )
    told = "takes" if taken else "takes no"
    yield Finding("gateway", taken, f"it {told} routes from {namespace}", mend)


def _namespace_fits(api: Api, namespace: str, selector: Object) -> bool:
    found = api.get(NAMESPACE, None, namespace)
    worn = (found or {}).get("metadata", {}).get("labels") or {}
    return bool(selector.get("matchLabels")) and copying.selects(selector["matchLabels"], worn)


def _route(api: Api, served: Served, names: Sequence[str], counts: Counts | None) -> Iterator[Finding]:
    """The route that is ours leads to the Service; others that do so send requests past the split."""
    target, place = served.target, served.place
    keys = {f"{name}.{place.namespace}" for name in names}
    said = " or ".join(sorted(keys))
    word, where, name = place.routed
    shape = SHAPES[word]
    kind, ours = _found(api, shape.kinds, where, name) if place.route else (None, None)
    if kind is not None and ours is not None:
        yield from route_rights(api, target, kind, ours)
    if place.route and ours is None:
        mend = "write its namespace and name under `serve: {route: …}`"
        yield Finding(target, ok=False, detail=f"there is no route {place.route}", mend=mend)
    elif ours is not None and not splits.our_rules(shape, ours["spec"], keys, where):
        told = f"no rule of route {place.route} leads to {said}"
        mend = f"kubectl edit {str(ours['kind']).lower()} {name} -n {where}"
        yield Finding(target, ok=False, detail=told, mend=mend)
    yield from passing.past(api, target, place, keys)
    if ours is None:
        return
    rules = splits.our_rules(shape, ours["spec"], keys, where)
    if why := shape.unkept(ours, rules, served.sticky):
        told, _, mend = why.partition("; ")
        yield Finding(target, ok=False, detail=told, mend=mend)
    if kind == HTTP_ROUTE:
        yield from passing.contested(api, target, ours, rules)
    if kind == GRPC_ROUTE and not served.counted:
        yield passing.unseen(target, ours)
    yield from passing.inside(target, shape, ours, keys)
    yield from counted.apart(target, splits.shared(shape, ours["spec"], rules, where), counts)


def _found(api: Api, kinds: Iterable[Kind], namespace: str, name: str) -> tuple[Kind | None, Object | None]:
    for kind in kinds:
        try:
            found = api.get(kind, namespace, name)
        except NoSuchKind:
            continue
        if found is not None:
            return kind, found
    return None, None


def _left_behind(
    api: Api, target: str, place: Place, deployment: Object, services: Iterable[Object]
) -> Iterator[Finding]:
    """Policies and monitors that select the pods by a label which a candidate must not carry."""
    worn = deployment["spec"]["template"]["metadata"].get("labels") or {}
    selectors = [one["spec"].get("selector") or {} for one in services]
    dropped = set(copying.apart(worn, [*selectors, copying.own_selector(deployment)]))
    for kind, key in ((NETWORK_POLICY, "podSelector"), (_POD_MONITOR, "selector")):
        try:
            known = api.list(kind, place.namespace) if api.allowed("list", kind, place.namespace) else []
        except NoSuchKind:
            continue
        for one in known:
            by = (one["spec"].get(key) or {}).get("matchLabels") or {}
            if copying.selects(by, worn) and dropped & by.keys():
                kept = next(
                    (f"{k}: {v}" for k, v in worn.items() if k not in dropped), "a label that both carry"
                )
                yield Finding(
                    target,
                    ok=False,
                    detail=f"{kind.plural} {one['metadata']['name']} selects by"
                    f" {', '.join(sorted(dropped & by.keys()))}, which a candidate's pods carry otherwise",
                    mend=f"let it select by {kept}",
                )


def _others(one: Object) -> bool:
    return (one["metadata"].get("labels") or {}).get(labels.MANAGED_BY) != labels.SEGUE


def _selected(service: Object, worn: Object) -> bool:
    return copying.selects(service["spec"].get("selector"), worn)
