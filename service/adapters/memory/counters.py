"""A metric source whose counters are set by hand; for tests and for trying things out."""

import time
from collections.abc import Callable, Sequence
from typing import Self

from policies.guards.readings import Series
from policies.spec.selector import Selector
from service.ports.connections import Source
from service.ports.outcomes import PortError
from service.settings import Settings

KEPT = 100  # samples of a series
PRESENT_SECONDS = 300.0


class MemoryCounters:
    """Counts what it is told; may fail as told."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.fails: PortError | None = None
        self.asked = 0
        self._clock = clock
        self._counts: dict[tuple[str, tuple[tuple[str, str], ...]], list[tuple[float, float]]] = {}

    @classmethod
    def open(cls, settings: Settings, source: Source | None = None) -> Self:
        """A source that has counted nothing."""
        del settings, source
        return cls()

    def check(self) -> None:
        """Whether it answers."""
        if self.fails is not None:
            raise self.fails

    def read(self, selectors: Sequence[Selector], now: float) -> tuple[Series, ...]:
        """The samples of these series until now."""
        del now
        self.asked += 1
        self.check()
        fitting = (
            (key, points)
            for key, points in self._counts.items()
            if any(one.fits(key[0], dict(key[1])) for one in selectors)
        )
        return tuple(Series(*key, tuple(points)) for key, points in fitting)

    def values(self, wanted: Selector, now: float) -> tuple[float, ...]:
        """The newest samples of these series, of the last five minutes."""
        newest = (series.points[-1] for series in self.read((wanted,), now))
        return tuple(value for at, value in newest if now - at < PRESENT_SECONDS)

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """What a gauge says from now on."""
        self._counts[name, tuple(sorted(labels.items()))] = [(self._clock(), value)]

    def count(self, name: str, more: float, at: float | None = None, /, **labels: str) -> None:
        """Count so many more; a sample at that moment."""
        points = self._counts.setdefault((name, tuple(sorted(labels.items()))), [])
        moment = self._clock() if at is None else at
        before = points[-1][1] if points else 0.0
        if points and points[-1][0] == moment:
            points.pop()
        points.append((moment, before + more))
        del points[:-KEPT]

    def forget(self) -> None:
        """Begin anew, as a process that was restarted."""
        self._counts.clear()
