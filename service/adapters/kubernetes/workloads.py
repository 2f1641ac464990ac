"""Runs versions in a cluster: Deployments of our own, or copies of one that was there before.

A version's objects all have the name of its Service, which is what stands before the dot in its
backend's name. They are found again by that name and by their labels; one of that name that is not of
this installation is refused. What outlives us (the order, restarts, held autoscalers) is in annotations.
"""

import time
from collections.abc import Callable, Iterable

from policies.place import Place
from service.adapters.kubernetes import adoption, copying, labels, manifests, scaling
from service.adapters.kubernetes.adoption import Found
from service.adapters.kubernetes.answers import Stale, Taken
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.forgetting import Forgetting
from service.adapters.kubernetes.kinds import DEPLOYMENT, HPA, PDB, POD, SERVICE, Kind
from service.adapters.kubernetes.restarts import RESTARTS, Ledger
from service.adapters.kubernetes.scaling import Scaling
from service.adapters.kubernetes.standing import Standing, restarted
from service.adapters.kubernetes.transport import Object
from service.ports.connections import Cluster
from service.ports.metrics import NoData, Sample
from service.ports.outcomes import Failed, Gone, Refused, Retry, Working
from service.ports.workloads import Serving, WorkloadOrder

ENDING = "segue.dev/ending"  # annotation of a copy: since when it is out of use, seconds since 1970
LINGER_SECONDS = 10.0  # longer than most data planes keep an older route
LONGEST_SECONDS = (
    120.0  # for one that still sends; what asks for longer goes by some other way than our route
)
_YOUNG = 2.0  # seconds from a start in which nothing is said of what keeps pods from being ready
_TAIL = 100  # lines of a log

State = Working | Serving | Failed | Gone


class KubernetesWorkloads:
    """The versions at one place. `clock` gives seconds since 1970."""

    def __init__(
        self,
        api: Api,
        cluster: Cluster,
        place: Place,
        clock: Callable[[], float] = time.time,
        counts: Callable[[], Sample | NoData] | None = None,
    ) -> None:
        """`counts` are the data plane's own, where they are known."""
        self._api = api
        self._forgetting = None if counts is None else Forgetting(counts)
        self._owner = cluster.owner
        self._namespace = place.namespace or cluster.namespace
        self._found = Found(api, cluster, place) if place.deployment else None
        self._scaling = Scaling(api, self._namespace)
        self._clock = clock
        self._standing = Standing(api, self._namespace, clock)
        self._begun: dict[str, float] = {}  # when we made what we look at

    # --- the port Workload ----------------------------------------------------------------------

    def start(self, order: WorkloadOrder) -> None:
        """Keep it running, unless it is kept already; what was found is given its pods again.

        Raises `Refused` where another order runs under this name, or somebody else's object has it.
        """
        taken = self.taken(order.name)
        if self._found is not None and taken is not None:
            self._found.start(taken)
            return
        manifests.check_image(order.image)
        known = self.made(order.name)
        if known is None:
            self.make(order.name, self.bodies(order))
            self._begun[order.name] = self._clock()
        elif known["metadata"].get("deletionTimestamp"):
            raise Retry(f"the workload {order.name} is still being ended")
        elif known["metadata"]["annotations"].get(labels.SPEC) != manifests.order_digest(order):
            raise Refused(f"the workload {order.name} runs with another order; stop it first")
        elif ENDING in known["metadata"]["annotations"]:
            self._annotate(known, {ENDING: None})

    def state(self, name: str) -> State:
        """How far it is, and why it is no further."""
        deployment = self.named(name)
        if deployment is None or not deployment["spec"].get("replicas", 1):
            return Gone()
        if self._is_young(name, deployment):
            return Working("starting")
        pods = self._pods(deployment)
        if self._is_ours(deployment):
            deployment = self._remember(deployment, pods)
        return self._standing.state(deployment, pods, short(name), lambda: self.logs(name))

    def stop(self, name: str) -> None:
        """End it; a name that is not running is fine. What was found is left standing without pods.

        Pods of our own answer for some seconds more by themselves. A copy's template may have them end
        at once: it stays, with `Retry`, until every data plane must have forgotten it.
        """
        self._begun.pop(name, None)
        taken = self.taken(name)
        if self._found is not None and taken is not None:
            self._found.stop(taken)
            return
        self.linger(name)
        self.remove(name, (DEPLOYMENT, HPA, PDB, SERVICE))

    def remove(self, name: str, kinds: Iterable[Kind]) -> None:
        """Delete the version's objects of these kinds, those that are there."""
        for kind in kinds:
            known = self._ours(kind, short(name))
            if known is not None:
                self._api.delete(kind, self._namespace, short(name), uid=known["metadata"]["uid"])

    def logs(self, name: str) -> str:
        """The end of what its newest pod printed, and its incarnation before where that one ended."""
        deployment, pods = self._running(name)
        newest = max(pods, key=lambda pod: pod["metadata"]["creationTimestamp"], default=None)
        if deployment is None or newest is None:
            return ""
        model = copying.container(deployment["spec"]["template"], _image(deployment))["name"]
        pod = newest["metadata"]["name"]
        printed = self._api.logs(self._namespace, pod, model, _TAIL)
        if not printed and any(restarted(newest)):
            printed = self._api.logs(self._namespace, pod, model, _TAIL, previous=True)
        return printed

    # --- the port Adoption ----------------------------------------------------------------------

    def found(self) -> tuple[str, Serving, str]:
        """What serves at the place: its Service's name, its state, its image by digest."""
        taken = self._existing()
        found = taken.read()
        if not found["spec"].get("replicas", 1):
            raise Refused(f"the Deployment {self._namespace}/{taken.deployment} has no replicas; scale it up")
        why = adoption.unready(found)
        if why:
            raise Retry(f"the Deployment {self._namespace}/{taken.deployment} is not ready: {why}", after=2)
        known = taken.note(found)
        serving = self._standing.serving(found, taken.pods(found), str(known["service"]), int(known["port"]))
        return f"{known['service']}.{self._namespace}", serving, taken.image(found, int(known["port"]))

    def restore(self, image: str) -> None:
        """Have what was found run with this image, as many pods as it had; `Retry` until all are ready.

        Its template keeps that image: handing back keeps the version that serves.
        """
        taken = self._existing()
        found = taken.read()
        autoscaler = self._scaling.autoscalers().get(taken.deployment)
        if autoscaler is not None:
            self._scaling.settle(autoscaler)
        if not taken.names(found, image):
            taken.set_image(found, image)
        serving = max((one["spec"].get("replicas", 0) for one in self._copies(DEPLOYMENT)), default=0)
        taken.start(found, at_least=serving if autoscaler is not None else 0)
        found = taken.read()
        why = adoption.unready(found) or ("" if taken.names(found, image) else "its image was changed back")
        if why:
            raise Retry(f"the Deployment {self._namespace}/{taken.deployment} is not ready: {why}", after=1)

    def clear(self) -> None:
        """Remove every copy, and what was noted on what was found; `Retry` while a copy has to stay."""
        taken, waiting = self._existing(), None
        for copy in self._copies(SERVICE):  # which goes last: an end that broke off is found again
            try:
                self.stop(f"{copy['metadata']['name']}.{self._namespace}")
            except Retry as reason:
                waiting = reason
        if waiting is not None:
            raise waiting
        taken.forget(taken.read())

    # --- room during a rollout ------------------------------------------------------------------

    def make_room(self, stable: str, candidate: str, weight: float) -> None:
        """See to it that the candidate has what its share (percent) of stable's live replicas comes to,
        and that stable keeps what it has. Raises `Retry`, with the reason, until those pods are ready."""
        keeping, growing = self.named(stable), self.named(candidate)
        if keeping is None or growing is None:
            return
        autoscalers = self._scaling.autoscalers()
        live = keeping["spec"].get("replicas", 1)
        autoscaler = autoscalers.get(keeping["metadata"]["name"])
        if autoscaler is not None:
            least, most = scaling.bounds(autoscaler)
            self._scaling.hold(autoscaler, max(least, live), max(most, live))
        wanted = max(manifests.share(live, weight), growing["spec"].get("replicas", 1))
        name = growing["metadata"]["name"]
        autoscaler = autoscalers.get(name)
        if autoscaler is not None:
            self._scaling.hold(autoscaler, wanted, wanted)
        if growing["spec"].get("replicas", 1) < wanted:
            self._scaling.scale(name, wanted)
        ready = growing.get("status", {}).get("readyReplicas", 0)
        if ready < wanted:
            trouble = self._standing.trouble(growing, self._pods(growing))
            why = f": {trouble.words}" if trouble else ""
            raise Retry(f"{ready} of {wanted} pods of {candidate} are ready for {weight:g} %{why}", after=1)

    def settle(self, names: tuple[str, ...]) -> None:
        """No rollout goes on between these: their autoscalers are as they were before it."""
        deployments = {found["metadata"]["name"] for name in names if (found := self.named(name))}
        for deployment, autoscaler in self._scaling.autoscalers().items():
            if deployment in deployments:
                self._scaling.settle(autoscaler)

    def linger(self, name: str) -> None:
        """`Retry` until a copy that could be asked has been out of use for a while, and is asked no more by
        the data plane's own counts; since when is noted."""
        known = self.made(name) if self._found is not None else None
        if known is None or not known.get("status", {}).get("readyReplicas"):
            return
        since = (known["metadata"].get("annotations") or {}).get(ENDING)
        if since is None:
            self._annotate(known, {ENDING: f"{self._clock():.0f}"})
        left = LINGER_SECONDS - (self._clock() - float(since)) if since else LINGER_SECONDS
        if left > 0:
            raise Retry(f"{name} answers until no data plane can know it any more", after=left)
        why = "" if self._forgetting is None else self._forgetting.why_not(name)
        if why and left > LINGER_SECONDS - LONGEST_SECONDS:
            raise Retry(f"{name} answers until it is sent no more requests: {why}", after=1)

    def _annotate(self, deployment: Object, annotations: dict[str, str | None]) -> Object:
        """Only onto what was read, else `Stale`."""
        version = deployment["metadata"]["resourceVersion"]
        patch: Object = {"metadata": {"annotations": annotations, "resourceVersion": version}}
        return self._api.patch(DEPLOYMENT, self._namespace, deployment["metadata"]["name"], patch)

    # --- making -------------------------------------------------------------------------------

    def bodies(self, order: WorkloadOrder) -> list[tuple[Kind, Object]]:
        """The objects that an order is made of. The Deployment last: where it is, everything is."""
        name = short(order.name)
        worn = labels.labels(order.target, name, self._owner)
        if self._found is None:
            return self._own(order, name, worn)
        return self._copy(self._found, order, name, worn)

    def scale(self, name: str, replicas: int) -> None:
        """Have so many pods of a version of ours."""
        self._scaling.scale(short(name), replicas)

    def make(self, name: str, bodies: Iterable[tuple[Kind, Object]]) -> None:
        """Create the version's objects, those that are not there yet."""
        for kind, body in bodies:
            try:
                self._api.create(kind, self._namespace, body)
            except Taken:
                if self._ours(kind, short(name)) is None:
                    raise Retry(f"{kind.title} {short(name)} is being ended") from None

    def _own(self, order: WorkloadOrder, name: str, worn: dict[str, str]) -> list[tuple[Kind, Object]]:
        bodies = [
            (SERVICE, manifests.service(name, worn, manifests.own_ports(order))),
            (PDB, manifests.budget(name, worn)),
            (DEPLOYMENT, manifests.deployment(order, name, worn)),
        ]
        wanted = manifests.autoscaler(order)
        if wanted is not None:
            held = scaling.begun_held(wanted, name, name, worn, order.replicas.least)
            bodies.insert(2, (HPA, held))
        return bodies

    def _copy(
        self, taken: Found, order: WorkloadOrder, name: str, worn: dict[str, str]
    ) -> list[tuple[Kind, Object]]:
        found = taken.read()
        service = taken.service(str(taken.note(found)["service"]))
        body = copying.deployment(found, order, name, worn, taken.reached(found))
        marked = {**worn, copying.COPIED_FROM: labels.value(taken.deployment)}
        bodies = [
            (SERVICE, manifests.service(name, marked, copying.ports(service), **copying.sticking(service))),
            (PDB, manifests.budget(name, worn)),
            (DEPLOYMENT, body),
        ]
        autoscaler = self._scaling.autoscalers().get(taken.deployment)
        if autoscaler is not None:
            spec = scaling.original(autoscaler)
            bodies.insert(2, (HPA, scaling.begun_held(spec, name, name, worn, body["spec"]["replicas"])))
        return bodies

    # --- looking ------------------------------------------------------------------------------

    def _is_young(self, name: str, deployment: Object) -> bool:
        """Looked at often: one call says whether it is ready, and nothing has gone wrong for long yet."""
        age = self._clock() - self._begun.get(name, -_YOUNG)
        return not deployment.get("status", {}).get("readyReplicas") and 0 <= age < _YOUNG

    def _remember(self, deployment: Object, pods: list[Object]) -> Object:
        """The Deployment, with what is known of its restarts written down where that has changed."""
        text = (deployment["metadata"].get("annotations") or {}).get(RESTARTS)
        before = Ledger.read(text)
        now = before.seen(pods, deployment["spec"].get("replicas", 1))
        if now == before:
            return deployment
        try:
            return self._annotate(deployment, {RESTARTS: now.text()})
        except Stale:  # somebody wrote in between; the next look counts
            return deployment

    # --- finding ------------------------------------------------------------------------------

    def _existing(self) -> Found:
        if self._found is None:
            raise Refused("the place names no Deployment that could be taken over")
        return self._found

    def taken(self, name: str) -> Object | None:
        """The Deployment that was found, where this is its name."""
        if self._found is None:
            return None
        found = self._api.get(DEPLOYMENT, self._namespace, self._found.deployment)
        known = adoption.noted(found) if found else None
        return found if known is not None and known["service"] == short(name) else None

    def made(self, name: str) -> Object | None:
        """The Deployment of ours of this name."""
        return self._ours(DEPLOYMENT, short(name))

    def named(self, name: str) -> Object | None:
        """The Deployment of a backend: ours, or the one that was found, which may have the same name."""
        known = self._api.get(DEPLOYMENT, self._namespace, short(name))
        if known is not None and self._is_ours(known):
            return known
        taken = self.taken(name)
        if known is not None and taken is None:
            labels.check_owner(known, self._owner)
        return taken

    def _running(self, name: str) -> tuple[Object | None, list[Object]]:
        deployment = self.named(name)
        return deployment, self._pods(deployment) if deployment else []

    def _pods(self, deployment: Object) -> list[Object]:
        """Its pods; those of a Deployment of the same name before it may still be ending."""
        chosen = labels.selector(copying.own_selector(deployment))
        made = deployment["metadata"]["creationTimestamp"]
        pods = self._api.list(POD, self._namespace, labels=chosen)
        return [pod for pod in pods if pod["metadata"]["creationTimestamp"] >= made]

    def _ours(self, kind: Kind, name: str) -> Object | None:
        """The object of this name. Raises `Refused` where it is somebody else's."""
        known = self._api.get(kind, self._namespace, name)
        if known is not None:
            labels.check_owner(known, self._owner)
        return known

    def _is_ours(self, deployment: Object) -> bool:
        return bool(
            (deployment["metadata"].get("labels") or {}).get(labels.OWNER) == labels.value(self._owner)
        )

    def _copies(self, kind: Kind) -> list[Object]:
        """The objects of this kind that belong to copies of the Deployment that was found."""
        wanted = {
            labels.MANAGED_BY: labels.SEGUE,
            labels.OWNER: labels.value(self._owner),
            copying.COPIED_FROM: labels.value(self._existing().deployment),
        }
        return self._api.list(kind, self._namespace, labels=labels.selector(wanted))


def short(backend: str) -> str:
    """The name of a backend's objects: what stands before the dot."""
    return backend.partition(".")[0]


def _image(deployment: Object) -> str:
    """The image that the model's container was given: only ours has a digest for certain."""
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return next((str(one["image"]) for one in containers if "@sha256:" in one["image"]), "")
