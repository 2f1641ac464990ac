"""Adds up one backend's series over codes, methods and instances, to what guards are told of it; no I/O."""

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf

from service.adapters import exposition
from service.adapters.exposition import Names, Series, Strange
from service.ports.metrics import Counters


@dataclass(slots=True)
class Tally:
    """A backend's counters while its series are added up. Durations up to the bounds `asked` (seconds) count
    zero where nothing was counted."""

    asked: tuple[float, ...] = ()
    requests: float = 0.0
    errors: float = 0.0
    _timed: list[tuple[tuple[float, ...], Sequence[float]]] = field(default_factory=list)

    def add(self, one: Series, names: Names) -> None:
        """Add a series of this backend. Raises `Strange` for a bucket without a bound."""
        if one.bounds:
            self._timed.append((_bounds(one.bounds, names.unit), one.counts))
        elif one.name == names.buckets:
            bound = exposition.bound(one.labels.get("le", ""), one.labels) * names.unit
            self._timed.append(((bound,), (one.value,)))
        elif one.name == names.requests:
            self.requests += one.value
            self.errors += one.value if lost(one.labels.get(names.code, "")) else 0.0

    @property
    def buckets(self) -> tuple[tuple[float, float], ...]:
        """The counts by bound, in its order."""
        if len(self._timed) == 1 and (not self.asked or self.asked == self._timed[0][0]):
            bounds, counts = self._timed[0]
            if all(map(operator.lt, bounds, bounds[1:])):  # thousands of histograms come so
                return tuple(zip(bounds, counts, strict=True))
        total = dict.fromkeys(self.asked, 0.0)
        for bounds, counts in self._timed:
            for bound, count in zip(bounds, counts, strict=True):
                total[bound] = total.get(bound, 0.0) + count
        return tuple(sorted(total.items()))

    def counters(self, name: str) -> Counters:
        """What was added up. Raises `Strange` where the buckets are none."""
        buckets = self.buckets
        if not buckets or buckets[-1][0] != inf:
            raise Strange(f"the router's durations of {name} lack the bound infinity")
        counts = [count for _, count in buckets]
        if any(map(operator.lt, counts[1:], counts)):
            raise Strange(f"the router's durations of {name} are not cumulative")
        return Counters(self.requests, self.errors, buckets)


def unasked(bounds: Iterable[float]) -> Tally:
    """The counters of a backend that nobody has asked yet."""
    return Tally((*bounds, inf))


def lost(code: str) -> bool:
    """5xx; 499, where the caller left before the answer; 0, where there was none."""
    return code in {"0", "499"} or (len(code) == 3 and code.startswith("5"))


@lru_cache(maxsize=1 << 10)
def _bounds(said: tuple[str, ...], unit: float) -> tuple[float, ...]:
    """In seconds, where each is written in such a unit."""
    return tuple(exposition.bound(one, said) * unit for one in said)
