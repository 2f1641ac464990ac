"""What one rollout is judged by: the declared guards with everything that is fixed when it starts.

Each test has its stake in the budget of false rollbacks, its noise and its limit. Nothing here changes during
a rollout; nothing is judged here.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from policies.guards import budget, increment
from policies.guards.asked import Asked
from policies.guards.increment import Arm
from policies.guards.noise import PROVISIONAL, Noise
from policies.spec.declaration import Guard, GuardKind

EMERGENCY = "warm-up"
EMERGENCY_TIMES = 2.0  # during a warm-up the candidate may fail so many times as often as it otherwise might
EMERGENCY_LIMIT = 0.2  # ... and where no stable is beside it, so large a part of its requests
EMERGENCY_STAKE = 1.0


@dataclass(frozen=True, slots=True)
class History:
    """What stable served before this rollout; `buckets` are counts per bucket of duration."""

    requests: float
    errors: float
    buckets: tuple[float, ...] = field(default=())
    bounds: tuple[float, ...] = field(default=())

    @property
    def rate(self) -> float | None:
        return self.errors / self.requests if self.requests > 0 else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A guard that compares the candidate's rate with stable's: errors, or requests slower than a bound."""

    name: str
    kind: GuardKind
    worse_by: float
    slower_than: float | None
    noise: Noise
    stake: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """A guard that compares all durations with stable's; `past`: stable's counts per bucket from before."""

    name: str
    worse_by: float
    noise: Noise
    stake: float
    past: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Quality:
    """A guard on wrong answers by true labels: of the same requests (`paired`), or of each version's own.

    `drop` is the tolerated loss, `within` the seconds after which an answer's label is not waited for.
    """

    name: str
    drop: float
    within: float
    paired: bool
    noise: Noise
    stake: float


class OnPairs(StrEnum):
    """What a test in the shadow asks of both versions' answers to the same requests."""

    ERRORS = "errors"  # which of them failed
    SLOW = "slow"  # which of them took longer than a bound
    SLOWER = "slower"  # which of the two took longer
    DIFFER = "differ"  # whether they say the same
    FLIPS = "flips"  # the same, by what stable says


@dataclass(frozen=True, slots=True)
class ShadowTest:
    """A test on pairs. `growth` is by which factor bad may be more frequent than with stable, `limit` the
    share of pairs that may differ."""

    name: str
    what: OnPairs
    stake: float
    growth: float = 1.0
    limit: float = 0.0
    slower_than: float = 0.0


@dataclass(frozen=True, slots=True)
class Limit:
    """A guard with an absolute limit on failed requests, or on those slower than a bound; None where neither
    a person nor history gave one.

    One from history is for the times without stable beside the candidate only.
    """

    name: str
    limit: float | None
    written: bool
    noise: Noise
    stake: float
    slower_than: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All tests of a rollout, and its budget, risk and ladder of weights."""

    comparisons: tuple[Comparison, ...]
    distributions: tuple[Distribution, ...]
    qualities: tuple[Quality, ...]
    drifts: tuple[Guard, ...]  # advice only
    limits: tuple[Limit, ...]
    hearts: tuple[Guard, ...]
    shares: tuple[Guard, ...]
    thresholds: tuple[Guard, ...]
    asked: tuple[Asked, ...]  # what is fed by a metric source, or split by the router's labels
    false_rollbacks: float
    risk: float | None
    ladder: tuple[float, ...]  # ascending; with the weights of fixed steps
    top: float  # the last weight: below 100 where a share is held back on stable
    history: History | None
    warmup: float
    kept: bool  # users stay on their version: the candidate may have less than its weight
    shadows: tuple[ShadowTest, ...] = ()  # before any user sees the candidate

    @property
    def before_top(self) -> float:
        """The last weight but one: the last waits for the end of the warm-up."""
        return max((w for w in self.ladder if w < self.top), default=0.0)

    @property
    def storm(self) -> tuple[float, Noise]:
        """What the emergency guard tolerates, relative to stable, and the noise it reckons with."""
        errors = next((c for c in self.comparisons if c.kind is GuardKind.ERRORS), None)
        worse_by, noise = (errors.worse_by, errors.noise) if errors else (0.0, PROVISIONAL)
        return EMERGENCY_TIMES * (1 + worse_by) - 1, noise

    def harm_at(self, stake: float) -> float:
        """log E at which a guard of this stake means harm by itself, while stable is beside the candidate."""
        betting: list[Comparison | Distribution | Quality | Asked | ShadowTest | Limit] = [
            *self.comparisons,
            *self.distributions,
            *self.qualities,
            *self.asked,
            *self.shadows,
            *(one for one in self.limits if one.limit is not None),
        ]
        total = sum(one.stake for one in betting) + (EMERGENCY_STAKE if self.warmup > 0 else 0.0)
        return budget.threshold(stake, total, self.false_rollbacks)

    @property
    def timed(self) -> tuple[tuple[str, float], ...]:
        """The guards that go by one bound of durations, with it."""
        compared = [(one.name, one.slower_than) for one in self.comparisons]
        limited = [(one.name, one.slower_than) for one in self.limits]
        return tuple((name, bound) for name, bound in (*compared, *limited) if bound is not None)

    @property
    def burst(self) -> float:
        """By how much counts are divided for the risk: only if it was learned."""
        noises = [c.noise for c in self.comparisons if c.kind is GuardKind.ERRORS]
        return noises[0].burst if noises and not noises[0].provisional else 1.0


def burst_of(noise: Noise) -> float:
    """By how much counts are divided where a rate is read from them: only if it was learned."""
    return 1.0 if noise.provisional else noise.burst


def bad_of(slower_than: float | None, arm: Arm, bounds: tuple[float, ...]) -> tuple[float, float] | None:
    """(bad, all) requests of an arm: failed ones, or slower than the bound; None where it is no bound."""
    if slower_than is None:
        return arm.errors, arm.requests
    return increment.slower(arm, bounds, slower_than)
