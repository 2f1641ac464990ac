"""How a version stands in a cluster: read from its Deployment and its pods, and in people's words."""

from collections.abc import Callable
from datetime import datetime

from service.adapters.kubernetes import adoption, manifests, reasons
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import EVENT
from service.adapters.kubernetes.restarts import RESTARTS, Ledger
from service.adapters.kubernetes.transport import Object
from service.ports.outcomes import Failed, Working
from service.ports.workloads import Serving

_LIVES = 5  # restarts without ever having been ready, after which it has failed


class Standing:
    """Of the versions of one namespace. `clock` gives seconds since 1970."""

    def __init__(self, api: Api, namespace: str, clock: Callable[[], float]) -> None:
        self._api = api
        self._namespace = namespace
        self._clock = clock

    def state(
        self, deployment: Object, pods: list[Object], service: str, log: Callable[[], str]
    ) -> Working | Serving | Failed:
        """How far a Deployment is that shall have pods, and why no further; `log` reads what it printed."""
        if deployment.get("status", {}).get("readyReplicas"):
            return self.serving(deployment, pods, service, _port(deployment))
        return self._unready(deployment, pods, log)

    def _unready(self, deployment: Object, pods: list[Object], log: Callable[[], str]) -> Working | Failed:
        trouble = self.trouble(deployment, pods)
        words = trouble.words if trouble else "waiting until it is ready" if pods else "starting"
        if _was_available(deployment):
            return Working(f"restarting: {words}" if trouble else "restarting")
        oldest = min((_seconds(pod["metadata"]["creationTimestamp"]) for pod in pods), default=None)
        since = oldest or _seconds(deployment["metadata"]["creationTimestamp"])
        late = trouble is not None and self._clock() - since > trouble.patience
        lives = max((count for pod in pods for count in restarted(pod)), default=0)
        if late or lives >= _LIVES or _too_late(deployment):
            return Failed(words, log())
        return Working(words, _patience(trouble, pods))

    def serving(self, deployment: Object, pods: list[Object], service: str, port: int) -> Serving:
        """That it answers at this Service and port, since when, and how often it had to start again."""
        started = min((_seconds(pod["metadata"]["creationTimestamp"]) for pod in pods), default=0.0)
        text = (deployment["metadata"].get("annotations") or {}).get(RESTARTS)
        ledger = Ledger.read(text) if text else Ledger().seen(pods, 0)
        url = f"http://{service}.{self._namespace}.svc:{port}"
        return Serving(url, started, ledger.total, reasons.last_end(pods), self._unwell(deployment, pods))

    def _unwell(self, deployment: Object, pods: list[Object]) -> str:
        """Which of its pods are not ready, and why; empty while all are."""
        wanted = deployment["spec"].get("replicas", 1)
        ready = deployment.get("status", {}).get("readyReplicas", 0)
        if ready >= wanted:
            return ""
        trouble = self.trouble(deployment, pods)
        return f"{ready} of {wanted} pods are ready" + (f": {trouble.words}" if trouble else "")

    def trouble(self, deployment: Object, pods: list[Object]) -> reasons.Trouble | None:
        """What keeps its pods from being ready, the worst first."""
        of_pods = [trouble for pod in pods if (trouble := self._trouble_of(pod))]
        if of_pods:
            return min(of_pods, key=lambda trouble: trouble.patience)
        return reasons.of_deployment(deployment)

    def _trouble_of(self, pod: Object) -> reasons.Trouble | None:
        if pod["metadata"].get("deletionTimestamp"):
            return None
        trouble = reasons.of_pod(pod)
        if trouble is None and pod.get("status", {}).get("phase") != "Pending":
            return None
        events = self._api.list(EVENT, self._namespace, fields=f"involvedObject.uid={pod['metadata']['uid']}")
        return reasons.of_pod(pod, events)


def restarted(pod: Object) -> list[int]:
    """How often each of its containers was started again, those that were."""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return [count for one in statuses if (count := int(one.get("restartCount", 0)))]


def _patience(trouble: reasons.Trouble | None, pods: list[Object]) -> float:
    """Room, large images and weights take their time; a container that runs has what a start takes."""
    if pods and all(_unfilled(pod) for pod in pods):
        return manifests.WEIGHTS_SECONDS
    pending = all(pod.get("status", {}).get("phase", "Pending") == "Pending" for pod in pods)
    return reasons.ROOM if pending else trouble.patience if trouble else 0.0


def _unfilled(pod: Object) -> bool:
    """Whether its weights may not be there yet."""
    pending = pod.get("status", {}).get("phase", "Pending") == "Pending"
    return pending and any(one["name"] == reasons.WEIGHTS for one in pod.get("spec", {}).get("volumes") or [])


def _port(deployment: Object) -> int:
    """The port of its Service, as it was noted when it was made or found."""
    noted = adoption.noted(deployment)
    return int(noted["port"] if noted else deployment["metadata"]["annotations"][manifests.PORT])


def _was_available(deployment: Object) -> bool:
    conditions = deployment.get("status", {}).get("conditions") or []
    return any(one.get("reason") == "NewReplicaSetAvailable" for one in conditions)


def _too_late(deployment: Object) -> bool:
    conditions = deployment.get("status", {}).get("conditions") or []
    return any(one.get("reason") == "ProgressDeadlineExceeded" for one in conditions)


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
