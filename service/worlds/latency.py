"""How long requests take in a simulated world, as shares per bucket.

A few kinds of requests (from a cache, small, large), each log-normal. A version that is slower
stretches all of them; one with a longer tail stretches a part only, so that its median hardly moves.
Only shares leave this module: guards never see a single duration.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from policies.guards.betting import Array

TAIL_PART = 0.05  # of the requests are those that a longer tail stretches


@dataclass(frozen=True, slots=True)
class Latency:
    """`kinds` are (share, median in seconds, spread of the logarithm); `slower` and `tail` stretch."""

    kinds: tuple[tuple[float, float, float], ...] = ((0.7, 0.045, 0.35), (0.3, 0.16, 0.5))
    slower: float = 1.0
    tail: float = 1.0  # the p99, as a multiple of what it would be

    @classmethod
    def like(cls, median: float, p99: float) -> "Latency":
        """One kind of requests with this median and this p99, in seconds."""
        return cls(((1.0, median, math.log(p99 / median) / 2.3263),))

    def within(self, seconds: float) -> float:
        """The share of requests that take at most so long."""
        plain = self._plain(seconds)
        if self.tail == 1.0:
            return plain
        return (1 - TAIL_PART) * plain + TAIL_PART * self._plain(seconds / self._stretch())

    def quantile(self, share: float) -> float:
        """The duration within which so large a share of requests ends, in seconds."""
        low, high = 1e-6, 1e6
        for _ in range(80):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if self.within(middle) < share else (low, middle)
        return high

    def shares(self, bounds: tuple[float, ...]) -> Array:
        """The share of requests in each bucket; one bucket more than there are bounds."""
        below = [0.0, *(self.within(bound) for bound in bounds), 1.0]
        found = np.maximum(np.diff(below), 0.0)
        return np.asarray(found / found.sum())

    def _plain(self, seconds: float) -> float:
        return sum(
            part * 0.5 * (1 + math.erf(math.log(seconds / self.slower / median) / spread / math.sqrt(2)))
            for part, median, spread in self.kinds
        )

    def _stretch(self) -> float:
        """By how much the tail's part is stretched so that the p99 comes out as it should."""
        before = replace(self, tail=1.0)
        wanted = self.tail * before.quantile(0.99)
        part = (0.99 - (1 - TAIL_PART) * before.within(wanted)) / TAIL_PART
        return wanted / before.quantile(part)
