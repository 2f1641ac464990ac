"""What the findings of a moment share, and how numbers are written in them. Only words and rounding.

Evidence is shown as E, the capital of the bets: 1 says nothing, and each guard's finding names the E at
which that guard alone would roll back.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from policies import ramp
from policies.guards import budget
from policies.guards.noise import Noise

SUSPECT = math.log(budget.SUSPICION)


@dataclass(frozen=True, slots=True)
class Allowance:
    """How far one rate lets the weight go: the excess not excluded yet against the risk."""

    bad: float
    requests: float
    stable_rate: float | None
    risk: float
    allowed: float

    @property
    def excess(self) -> float:
        return ramp.excess(self.bad, self.requests, self.stable_rate)


@dataclass(frozen=True, slots=True)
class Standing:
    """What all findings of a moment share: who was found harmful, at which weight, is it now."""

    harm: tuple[str, ...]
    weight: float
    current: bool
    top: float  # the ladder's largest weight

    def following(self, ladder: Sequence[float]) -> float:
        """The weight that comes next; the last has none."""
        return min((w for w in ladder if w > self.weight), default=self.top)

    def goes_on(self, allowance: Allowance) -> bool:
        """Whether the weight may grow, or has nothing left to grow to."""
        reached = self.weight >= self.top and allowance.allowed >= self.top
        return self.current and allowance.requests > 0 and (allowance.allowed > self.weight or reached)


def learned(noise: Noise) -> tuple[tuple[str, float], ...]:
    """The noise that a comparison reckons with, among its numbers."""
    return ("burst", float(f"{noise.burst:.4g}")), ("spread", float(f"{noise.spread:.4g}"))


def capital(log_e: float) -> float:
    """E, short enough to be stored and shown."""
    return float(f"{math.exp(min(log_e, 300.0)):.4g}")


def p_value(log_peak: float) -> float:
    """Always valid: may be read at any time, and only falls (Johari, Pekelis, Walsh)."""
    return float(f"{min(1.0, math.exp(-log_peak)):.4g}")


def percent(value: float) -> str:
    return f"{value * 100:.3g} %"


def slow(slower_than: float | None) -> str:
    return f"requests slower than {slower_than:g} s" if slower_than is not None else "slow requests"


def grade(noise: Noise) -> str:
    return " (provisional noise: no history yet)" if noise.provisional else ""
