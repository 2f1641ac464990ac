"""The ports: small protocols between Segue and the world, and the values that cross them.

An adapter raises `Retry` (try again after so many seconds) or `Refused` (never, and why) and
nothing else on purpose. "No data" is a value. Long work is started, then observed: `start` returns
at once and is safe to repeat under the same name; `state` says how far it is.

    PortError
    ├── Retry      the world is not ready; the effect stays in its lane
    └── Refused    the world says no; the machine is told, with the reason
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from policies.place import Place
from policies.spec.declaration import PodNeeds, Replicas


class PortError(Exception):
    """Something outside did not do what was asked."""


class Retry(PortError):
    """Not now; try again later."""

    def __init__(self, reason: str, after: float = 1.0) -> None:
        super().__init__(reason)
        self.after = after


class Refused(PortError):
    """No, and asking again will not help."""


@dataclass(frozen=True, slots=True)
class Source:
    """A connection that an operator made: a repository or a registry, and the targets it may own.

    `owns` are globs over `model/environment`. Its hook secret is the secret file `hook-<name>`, its
    login the secret file `login-<name>`.
    """

    name: str
    kind: str  # the event source's and adapter's name: bare, mlflow, registry
    url: str
    owns: tuple[str, ...] = ("*",)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A connected Kubernetes cluster: how it is reached, and what of it Segue may use.

    `kubeconfig` None: the service account of the pod that Segue runs in. `gateway` (namespace/name)
    is what routes of our own attach to, `address` the URL at which it is reached. `metrics` is the
    URL of the counters of the data plane `plane`: its own /metrics, or a Prometheus that scrapes it.
    """

    name: str
    kubeconfig: str | None = None
    context: str | None = None  # of the kubeconfig; None: its current one
    namespace: str = "default"  # where workloads, jobs and routes of our own live
    gateway: str | None = None
    address: str | None = None
    metrics: str | None = None
    plane: str = "traefik"
    default: bool = False  # environments that name no cluster serve here
    owner: str = ""  # this installation's name on all that it makes there; made when it is connected


@dataclass(frozen=True, slots=True)
class Existing:
    """A Deployment that is there already, and what belongs to it, as `namespace/name` each.

    `image` is the reference that its pod template names, `manager` who keeps it as it is (Argo CD, Flux,
    Helm), where that can be seen.
    """

    deployment: str
    image: str
    services: tuple[str, ...]
    routes: tuple[str, ...]
    autoscaler: str | None
    manager: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What one of the doctor's checks found; `mend` is what to do where it is not `ok`."""

    check: str
    ok: bool
    detail: str
    mend: str = ""


class ClusterView(Protocol):
    """What an operator asks of a cluster before anything is done there."""

    def version(self) -> str:
        """The cluster's version. Raises `Retry` or `Refused` where it does not answer as it should."""
        ...

    def existing(self, namespace: str, name: str) -> Existing:
        """A Deployment with what belongs to it. Raises `Refused` where there is none."""
        ...

    def examine(self, targets: tuple[tuple[str, Place], ...]) -> list[Finding]:
        """What is missing or wrong there for these targets and their places; nothing is changed."""
        ...


# --- builds ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CodeReference:
    """A folder of a repository at one commit."""

    source: str
    commit: str
    folder: str  # "" is the repository's root


@dataclass(frozen=True, slots=True)
class ModelReference:
    """One version of a registered model."""

    source: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides an image's content. The same recipe gives the same digest.

    `lock` names the requirements file: inside the code's folder, or inside the model's own files.
    `run` is the command that serves, as an argument list; `("mlflow",)` asks for the scoring
    server for MLflow models.
    """

    name: str  # deterministic; the build's identity
    code: CodeReference | None
    model: ModelReference | None
    lock: str | None
    run: tuple[str, ...]
    port: int
    labels: tuple[tuple[str, str], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Image:
    """A finished image. `layers` holds (kind, "built" or "cached") for env, code, model and base."""

    digest: str
    layers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Working:
    """Started and not finished; `progress` is a word for people."""

    progress: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """Ended without a result. `log` is the tail of what it printed."""

    reason: str
    log: str = ""


@dataclass(frozen=True, slots=True)
class Gone:
    """Nothing is known under this name: never started, or cleaned away."""


class ImageBuilder(Protocol):
    """Turns a recipe into an image; images live in the builder's OCI layout or registry."""

    def start(self, recipe: Recipe) -> None:
        """Begin, unless a build of this name runs or has finished well; a failed one starts anew."""
        ...

    def state(self, name: str) -> Working | Image | Failed | Gone: ...

    def cancel(self, name: str) -> None: ...

    def logs(self, name: str) -> str: ...

    def tidy(self, keep: frozenset[str], seconds: float) -> None:
        """Remove images whose digest is not to be kept, and what builds printed, once older than this."""
        ...


# --- jobs and workloads ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process may use: CPU cores, bytes of memory, seconds of wall time (0: no limit)."""

    cpu: float = 1.0
    memory: int = 1 << 30
    seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Job:
    """One run to completion inside an image. The command writes its result to `$SEGUE_RESULT`."""

    name: str
    image: str
    run: tuple[str, ...]
    limits: Limits
    env: tuple[tuple[str, str], ...] = field(default=())
    pod: PodNeeds = field(default_factory=PodNeeds)


@dataclass(frozen=True, slots=True)
class Result:
    """A finished job's numbers, as it wrote them: a JSON object of finite numbers."""

    metrics: tuple[tuple[str, float], ...]


class JobRunner(Protocol):
    """Runs evaluations."""

    def start(self, job: Job) -> None:
        """Begin, unless a job of this name runs or has ended well."""
        ...

    def state(self, name: str) -> Working | Result | Failed | Gone: ...

    def logs(self, name: str) -> str: ...

    def cancel(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Serving:
    """A workload that answers at `url`; `started` tells one incarnation from the next."""

    url: str
    started: float
    restarts: int


@dataclass(frozen=True, slots=True)
class WorkloadOrder:
    """Keep one version of one model running in one environment, until it is told to stop."""

    name: str  # deterministic: from target and version
    image: str  # a digest; for a cluster a reference that it can pull, repository@digest
    run: tuple[str, ...]  # empty: the image's own command
    port: int
    limits: Limits
    health: str = "/healthz"  # path that answers 2xx once it is ready
    target: str = ""  # the model/environment that it serves
    env: tuple[tuple[str, str], ...] = field(default=())
    pod: PodNeeds = field(default_factory=PodNeeds)
    replicas: Replicas = field(default_factory=Replicas)


class Workload(Protocol):
    """Runs versions. What it started outlives us and is found again by name."""

    def start(self, order: WorkloadOrder) -> None: ...

    def state(self, name: str) -> Working | Serving | Failed | Gone: ...

    def stop(self, name: str) -> None:
        """End it gracefully; a name that is not running is fine."""
        ...

    def logs(self, name: str) -> str: ...


class Adoption(Protocol):
    """What else a workload adapter can do whose world holds workloads that Segue did not start."""

    def found(self) -> tuple[str, Serving, str]:
        """The name, state and image of what serves at the place already.

        It can be looked at and stopped (which leaves it standing, with nothing running) by that name.
        Raises `Refused` where nothing does, `Retry` while it is not ready.
        """
        ...

    def restore(self, image: str) -> None:
        """Have what was found run again as it was, with this image; `Retry` until it is ready."""
        ...

    def clear(self) -> None:
        """Remove every workload that Segue made at the place."""
        ...


class Room(Protocol):
    """What else a workload adapter can do that runs more than one copy of a version."""

    def make_room(self, stable: str, candidate: str, weight: float) -> None:
        """See to it that the candidate has copies enough for this share (percent) of the requests, and
        that stable keeps what it has. Raises `Retry`, with the reason, until they are ready."""
        ...

    def settle(self, names: tuple[str, ...]) -> None:
        """No rollout goes on between these: each has as many copies again as its own load asks for."""
        ...


# --- traffic --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Backend:
    """One version behind a target's address. `weight` in percent of the target's requests."""

    name: str
    url: str
    weight: float


@dataclass(frozen=True, slots=True)
class Route:
    """A target's whole split, absolute. `backends` with weights that add to 100.

    A backend may have weight 0: it then answers only on its preview address, which the router
    serves for requests that carry the header `X-Segue-Version: <backend name>`. `attempt` counts
    the writes of an epoch.
    """

    target: str
    epoch: int
    backends: tuple[Backend, ...]
    sticky: Literal["none", "cookie", "header"] = "none"
    attempt: int = 0


class TrafficRouter(Protocol):
    """Splits a target's requests. Every write is compare-and-swap on the epoch, and within it on the
    attempt: a worker that was stopped before its write may wake when others have gone on."""

    def set(self, route: Route) -> Route:
        """Write the split and return it once the router itself confirms that it serves it.

        Raises `Refused` where the stored epoch is greater than the route's (somebody newer holds
        the target) or a later attempt of this epoch is stored, `Retry` while the router does not
        confirm.
        """
        ...

    def get(self, target: str) -> Route | None:
        """What the router serves now; None for a target it does not know."""
        ...

    def address(self, target: str) -> str:
        """The URL at which users reach the target."""
        ...

    def remove(self, target: str, epoch: int, attempt: int = 0) -> None:
        """Serve nothing there any more; a route that Segue found stands again as it was found."""
        ...

    def drift(self, target: str) -> str | None:
        """How the route differs from what was written last, and by whom; None: it does not."""
        ...


# --- metrics --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counters:
    """A backend's counters since its router started. `errors` are 5xx answers and lost requests.

    `buckets` are cumulative counts by upper bound in seconds; the last bound is infinity.
    """

    requests: float
    errors: float
    buckets: tuple[tuple[float, float], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading of all backends. `started` is when the counting process started."""

    at: float
    started: float
    backends: tuple[tuple[str, Counters], ...]


@dataclass(frozen=True, slots=True)
class NoData:
    """The source did not answer, or not in a form that can be trusted; why."""

    reason: str


class MetricSource(Protocol):
    """Reads counters; never rates, never averages."""

    def sample(self) -> Sample | NoData: ...


# --- model registry -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """What the registry knows of one version. `digest` pins its files by path and size or hash."""

    name: str
    version: str
    run: str | None
    tags: tuple[tuple[str, str], ...]
    digest: str
    author: str | None


class ModelRegistry(Protocol):
    """Names, versions and aliases of models; their files are only streamed, never opened."""

    def aliases(self) -> dict[tuple[str, str], str]:
        """All (model, alias) with the version that each names now."""
        ...

    def version(self, name: str, version: str) -> ModelVersion: ...

    def files(self, name: str, version: str) -> tuple[tuple[str, int], ...]:
        """Relative paths and sizes of the version's files."""
        ...

    def read(self, name: str, version: str, path: str) -> Iterator[bytes]: ...

    def set_alias(self, name: str, alias: str, version: str | None) -> None:
        """Make the alias name this version; None removes it. Absolute, safe to repeat."""
        ...

    def set_tags(self, name: str, version: str, tags: tuple[tuple[str, str], ...]) -> None: ...


class Webhooks(Protocol):
    """What else a registry can do whose server tells of changes by itself."""

    def register_webhook(self, address: str, secret: str) -> None:
        """See to it that the server tells this address, signed with this secret; safe to repeat."""
        ...

    def has_webhook(self, address: str) -> bool:
        """Whether the server would tell this address now."""
        ...


# --- image registries -----------------------------------------------------------------------


class ImageRegistry(Protocol):
    """Tags of images and what they name; the images themselves are nobody's business here."""

    def check(self) -> None:
        """Raise `Refused` or `Retry` unless an image registry answers."""
        ...

    def tags(self, repository: str) -> tuple[str, ...]:
        """All tags of a repository, which is named without the host; none where there is no such one."""
        ...

    def digest(self, repository: str, reference: str) -> str | None:
        """The digest (sha256:…) that a tag, or a digest itself, names now; None where it is not there.

        For an image of several platforms it is the digest of their index.
        """
        ...

    def created(self, repository: str, digest: str) -> float | None:
        """When the image was made (Unix seconds), as it says itself; None where it does not say it."""
        ...


# --- git hosts ------------------------------------------------------------------------------


class CommitState(StrEnum):
    """What a commit's status says, in the words that every Git host knows."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """One line and one text about a commit; `key` tells whose status it is, newest wins."""

    commit: str
    key: str
    state: CommitState
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """A file of a commit: path, Git object id, mode (0o100644, 0o100755, 0o120000) and size."""

    path: str
    oid: str
    mode: int
    size: int


class GitHost(Protocol):
    """A repository, read at exact commits and reported back to."""

    def refs(self) -> dict[str, str]:
        """All branches and tags (full names) with the *commit* that each names."""
        ...

    def tree(self, commit: str, folder: str = "") -> tuple[TreeEntry, ...]:
        """All files below a folder, recursively; paths relative to the repository's root."""
        ...

    def file(self, commit: str, path: str) -> bytes | None: ...

    def author(self, commit: str) -> str: ...

    def changed(self, before: str, after: str) -> tuple[str, ...] | None:
        """Paths that differ between two commits; None where that cannot be told."""
        ...

    def archive(self, commit: str, folder: str) -> Iterator[tuple[TreeEntry, bytes]]:
        """Each file below the folder with its content; paths relative to the folder."""
        ...

    def report(self, status: CommitStatus) -> None: ...

    def default_branch(self) -> str:
        """The full name of the branch that rules are read from, for example refs/heads/main."""
        ...
