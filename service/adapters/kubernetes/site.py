"""All parts of one place in a cluster, behind one door to its API."""

from policies.place import Place
from service.adapters.kubernetes import git_workloads
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.gateway import GatewayRouter
from service.adapters.kubernetes.git_workloads import GitWorkloads
from service.adapters.kubernetes.ingress import IngressRouter
from service.adapters.kubernetes.jobs import KubernetesJobs
from service.adapters.kubernetes.kept import KeptDeployments
from service.adapters.kubernetes.metrics import ClusterMetrics
from service.adapters.kubernetes.others import KubernetesOthers, OnlyWatched
from service.adapters.kubernetes.recorders import Recorders
from service.adapters.kubernetes.selector import ServiceSelector
from service.adapters.kubernetes.workloads import KubernetesWorkloads
from service.bootstrap import Site
from service.ports.connections import Cluster
from service.ports.outcomes import Refused, Retry
from service.settings import Settings

_Router = GatewayRouter | IngressRouter | ServiceSelector


def open_site(settings: Settings, cluster: Cluster, place: Place) -> Site:
    """What serves, runs and counts at the place. Raises `Refused` for a connection that cannot be used."""
    api = Api.of(cluster)
    if place.watched:
        return _watched(api, cluster, place)
    workloads = git_workloads.workloads(settings, api, cluster, place)
    recorders = Recorders(api, cluster, place, settings)
    router = _router(api, cluster, place, recorders)

    def ask(url: str, address: str | None, backend: str, health: str) -> str:  # noqa: ARG001
        return _asked(api, place, backend, url, health)

    return Site(
        workloads=workloads,
        jobs=KubernetesJobs(api, cluster, place),
        router=router,
        metrics=ClusterMetrics(cluster),
        ask=ask,
        adoption=_TakenOver(workloads, router) if place.deployment else None,
        room=workloads,
        noted=recorders,
        kept=_kept(api, workloads, place.namespace or cluster.namespace),
    )


def _kept(api: Api, workloads: KubernetesWorkloads | GitWorkloads, namespace: str) -> KeptDeployments | None:
    """What is committed to Git is kept by whoever applies that."""
    return KeptDeployments(api, workloads, namespace) if isinstance(workloads, KubernetesWorkloads) else None


def _watched(api: Api, cluster: Cluster, place: Place) -> Site:
    """Where somebody else shifts the traffic: counters and looks, and nothing that changes anything."""
    others = KubernetesOthers(api, place)
    only = OnlyWatched(others)

    def ask(url: str, address: str | None, backend: str, health: str) -> str:  # noqa: ARG001
        raise Refused(f"{backend} is not asked: it is only watched")

    return Site(
        workloads=only,
        jobs=KubernetesJobs(api, cluster, place),
        router=only,
        metrics=ClusterMetrics(cluster),
        ask=ask,
        others=others,
    )


class _TakenOver:
    """A Deployment that was there before, and the route or Service in front of it: the port Adoption."""

    def __init__(self, workloads: KubernetesWorkloads | GitWorkloads, router: _Router) -> None:
        self._workloads = workloads
        self._router = router
        self.found = workloads.found
        self.restore = workloads.restore

    def clear(self, target: str) -> None:
        """The route's notes last: until then an older write is known for one."""
        self._workloads.clear()
        self._router.hand_back(target)


def _router(api: Api, cluster: Cluster, place: Place, recorders: Recorders | None = None) -> _Router:
    if place.deployment is not None and place.route is None:
        return ServiceSelector(api, cluster, place)
    if place.routed[0] == "ingress":
        return IngressRouter(api, cluster, place)
    return GatewayRouter(api, cluster, place, recorders=recorders)


def _asked(api: Api, place: Place, backend: str, url: str, health: str) -> str:
    """A copy's own readiness is what its pods were asked for already; ours is asked once more, through
    the API server, because Segue may run where no pod can be reached."""
    if place.deployment is not None:
        return "its pods are ready"
    service, _, namespace = backend.partition(".")
    status = api.proxy(namespace, service, int(url.rpartition(":")[2]), health)
    if status is None:
        raise Retry(f"the candidate does not answer at {health} yet", after=0.5)
    if not 200 <= status < 300:
        raise Refused(f"the candidate answers {status} at {health}")
    return f"{health} answers {status}"
