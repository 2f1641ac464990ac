"""What an operator asks of a cluster before anything is done there: its version, and what serves already."""

from collections.abc import Mapping
from typing import Any, Self

from service.adapters.kubernetes import copying, gitops, labels, looking, splits
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import DEPLOYMENT, HPA, SERVICE
from service.adapters.kubernetes.shapes.known import SHAPES
from service.adapters.kubernetes.transport import Object
from service.ports.clusters import Existing, Finding, Served
from service.ports.connections import Cluster
from service.ports.outcomes import PortError, Refused


class KubernetesView:
    """Reads, and never writes."""

    def __init__(self, api: Api, cluster: Cluster) -> None:
        self._api = api
        self._cluster = cluster

    @classmethod
    def open(cls, cluster: Cluster) -> Self:
        """The view of a cluster, connected or not yet."""
        return cls(Api.of(cluster), cluster)

    def version(self) -> str:
        """Such as v1.37.2."""
        return self._api.version()

    def existing(self, namespace: str, name: str) -> Existing:
        """A Deployment, the Services that select its pods, the routes that name those, its autoscaler."""
        found = self._api.get(DEPLOYMENT, namespace, name)
        if found is None:
            there = [one["metadata"]["name"] for one in self._api.list(DEPLOYMENT, namespace)]
            known = ", ".join(there) or "none"
            raise Refused(f"there is no Deployment {namespace}/{name}; in {namespace} there are: {known}")
        services = self._services(namespace, found)
        routes = self._routes(namespace, [_name(one) for one in services])
        containers = found["spec"]["template"]["spec"]["containers"]
        model = copying.asked(found["spec"]["template"], services)
        autoscaler = next((h for h in self._api.list(HPA, namespace) if _scales(h, name)), None)
        # Without a route the Service itself is switched.
        changed = [("Deployment", found)]
        changed += [(str(one["kind"]), one) for _, one in routes] or [("Service", one) for one in services]
        changed += [("HorizontalPodAutoscaler", autoscaler)] if autoscaler else []
        return Existing(
            deployment=f"{namespace}/{name}",
            image=str(model["image"]),
            services=tuple(f"{namespace}/{_name(one)}" for one in services),
            routes=tuple(f"{word}{namespace}/{_name(one)}" for word, one in routes),
            autoscaler=None if autoscaler is None else f"{namespace}/{_name(autoscaler)}",
            manager=gitops.manager_of(found),
            mend=gitops.mends((gitops.Thing(kind, namespace, _name(one)), one) for kind, one in changed),
            container=str(model["name"]),
            beside=tuple(f"{one['name']} ({one['image']})" for one in containers if one is not model),
        )

    def examine(self, targets: tuple[Served, ...]) -> list[Finding]:
        """The doctor's questions, asked there."""
        return looking.examine(self._api, self._cluster, targets)

    def _services(self, namespace: str, deployment: Object) -> list[Object]:
        worn = deployment["spec"]["template"]["metadata"].get("labels") or {}
        services = self._api.list(SERVICE, namespace)
        return [one for one in services if _selects(one["spec"].get("selector"), worn)]

    def _routes(self, namespace: str, services: list[str]) -> list[tuple[str, Object]]:
        """Routes that name the Services, of every kind that the cluster has, by what `route` says before.

        Lists of custom resources say each item's kind; those of Kubernetes' own leave it out.
        """
        wanted = {f"{name}.{namespace}" for name in services}
        found: list[tuple[str, Object]] = []
        for word, shape in SHAPES.items():
            for kind in shape.kinds:
                try:
                    routes = self._api.list(kind, namespace)
                except PortError:
                    continue
                found += [
                    (f"{word}/" if word else "", {"kind": shape.title, **one})
                    for one in routes
                    if not _ours(one) and splits.leads_to(shape, one["spec"], namespace).keys() & wanted
                ]
        return found


def _name(live: Object) -> str:
    return str(live["metadata"]["name"])


def _selects(selector: Mapping[str, str] | None, worn: Mapping[str, str]) -> bool:
    return bool(selector) and all(worn.get(key) == said for key, said in (selector or {}).items())


def _ours(live: Object) -> bool:
    return bool((live["metadata"].get("labels") or {}).get(labels.MANAGED_BY) == labels.SEGUE)


def _scales(autoscaler: Mapping[str, Any], deployment: str) -> bool:
    target = autoscaler["spec"]["scaleTargetRef"]
    return (target["kind"], target["name"]) == ("Deployment", deployment)
