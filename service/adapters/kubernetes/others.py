"""A place where somebody else shifts traffic: two Services and what runs behind them, and perhaps a route.

It reads Services, pods and the route, and has no call that changes anything. What else the parts of a place
are asked for is refused, so that nothing is changed there whoever asks.
"""

from typing import Any

from policies.place import Place, counted
from service.adapters.kubernetes import splits
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import POD, SERVICE
from service.adapters.kubernetes.shapes.known import SHAPES
from service.ports.others import Behind, Pod
from service.ports.outcomes import Failed, Gone, Refused, Working
from service.ports.traffic import Route
from service.ports.workloads import Serving, WorkloadOrder

_ONLY = "Segue only watches there: `mode: observe`"


class KubernetesOthers:
    """Looks at the two Services of a place."""

    def __init__(self, api: Api, place: Place) -> None:
        self._api = api
        self._place = place

    def look(self) -> Behind:
        """Pods behind both Services, and the weight that the route says."""
        stable, candidate = self.behind(self._place.stable), self.behind(self._place.candidate)
        return Behind(stable, candidate, self._weight())

    def behind(self, service: str) -> tuple[Pod, ...]:
        """The pods that a Service selects. Raises `Refused` where there is no such Service."""
        namespace = self._place.namespace
        found = self._api.get(SERVICE, namespace, service)
        if found is None:
            raise Refused(f"there is no Service {namespace}/{service}")
        selector = found["spec"].get("selector") or {}
        if not selector:
            raise Refused(f"the Service {namespace}/{service} selects no pods")
        wanted = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
        pods = self._api.list(POD, namespace, wanted)
        return tuple(_pod(one) for one in pods if not one["metadata"].get("deletionTimestamp"))

    def _weight(self) -> float | None:
        if self._place.route is None:
            return None
        word, namespace, name = self._place.routed
        shape, wanted = SHAPES[word], counted(self._place, self._place.candidate)
        live = next((one for kind in shape.kinds if (one := self._api.get(kind, namespace, name))), None)
        if live is None:
            raise Refused(f"there is no {shape.title} {namespace}/{name}")
        rules = [splits.shares(shape, refs, namespace) for refs in shape.rules(live["spec"])]
        said = [one.weight for rule in rules for one in rule if one.name == wanted]
        return max(said, default=None)


def _pod(live: dict[str, Any]) -> Pod:
    status = live.get("status", {})
    states = status.get("containerStatuses") or []
    said = [one.get("image", "") for one in live["spec"].get("containers", ())]
    runs = [one.get("imageID", "") for one in states]
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
    restarts = sum(int(one.get("restartCount", 0)) for one in states)
    return Pod(frozenset(filter(None, (*said, *runs))), restarts, ready)


class OnlyWatched:
    """The workloads and the router of such a place: looked at, and nothing else."""

    def __init__(self, others: KubernetesOthers) -> None:
        self._others = others

    def state(self, name: str) -> Working | Serving | Failed | Gone:
        """What runs behind the Service that is counted by this name."""
        pods = self._others.behind(name.partition(".")[0])
        if not pods:
            return Gone()
        if not any(pod.ready for pod in pods):
            return Working("no pod is ready")
        return Serving("", 0.0, sum(pod.restarts for pod in pods))

    def start(self, order: WorkloadOrder) -> None:
        """Never."""
        raise Refused(f"{order.name} is not started: {_ONLY}")

    def stop(self, name: str) -> None:
        """Never."""
        raise Refused(f"{name} is not stopped: {_ONLY}")

    def logs(self, name: str) -> str:
        """They are where the pods are."""
        return f"{name} is somebody else's: see kubectl logs"

    def set(self, route: Route) -> Route:
        """Never."""
        raise Refused(f"the traffic of {route.target} is not shifted: {_ONLY}")

    def remove(self, target: str, epoch: int, attempt: int = 0) -> None:  # noqa: ARG002
        """Never."""
        raise Refused(f"the route of {target} is not removed: {_ONLY}")

    def get(self, target: str) -> Route | None:  # noqa: ARG002
        """There is no route of Segue's."""
        return None

    def address(self, target: str) -> str:
        """Whoever shifts the traffic knows it."""
        raise Refused(f"the address of {target} is somebody else's: {_ONLY}")

    def drift(self, target: str) -> str | None:  # noqa: ARG002
        """Others may change what is theirs."""
        return None
