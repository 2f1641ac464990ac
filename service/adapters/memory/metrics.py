"""A metric source whose counters are set by hand; for tests and for trying things out."""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Self

from service.ports.connections import Source
from service.ports.metrics import Counters, NoData, Sample
from service.settings import Settings

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, math.inf)


class MemoryMetrics:
    """Counts what it is told; may be silenced, restarted, or given any answers, NaN and all."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.silent: str | None = None  # the reason for having no data
        self._clock = clock
        self._started = clock()
        self._counters: dict[str, Counters] = {}
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

    def record(self, backend: str, requests: int = 1, errors: int = 0, seconds: float = 0.01) -> None:
        """Count so many requests of that duration, of which so many were errors."""
        before = self._counters.get(backend) or Counters(0, 0, tuple((bound, 0.0) for bound in BOUNDS))
        buckets = tuple((bound, n + requests * (seconds <= bound)) for bound, n in before.buckets)
        self._counters[backend] = replace(
            before, requests=before.requests + requests, errors=before.errors + errors, buckets=buckets
        )

    def restart(self) -> None:
        """Start again from zero, as a router that was killed."""
        self._started = max(self._clock(), math.nextafter(self._started, math.inf))
        self._counters.clear()

    def answer(self, *answers: Sample | NoData) -> None:
        """Say these things next, whatever was counted."""
        self._answers.extend(answers)
