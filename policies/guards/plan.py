"""What one rollout is judged by: the declared guards with everything that is fixed when it starts.

An environment's `guards:` become the tests that run, each with its stake in the budget of false
rollbacks, its noise and its limit. An absolute guard is added where none was written, because bake,
blue/green and the watch after promotion have nothing to compare with. Nothing here changes during a
rollout; nothing is judged here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.guards import increment, slo
from policies.guards.increment import Arm
from policies.guards.noise import PROVISIONAL, Noise
from policies.spec.declaration import Environment, Guard, GuardKind

STAKES = {GuardKind.ERRORS: 3.0, GuardKind.LATENCY: 2.0, GuardKind.SLO: 1.0}
_NOT_COUNTED = {GuardKind.QUERY, GuardKind.LABELS}
EMERGENCY = "warm-up"
EMERGENCY_LIMIT = 0.2  # during a warm-up only a storm of errors counts
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
    """A guard that compares the candidate with stable: errors, or requests slower than a bound.

    `slower_than` None on a latency guard: chosen from stable's own traffic, before any bet.
    """

    name: str
    kind: GuardKind
    worse_by: float
    slower_than: float | None
    noise: Noise
    stake: float


@dataclass(frozen=True, slots=True)
class Limit:
    """A guard with an absolute limit; None where neither a person nor history gave one.

    One from history is for the times without stable beside the candidate only.
    """

    name: str
    limit: float | None
    written: bool
    noise: Noise
    stake: float


@dataclass(frozen=True, slots=True)
class Plan:
    """All tests of a rollout, and its budget, risk and ladder of weights."""

    comparisons: tuple[Comparison, ...]
    limits: tuple[Limit, ...]
    hearts: tuple[Guard, ...]
    shares: tuple[Guard, ...]
    thresholds: tuple[Guard, ...]
    unfed: tuple[Guard, ...]  # what needs numbers that the router does not count: holds, never passes
    false_rollbacks: float
    risk: float | None
    ladder: tuple[float, ...]  # ascending; with the weights of fixed steps
    top: float  # the last weight: below 100 where a share is held back on stable
    history: History | None
    warmup: float
    kept: bool  # users stay on their version: the candidate may have less than its weight

    @property
    def burst(self) -> float:
        """By how much counts are divided for the risk: only if it was learned."""
        noises = [c.noise for c in self.comparisons if c.kind is GuardKind.ERRORS]
        return noises[0].burst if noises and not noises[0].provisional else 1.0


def plan_of(
    environment: Environment,
    *,
    history: History | None = None,
    noise: Mapping[str, Noise] | None = None,
    warmup: float = 0.0,
) -> Plan:
    """The plan for a rollout in this environment. `noise` is by guard name; missing: provisional."""
    learned = noise or {}

    top = 100.0 * (1.0 - environment.held_back)
    written = {float(w) for w in environment.ladder} | {float(s.weight) for s in environment.steps}
    rungs = written | {top, 100.0}

    def of(*kinds: GuardKind) -> tuple[Guard, ...]:
        return tuple(g for g in environment.guards if g.kind in kinds)

    comparisons = tuple(
        _comparison(g, history, learned.get(g.name, PROVISIONAL))
        for g in of(GuardKind.ERRORS, GuardKind.LATENCY)
    )
    absolute = of(GuardKind.SLO) or (Guard(_free_name(environment, "slo"), GuardKind.SLO),)
    limits = tuple(_limit(g, history, learned.get(g.name, PROVISIONAL)) for g in absolute)
    return Plan(
        comparisons,
        limits,
        of(GuardKind.ALIVE),
        of(GuardKind.SHARE),
        tuple(g for g in of(GuardKind.THRESHOLD) if g.query is None),
        tuple(g for g in environment.guards if g.query is not None or g.kind in _NOT_COUNTED),
        environment.false_rollbacks,
        environment.risk,
        tuple(sorted(rungs)),
        top,
        history,
        warmup,
        environment.sticky != "none",
    )


def _comparison(guard: Guard, history: History | None, noise: Noise) -> Comparison:
    bound = guard.slower_than
    if guard.kind is GuardKind.LATENCY and bound is None and history is not None:
        bound = increment.usual_bound(history.buckets, history.bounds)
    return Comparison(guard.name, guard.kind, guard.worse_by, bound, noise, STAKES[guard.kind])


def _limit(guard: Guard, history: History | None, noise: Noise) -> Limit:
    written = guard.limit is not None
    limit = guard.limit
    if limit is None and history is not None:
        burst = 1.0 if noise.provisional else noise.burst
        limit = slo.limit_from_history(history.errors, history.requests, burst)
    return Limit(guard.name, limit, written, noise, STAKES[GuardKind.SLO])


def _free_name(environment: Environment, name: str) -> str:
    taken = {g.name for g in environment.guards}
    while name in taken:
        name += " limit"
    return name


def bad_of(
    comparison: Comparison, slower_than: float | None, arm: Arm, bounds: tuple[float, ...]
) -> tuple[float, float] | None:
    """(bad, all) requests of an arm as this guard counts them; None where it cannot."""
    if comparison.kind is GuardKind.ERRORS:
        return arm.errors, arm.requests
    return None if slower_than is None else increment.slower(arm, bounds, slower_than)


def threshold_bad(guard: Guard, arm: Arm, bounds: tuple[float, ...]) -> tuple[float, float] | None:
    """(bad, all) as a plain threshold counts them; None where it cannot."""
    if guard.slower_than is None:
        return arm.errors, arm.requests
    return increment.slower(arm, bounds, guard.slower_than)
