"""What one rollout is judged by: the declared guards with everything that is fixed when it starts.

An environment's `guards:` become the tests that run, each with its stake in the budget of false
rollbacks, its noise and its limit. An absolute guard is added where none was written, because bake,
blue/green and the watch after promotion have nothing to compare with. Nothing here changes during a
rollout; nothing is judged here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from policies.guards import asking, budget, increment, slo
from policies.guards.asked import Asked, How
from policies.guards.increment import Arm
from policies.guards.noise import PROVISIONAL, Noise
from policies.spec.declaration import Environment, Guard, GuardKind, Strategy

STAKES = {
    GuardKind.ERRORS: 4.0,
    GuardKind.LATENCY: 2.0,
    GuardKind.LABELS: 2.0,
    GuardKind.SLO: 1.0,
    GuardKind.QUERY: 2.0,
}
SHADOW_STAKE = 1.0  # what costs no user anything may take longer
PAIRED_STAKE = 4.0  # true labels are scarce, and what a shadow is for
SCORES = "scores"
UNWRITTEN_STAKE = 0.25  # of a limit that nobody wrote: beside stable it does not bet
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
        Comparison(
            g.name, g.kind, g.worse_by, g.slower_than, learned.get(g.name, PROVISIONAL), _whole_stake(g)
        )
        for g in of(GuardKind.ERRORS, GuardKind.LATENCY)
        if g.kind is GuardKind.ERRORS or g.slower_than is not None
    )
    past = history.buckets if history is not None else ()
    distributions = tuple(
        Distribution(g.name, g.worse_by, learned.get(g.name, PROVISIONAL), STAKES[g.kind], past)
        for g in of(GuardKind.LATENCY)
        if g.slower_than is None
    )
    absolute = of(GuardKind.SLO)
    if all(g.slower_than is not None for g in absolute):  # failures are limited always
        absolute = (Guard(_free_name(environment, "slo"), GuardKind.SLO), *absolute)
    limits = tuple(_limit(g, history, learned.get(g.name, PROVISIONAL)) for g in absolute)
    return Plan(
        comparisons,
        distributions,
        tuple(_quality(g, environment, learned.get(g.name, PROVISIONAL)) for g in of(GuardKind.LABELS)),
        of(GuardKind.DRIFT) + _scores(environment),
        limits,
        of(GuardKind.ALIVE),
        of(GuardKind.SHARE),
        of(GuardKind.THRESHOLD),
        tuple(
            _asked(g, learned.get(g.name, PROVISIONAL))
            for g in environment.guards
            if _is_asked(g, environment)
        ),
        environment.false_rollbacks,
        environment.risk,
        tuple(sorted(rungs)),
        top,
        history,
        warmup,
        environment.sticky != "none",
        tuple(shadow_tests(environment)),
    )


def shadow_tests(environment: Environment) -> Iterator[ShadowTest]:
    """The declared guards' tests on pairs; none without a shadow."""
    if environment.strategy is not Strategy.SHADOW:
        return
    for guard in environment.guards:
        name, stake = _free_name(environment, f"shadow {guard.name}"), SHADOW_STAKE
        growth = 1 + guard.worse_by
        match guard.kind:
            case GuardKind.ERRORS:
                yield ShadowTest(name, OnPairs.ERRORS, stake, growth)
            case GuardKind.LATENCY if guard.slower_than is not None:
                yield ShadowTest(name, OnPairs.SLOW, stake, growth, slower_than=guard.slower_than)
            case GuardKind.LATENCY:
                yield ShadowTest(name, OnPairs.SLOWER, stake, growth)
            case GuardKind.ANSWERS:
                if guard.limit is not None:
                    yield ShadowTest(guard.name, OnPairs.DIFFER, stake, limit=guard.limit)
                if guard.flips is not None:
                    flips = _free_name(environment, "flips")
                    yield ShadowTest(flips, OnPairs.FLIPS, stake, limit=guard.flips)
            case _:
                pass


def _scores(environment: Environment) -> tuple[Guard, ...]:
    """How both versions' scores are distributed is shown where the file says where they are."""
    asked = environment.strategy is Strategy.SHADOW and environment.shadow.score
    return (Guard(_free_name(environment, SCORES), GuardKind.DRIFT),) if asked else ()


def _quality(guard: Guard, environment: Environment, noise: Noise) -> Quality:
    paired = environment.strategy is Strategy.SHADOW
    stake = PAIRED_STAKE if paired else _whole_stake(guard)
    return Quality(guard.name, guard.drop or 0.0, guard.within or 0.0, paired, noise, stake)


def _limit(guard: Guard, history: History | None, noise: Noise) -> Limit:
    written = guard.limit is not None
    limit = guard.limit
    if limit is None and history is not None:
        served = Arm(history.requests, history.errors, history.buckets)
        past = bad_of(guard.slower_than, served, history.bounds)
        limit = None if past is None else slo.limit_from_history(*past, burst_of(noise))
    stake = STAKES[GuardKind.SLO] if written else UNWRITTEN_STAKE
    return Limit(guard.name, limit, written, noise, stake, guard.slower_than)


def burst_of(noise: Noise) -> float:
    """By how much counts are divided where a rate is read from them: only if it was learned."""
    return 1.0 if noise.provisional else noise.burst


def _is_asked(guard: Guard, environment: Environment) -> bool:
    split = guard.kind is GuardKind.ERRORS or (
        guard.kind is GuardKind.LABELS and environment.strategy is not Strategy.SHADOW
    )
    return guard.kind is GuardKind.QUERY or (split and bool(guard.segments))


def _whole_stake(guard: Guard) -> float:
    """Where segments are judged, too, they have the other half."""
    return STAKES[guard.kind] / 2 if guard.segments else STAKES[guard.kind]


def _asked(guard: Guard, noise: Noise) -> Asked:
    limit = guard.limit
    if limit is not None and asking.counts_good(guard):
        limit = 1.0 - limit
    how = How.RATE
    if guard.kind is GuardKind.QUERY:
        how = How.LIMIT if limit is not None else How.DURATIONS if guard.of is None else how
    if guard.drop is not None:
        how = How.LOSS
    return Asked(
        guard.name,
        how,
        worse_by=guard.worse_by,
        drop=guard.drop or 0.0,
        limit=limit,
        labels=guard.segments,
        split=guard.split,
        whole=guard.kind is GuardKind.QUERY,
        noise=noise,
        stake=STAKES[guard.kind] if guard.kind is GuardKind.QUERY else _whole_stake(guard),
        what=_what(guard),
        late=guard.kind is GuardKind.LABELS,
    )


def _what(guard: Guard) -> str:
    """How people read what is counted."""
    if guard.query is None:
        return "wrong answers" if guard.kind is GuardKind.LABELS else "failed requests"
    name = asking.selectors(guard)[0].name
    return f"things missing from {name}" if asking.counts_good(guard) else name


def _free_name(environment: Environment, name: str) -> str:
    taken = {g.name for g in environment.guards}
    while name in taken:
        name += " limit"
    return name


def bad_of(slower_than: float | None, arm: Arm, bounds: tuple[float, ...]) -> tuple[float, float] | None:
    """(bad, all) requests of an arm: failed ones, or slower than the bound; None where it is no bound."""
    if slower_than is None:
        return arm.errors, arm.requests
    return increment.slower(arm, bounds, slower_than)
