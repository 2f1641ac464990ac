"""Versions that keep running: started, looked at, stopped; and what else some worlds can do with them."""

from dataclasses import dataclass, field
from typing import Protocol

from policies.spec.declaration_cluster import PodNeeds, Replicas, Weights
from service.ports.jobs import Limits
from service.ports.outcomes import Failed, Gone, Working


@dataclass(frozen=True, slots=True)
class Serving:
    """A workload that answers at `url`; `started` tells one incarnation from the next.

    In words, "" for nothing: `ended`, how one of its copies ended last, to be read after "it"; `unwell`, why
    not all of its copies answer.
    """

    url: str
    started: float
    restarts: int
    ended: str = ""
    unwell: str = ""


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
    weights: Weights | None = None  # those of this version, to be mounted


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

    def clear(self, target: str) -> None:
        """Remove every workload that Segue made at the place, and what it noted on what was found.

        Raises `Retry` while something still answers requests that were sent to it before.
        """
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


class Kept(Protocol):
    """What else a workload adapter can do where others, too, may change what runs."""

    def changed(self, name: str, image: str) -> str | None:
        """How somebody else changed what should run under this name from this image, and who; None: nobody
        did, or it cannot be said just now."""
        ...

    def gone(self, name: str) -> bool:
        """Whether nothing is there under this name."""
        ...

    def runs(self, name: str, image: str) -> str:
        """The image that it was given by whoever changed it, in the place of this one. Raises `Retry` while
        it is being changed."""
        ...

    def mend(self, name: str, image: str, seen: str) -> None:
        """Give it this image again. Raises `Refused` where what was changed is not what was seen."""
        ...
