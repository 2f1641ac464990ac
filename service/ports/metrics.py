"""Counters of requests, errors and latency by version; never rates, never averages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from policies.guards.readings import Series


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
    named: Mapping[str, Counters] = field(init=False, repr=False, compare=False)  # the same, to look one up

    def __post_init__(self) -> None:
        object.__setattr__(self, "named", dict(self.backends))


@dataclass(frozen=True, slots=True)
class NoData:
    """The source did not answer, or not in a form that can be trusted; why."""

    reason: str


# What the counters of `MetricSource.split` are called, and their label that names the version.
REQUESTS, FAILED, VERSION = "requests_total", "failed_total", "version"


class MetricSource(Protocol):
    """Reads counters; never rates, never averages."""

    def sample(self) -> Sample | NoData: ...

    def split(self, labels: Sequence[str]) -> tuple[Series, ...]:
        """All requests and failed ones by version and these labels.

        Raises `Refused` where they are not counted by them, `Retry` where nothing answers.
        """
