"""Versions that are committed to Git and applied by Argo CD or Flux, looked at in the cluster.

What was found there before, and autoscalers, are changed in the cluster itself: both change while a
release goes on.
"""

from dataclasses import replace

from policies.place import Place
from service.adapters.kubernetes import manifests
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.committing import Committed, fewest
from service.adapters.kubernetes.kinds import HPA
from service.adapters.kubernetes.metrics import ClusterMetrics
from service.adapters.kubernetes.workloads import KubernetesWorkloads, State, short
from service.ports.connections import Cluster
from service.ports.outcomes import Gone, Working
from service.ports.workloads import WorkloadOrder
from service.settings import Settings

PATIENCE = 900.0  # seconds in which a controller that looks every few minutes has applied a commit


class GitWorkloads:
    """The port Workload, and Adoption, for a cluster that is connected with `gitops`."""

    def __init__(self, running: KubernetesWorkloads, committed: Committed, place: Place) -> None:
        self._running = running
        self._committed = committed
        self._place = place
        # Nothing of this is in Git.
        self.found, self.restore = running.found, running.restore
        self.make_room, self.settle = running.make_room, running.settle

    def start(self, order: WorkloadOrder) -> None:
        """Commit it, unless it is in Git already; what was found is given its pods again."""
        if self._running.taken(order.name) is not None:
            self._running.start(order)
            return
        live = self._running.made(order.name)  # refuses a name that is somebody else's
        if live is not None and self._committed.holds(short(order.name)):
            self._running.start(order)
            return
        manifests.check_image(order.image)
        bodies = self._running.bodies(order)
        # The commit last: where it is, everything is.
        self._running.make(order.name, [(kind, body) for kind, body in bodies if kind == HPA])
        self._committed.put(short(order.name), [body for kind, body in bodies if kind != HPA])

    def state(self, name: str) -> State:
        """How far it is: committed, applied by whoever does that, ready."""
        if self._running.taken(name) is not None:
            return self._running.state(name)
        if not self._committed.holds(short(name)):
            return Gone()
        live = self._running.made(name)
        missing = self._committed.missing(short(name), live)
        if live is None or missing is not None:
            return Working(missing or "", PATIENCE)
        if live["spec"].get("replicas", 1) < fewest(live):
            self._running.scale(name, fewest(live))
        found = self._running.state(name)
        return replace(found, patience=max(PATIENCE, found.patience)) if isinstance(found, Working) else found

    def stop(self, name: str) -> None:
        """Take it out of Git, for whoever applies that to remove; what was never committed is deleted."""
        if self._running.taken(name) is not None:
            self._running.stop(name)
            return
        live = self._running.made(name)
        if self._committed.holds(short(name)):
            self._running.linger(name)
            self._committed.remove(short(name))
        elif live is None or not fewest(live):
            self._running.stop(name)
        self._running.remove(name, (HPA,))

    def logs(self, name: str) -> str:
        """What it printed, or what it waits for where nobody runs it yet."""
        match self.state(name):
            case Working(progress=progress) if self._running.made(name) is None:
                return progress
            case _:
                return self._running.logs(name)

    def clear(self) -> None:
        """Take every copy out of Git, then out of the cluster, whoever is faster."""
        for name in self._committed.copies(self._place.deployment or ""):
            self.stop(f"{name}.{self._place.namespace}")
        self._running.clear()


def workloads(
    settings: Settings, api: Api, cluster: Cluster, place: Place
) -> KubernetesWorkloads | GitWorkloads:
    """The workloads of a place, applied or committed as the cluster is connected."""
    counts = None if cluster.metrics is None else ClusterMetrics(cluster).sample
    running = KubernetesWorkloads(api, cluster, place, counts=counts)
    committed = Committed.of(settings, cluster, place.namespace or cluster.namespace)
    return running if committed is None else GitWorkloads(running, committed, place)
