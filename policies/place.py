"""Where a target serves: this machine, or objects of a cluster; and the names of what runs there."""

import hashlib
from dataclasses import dataclass, field

from policies.spec.declaration import LATER, Environment, Model, ServeDeployment, ServeServices

_LONGEST = 52  # a Service has 63 characters at most; what is derived from its name needs a few of them
_KEY = 10
SERVED_BY = "X-Segue-Served-By"  # the header that says which version answers


@dataclass(frozen=True, slots=True)
class Place:
    """Where one target serves.

    `cluster` is a connection's name, None for this machine. `deployment` is the existing Deployment
    of the namespace whose pod template is copied, `route` the existing one whose weights are ours
    ([kind/]namespace/name); None: Segue makes its own. `stable` and `candidate` are the Services
    between which somebody else shifts: there Segue only watches, and `route` is only read.
    """

    cluster: str | None = None
    namespace: str = ""
    deployment: str | None = None
    route: str | None = None
    stable: str = field(default="", metadata=LATER)
    candidate: str = field(default="", metadata=LATER)

    @property
    def watched(self) -> bool:
        """Whether nothing there is Segue's to change."""
        return bool(self.candidate)

    @property
    def routed(self) -> tuple[str, str, str]:
        """The route's kind (empty: of the Gateway API), namespace and name."""
        kind, namespace, name = ["", *(self.route or "/").split("/")][-3:]
        return kind, namespace, name


HERE = Place()


def place_of(model: Model, environment: Environment, cluster: str | None, namespace: str) -> Place:
    """The place of a target; `cluster` and its `namespace` are those of the connection that fits."""
    serve = model.serve
    if isinstance(serve, ServeDeployment):
        where, _, deployment = serve.deployment.partition("/")
        return Place(cluster or environment.cluster or "", where, deployment, serve.route)
    if isinstance(serve, ServeServices):
        where, _, candidate = serve.candidate.partition("/")
        stable = serve.stable.partition("/")[2]
        return Place(cluster or environment.cluster or "", where, None, serve.route, stable, candidate)
    return HERE if cluster is None else Place(cluster, namespace)


def backend_name(model: str, environment: str, key: str, place: Place) -> str:
    """The workload's name: the same version in the same target is the same workload.

    In a cluster `service.namespace`: the counters of its data plane know both, and nothing else. A Service's
    name begins with a letter (RFC 1035; Kubernetes before 1.36 asks for that).
    """
    if place.watched:
        return counted(place, place.candidate)
    named = f"{model}-{environment}"
    if place.cluster is None:
        return f"{named}-{key[:_KEY]}"
    named = f"m-{named}" if named[0].isdigit() else named
    room = _LONGEST - _KEY - 1
    if len(named) > room:
        named = f"{named[: room - 7]}-{hashlib.sha256(named.encode()).hexdigest()[:6]}"
    return f"{named}-{key[:_KEY]}.{place.namespace}"


def counted(place: Place, service: str) -> str:
    """A Service as the counters of the data plane name it."""
    return f"{service}.{place.namespace}"


def served_by(backend: str) -> str:
    """A workload's name as its answers and requests carry it, in the header SERVED_BY.

    Whoever asks by the workload's own name gets that version, so it is not told to everybody.
    """
    return hashlib.sha256(backend.encode()).hexdigest()[:16]
