"""Runs to completion inside an image, as evaluations are."""

from dataclasses import dataclass, field
from typing import Protocol

from policies.spec.declaration_cluster import PodNeeds, Weights
from service.ports.outcomes import Failed, Gone, Working
from service.ports.printing import Printing


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process may use: CPU cores, bytes of memory, seconds of wall time (0: no limit)."""

    cpu: float = 1.0
    memory: int = 1 << 30
    seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Job:
    """One run to completion inside an image. The command writes its result to `$SEGUE_RESULT`.

    `weights` are mounted, those of one version. `writes` False: its numbers are elsewhere, and a job that
    ends well has an empty result.
    """

    name: str
    image: str
    run: tuple[str, ...]
    limits: Limits
    env: tuple[tuple[str, str], ...] = field(default=())
    pod: PodNeeds = field(default_factory=PodNeeds)
    weights: Weights | None = None
    writes: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """A finished job's numbers, as it wrote them: a JSON object of finite numbers."""

    metrics: tuple[tuple[str, float], ...]


class JobRunner(Printing, Protocol):
    """Runs evaluations."""

    def start(self, job: Job) -> None:
        """Begin, unless a job of this name runs or has ended well."""
        ...

    def state(self, name: str) -> Working | Result | Failed | Gone: ...

    def logs(self, name: str) -> str: ...

    def cancel(self, name: str) -> None: ...
