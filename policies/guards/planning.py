"""Makes the plan of a rollout: which tests an environment's `guards:` become.

An absolute guard is added where none was written, because bake, blue/green and the watch after promotion have
nothing to compare with.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from policies.guards import asking, slo
from policies.guards.asked import Asked, How
from policies.guards.increment import Arm
from policies.guards.noise import PROVISIONAL, Noise
from policies.guards.plan import (
    Comparison,
    Distribution,
    History,
    Limit,
    OnPairs,
    Plan,
    Quality,
    ShadowTest,
    bad_of,
    burst_of,
)
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


def plan_of(
    environment: Environment,
    *,
    history: History | None = None,
    noise: Mapping[str, Noise] | None = None,
    warmup: float = 0.0,
) -> Plan:
    """The plan for a rollout in this environment. `noise` is by guard name; missing: provisional."""
    given = _Given(environment, history, noise or {})
    top = 100.0 * (1.0 - environment.held_back)
    return Plan(
        comparisons=tuple(given.comparisons()),
        distributions=tuple(given.distributions()),
        qualities=tuple(_quality(g, environment, given.noise_of(g)) for g in given.guards(GuardKind.LABELS)),
        drifts=given.guards(GuardKind.DRIFT) + _scores(environment),
        limits=tuple(_limit(g, history, given.noise_of(g)) for g in given.absolute()),
        hearts=given.guards(GuardKind.ALIVE),
        shares=given.guards(GuardKind.SHARE),
        thresholds=given.guards(GuardKind.THRESHOLD),
        asked=tuple(_asked(g, given.noise_of(g)) for g in environment.guards if _is_asked(g, environment)),
        false_rollbacks=environment.false_rollbacks,
        risk=environment.risk,
        ladder=_ladder(environment, top),
        top=top,
        history=history,
        warmup=warmup,
        kept=environment.sticky != "none",
        shadows=tuple(_shadow_tests(environment)),
    )


@dataclass(frozen=True, slots=True)
class _Given:
    """What a plan is made of: the declared guards, stable's history, the noise that was learned of each."""

    environment: Environment
    history: History | None
    learned: Mapping[str, Noise]

    def guards(self, *kinds: GuardKind) -> tuple[Guard, ...]:
        return tuple(g for g in self.environment.guards if g.kind in kinds)

    def noise_of(self, guard: Guard) -> Noise:
        return self.learned.get(guard.name, PROVISIONAL)

    def comparisons(self) -> Iterator[Comparison]:
        for g in self.guards(GuardKind.ERRORS, GuardKind.LATENCY):
            if g.kind is GuardKind.ERRORS or g.slower_than is not None:
                stake = _whole_stake(g)
                yield Comparison(g.name, g.kind, g.worse_by, g.slower_than, self.noise_of(g), stake)

    def distributions(self) -> Iterator[Distribution]:
        past = self.history.buckets if self.history is not None else ()
        for g in self.guards(GuardKind.LATENCY):
            if g.slower_than is None:
                yield Distribution(g.name, g.worse_by, self.noise_of(g), STAKES[g.kind], past)

    def absolute(self) -> tuple[Guard, ...]:
        """Failures are limited always."""
        written = self.guards(GuardKind.SLO)
        if any(g.slower_than is None for g in written):
            return written
        return Guard(_free_name(self.environment, "slo"), GuardKind.SLO), *written


def _ladder(environment: Environment, top: float) -> tuple[float, ...]:
    written = {float(w) for w in environment.ladder} | {float(s.weight) for s in environment.steps}
    return tuple(sorted(written | {top, 100.0}))


def _shadow_tests(environment: Environment) -> Iterator[ShadowTest]:
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
