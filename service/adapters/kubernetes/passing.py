"""Who reaches a target's versions past the split, and whose failures nobody sees: what the doctor says.

Questions as in `looking`: each returns findings, and none of them changes anything.
"""

from collections.abc import Iterable, Iterator, Sequence

from policies.place import Place
from service.adapters.kubernetes import claims, counted, labels, own_route, recorders_manifest, splits
from service.adapters.kubernetes.answers import NoSuchKind
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.counted import Counts
from service.adapters.kubernetes.kinds import HTTP_ROUTE
from service.adapters.kubernetes.shapes import Shape
from service.adapters.kubernetes.shapes.known import SHAPES
from service.adapters.kubernetes.transport import Object
from service.ports.clusters import Finding


def own(api: Api, target: str, place: Place, counts: Counts | None = None) -> Iterator[Finding]:
    """Of a target with a route of Segue's own: whether requests get there, who does not ask it, and what is
    counted of its versions."""
    try:
        route = api.get(HTTP_ROUTE, place.namespace, own_route.own_name(target))
    except NoSuchKind:
        return
    if route is None or not route["spec"].get("rules"):
        if counts is not None:
            yield counted.unserved(target)
        return
    yield from contested(api, target, route, [0])
    refs = route["spec"]["rules"][0].get("backendRefs") or []
    named = {str(ref["name"]) for ref in refs}
    names = " or ".join(sorted(name for name in named if not recorders_manifest.is_recorder(name)))
    told = f"callers inside the cluster are split where they ask the gateway; who asks Service {names} is not"
    yield Finding(target, ok=True, detail=told)
    shared = splits.shared(SHAPES[""], route["spec"], [0], place.namespace)
    yield from counted.apart(target, shared, counts)


def contested(api: Api, target: str, route: Object, rules: Sequence[int]) -> Iterator[Finding]:
    """Routes that the gateway prefers for the same host and path, as far as Segue's login may see them."""
    seen, everywhere = claims.visible(api, route["metadata"]["namespace"])
    for other in claims.preferred(route, rules, seen):
        told, _, mend = claims.told(other).partition("; ")
        yield Finding(target, ok=False, detail=told, mend=mend)
    if not everywhere:
        told = "routes of other namespaces for the same host and path are not seen; to see them Segue's login"
        yield Finding(target, ok=True, detail=f"{told} needs a ClusterRole that may list httproutes")


def past(api: Api, target: str, place: Place, keys: set[str]) -> Iterator[Finding]:
    """HTTPRoutes that lead to the Service and are not ours."""
    try:
        known = (
            api.list(HTTP_ROUTE, place.namespace) if api.allowed("list", HTTP_ROUTE, place.namespace) else []
        )
    except NoSuchKind:
        known = []
    for one in known:
        other = f"{place.namespace}/{one['metadata']['name']}"
        leads = splits.our_rules(SHAPES[""], one["spec"], keys, place.namespace)
        ours = (one["metadata"].get("labels") or {}).get(labels.MANAGED_BY) == labels.SEGUE
        if other != place.route and not ours and leads:
            told = f"route {other} leads to {' or '.join(sorted(keys))} past the split"
            mend = f"kubectl delete httproute {one['metadata']['name']} -n {place.namespace}"
            yield Finding(target, ok=False, detail=told, mend=mend)


def inside(target: str, shape: Shape, route: Object, keys: Iterable[str]) -> Iterator[Finding]:
    """Callers inside the cluster that ask the Service itself, where no mesh splits these."""
    spec, namespace = route["spec"], str(route["metadata"]["namespace"])
    left = sorted(key for key in keys if not shape.covers_inside(spec, key, namespace))
    if not left:
        return
    told = f"callers inside the cluster that ask {' or '.join(left)} itself go past the split"
    way = "the gateway's address does not"
    if HTTP_ROUTE in shape.kinds:
        name = left[0].partition(".")[0]
        way += ", nor does the Service where a mesh serves the route and it has the parent"
        way += f" {{group: '', kind: Service, name: {name}}}"
    yield Finding(target, ok=True, detail=f"{told}; {way}")


def unseen(target: str, route: Object) -> Finding:
    """Calls behind a GRPCRoute that fail, where no guard has counters of its own.

    A gateway counts by the HTTP status, which is 200 of a call whose trailers say that it failed.
    https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
    """
    where = f"{route['metadata']['namespace']}/{route['metadata']['name']}"
    told = (
        f"GRPCRoute {where}: a call that fails is answered 200, which the guard `errors` takes for a success"
    )
    mend = "let the model count them, and write guards: {errors: {calls: grpc}, slo: 1%}"
    return Finding(target, ok=False, detail=told, mend=mend)
