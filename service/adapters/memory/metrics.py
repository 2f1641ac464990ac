"""A metric source whose counters are set by hand; for tests and for trying things out."""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Self

from policies.guards.readings import Series
from service.ports.connections import Source
from service.ports.metrics import FAILED, REQUESTS, VERSION, Counters, NoData, Sample
from service.ports.outcomes import Refused, Retry
from service.settings import Settings

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, math.inf)


class MemoryMetrics:
    """Counts what it is told; may be silenced, restarted, or given any answers, NaN and all."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.silent: str | None = None  # the reason for having no data
        self._clock = clock
        self._started = clock()
        self._counters: dict[str, Counters] = {}
        self._split: dict[tuple[tuple[str, str], ...], tuple[int, int]] = {}
        self._answers: deque[Sample | NoData] = deque()

    @classmethod
    def open(cls, settings: Settings, source: Source | None = None) -> Self:
        """A source that has seen no request."""
        del settings, source
        return cls()

    def sample(self) -> Sample | NoData:
        """The next scripted answer; without one, the counters."""
        if self._answers:
            return self._answers.popleft()
        if self.silent is not None:
            return NoData(self.silent)
        return Sample(self._clock(), self._started, tuple(sorted(self._counters.items())))

    def split(self, labels: Sequence[str]) -> tuple[Series, ...]:
        """The requests by version and those labels that `record` was told."""
        if self.silent is not None:
            raise Retry(self.silent)
        if missing := [one for one in labels if any(one not in dict(key) for key in self._split)]:
            raise Refused(f"nothing is counted by the label {missing[0]}")
        at, instance = self._clock(), ("instance", f"{self._started!r}")
        return tuple(
            Series(name, tuple(sorted((instance, *key))), ((at, float(count)),))
            for key, counts in self._split.items()
            for name, count in zip((REQUESTS, FAILED), counts, strict=True)
        )

    def record(
        self, backend: str, requests: int = 1, errors: int = 0, seconds: float = 0.01, **labels: str
    ) -> None:
        """Count so many requests of that duration and with these labels, of which so many were errors."""
        key = ((VERSION, backend), *labels.items())
        known = self._split.get(key, (0, 0))
        self._split[key] = (known[0] + requests, known[1] + errors)
        before = self._counters.get(backend) or Counters(0, 0, tuple((bound, 0.0) for bound in BOUNDS))
        buckets = tuple((bound, n + requests * (seconds <= bound)) for bound, n in before.buckets)
        self._counters[backend] = replace(
            before, requests=before.requests + requests, errors=before.errors + errors, buckets=buckets
        )

    def restart(self) -> None:
        """Start again from zero, as a router that was killed."""
        self._started = max(self._clock(), math.nextafter(self._started, math.inf))
        self._counters.clear()
        self._split.clear()

    def answer(self, *answers: Sample | NoData) -> None:
        """Say these things next, whatever was counted."""
        self._answers.extend(answers)
