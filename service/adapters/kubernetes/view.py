"""What an operator asks of a cluster before anything is done there: its version, and what serves already."""

from collections.abc import Mapping
from typing import Any, Self

from policies.place import Place
from service.adapters.kubernetes import looking
from service.adapters.kubernetes.api import Api, Object
from service.adapters.kubernetes.kinds import DEPLOYMENT, GRPC_ROUTE, HPA, HTTP_ROUTE, SERVICE
from service.ports import Cluster, Existing, Finding, PortError, Refused

# Labels and annotations by which those who keep objects as they are make themselves known.
_MANAGERS = {
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "argocd.argoproj.io/instance": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
    "meta.helm.sh/release-name": "Helm",
}


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
        autoscaler = next((h for h in self._api.list(HPA, namespace) if _scales(h, name)), None)
        return Existing(
            deployment=f"{namespace}/{name}",
            image=_image(found),
            services=tuple(f"{namespace}/{service}" for service in services),
            routes=self._routes(namespace, services),
            autoscaler=None if autoscaler is None else f"{namespace}/{autoscaler['metadata']['name']}",
            manager=_manager(found),
        )

    def examine(self, targets: tuple[tuple[str, Place], ...]) -> list[Finding]:
        """The doctor's questions, asked there."""
        return looking.examine(self._api, self._cluster, targets)

    def _services(self, namespace: str, deployment: Object) -> list[str]:
        worn = deployment["spec"]["template"]["metadata"].get("labels") or {}
        services = self._api.list(SERVICE, namespace)
        return [one["metadata"]["name"] for one in services if _selects(one["spec"].get("selector"), worn)]

    def _routes(self, namespace: str, services: list[str]) -> tuple[str, ...]:
        """HTTPRoutes and GRPCRoutes; none where the cluster has no Gateway API."""
        found: list[str] = []
        for kind in (HTTP_ROUTE, GRPC_ROUTE):
            try:
                routes = self._api.list(kind, namespace)
            except PortError:
                continue
            found += [f"{namespace}/{one['metadata']['name']}" for one in routes if _names(one, services)]
        return tuple(found)


def _image(deployment: Object) -> str:
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def _selects(selector: Mapping[str, str] | None, worn: Mapping[str, str]) -> bool:
    return bool(selector) and all(worn.get(key) == said for key, said in (selector or {}).items())


def _names(route: Mapping[str, Any], services: list[str]) -> bool:
    rules = route.get("spec", {}).get("rules") or []
    return any(ref["name"] in services for rule in rules for ref in rule.get("backendRefs") or [])


def _scales(autoscaler: Mapping[str, Any], deployment: str) -> bool:
    target = autoscaler["spec"]["scaleTargetRef"]
    return (target["kind"], target["name"]) == ("Deployment", deployment)


def _manager(deployment: Object) -> str | None:
    metadata = deployment["metadata"]
    said = {**(metadata.get("labels") or {}), **(metadata.get("annotations") or {})}
    return next((name for key, name in _MANAGERS.items() if key in said), None)
