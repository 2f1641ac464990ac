"""Whether a target's requests can be copied: what the doctor says of `strategy: shadow` in a cluster.

Questions as in `looking`: each returns findings, and none of them changes anything. A release is refused for
the same reasons before any request goes by the recorder.
"""

from collections.abc import Iterator

from service.adapters.kubernetes import labels, recorders_manifest
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import GRPC_ROUTE, HTTP_ROUTE, NETWORK_POLICY, SERVICE
from service.adapters.kubernetes.recorders_manifest import RECORDER
from service.adapters.kubernetes.transport import Object
from service.ports.clusters import Finding, Served
from service.ports.connections import Cluster


def possible(api: Api, cluster: Cluster, served: Served) -> Iterator[Finding]:
    """What stands against it there, or that nothing does."""
    found = [*_route(api, served), *_services(api, cluster, served), *_policies(api, cluster, served)]
    yield from found
    if not found:
        told = f"its requests can be copied, by pods of Segue's own image in {served.place.namespace}"
        yield Finding(served.target, ok=True, detail=told)


def _route(api: Api, served: Served) -> Iterator[Finding]:
    """Only an HTTPRoute beside its versions may lead to a recorder."""
    word, namespace, name = served.place.routed
    if served.place.route is None and served.place.deployment is None:
        return
    there = api.get(HTTP_ROUTE, namespace, name) if word == "" and served.place.route else None
    grpc = there is None and word == "" and served.place.route and api.get(GRPC_ROUTE, namespace, name)
    if word or grpc or served.place.route is None:
        told = "requests are copied only where an HTTPRoute leads to the versions"
        yield Finding(
            served.target, ok=False, detail=told, mend="name one as `route:`, or write `strategy: canary`"
        )
    elif namespace != served.place.namespace:
        told = (
            f"the route {served.place.route} is in another namespace than its versions, whose recorder it may"
        )
        mend = f"move it to {served.place.namespace}, or write `strategy: canary`"
        yield Finding(served.target, ok=False, detail=f"{told} not lead to", mend=mend)


def _services(api: Api, cluster: Cluster, served: Served) -> Iterator[Finding]:
    for one in _versions(api, cluster, served):
        name = f"{served.place.namespace}/{one['metadata']['name']}"
        if spoken := recorders_manifest.spoken(one, None):
            told, _, mend = recorders_manifest.told_spoken(name, spoken).partition("; ")
            yield Finding(served.target, ok=False, detail=told, mend=mend)


def _versions(api: Api, cluster: Cluster, served: Served) -> list[Object]:
    """The Services of the target's versions that Segue made."""
    wanted = {labels.OWNER: labels.value(cluster.owner), labels.TARGET: labels.value(served.target)}
    return api.list(SERVICE, served.place.namespace, labels=labels.selector(wanted))


def _policies(api: Api, cluster: Cluster, served: Served) -> Iterator[Finding]:
    namespace = served.place.namespace
    worn = recorders_manifest.marks(labels.labels(served.target, RECORDER, cluster.owner))
    shut = recorders_manifest.shut_out(api.list(NETWORK_POLICY, namespace), worn)
    if shut:
        told, _, mend = recorders_manifest.told_shut_out(shut, namespace).partition("; ")
        yield Finding(served.target, ok=False, detail=told, mend=mend)
