"""What each betting guard has at stake in the budget of false rollbacks, and which guards found harm.

Reads a plan and a state, changes neither. Stable is held against the same limits: what it breaks, too, blames
nobody, and no limit is looser for it.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

from policies.guards import asked, budget, heartbeat, outlook, slo, threshold
from policies.guards.asked import STABLE, Asked, AskedState, Part
from policies.guards.budget import Combined, Stake
from policies.guards.findings.standing import SUSPECT
from policies.guards.histogram import HistogramState
from policies.guards.plan import EMERGENCY, EMERGENCY_STAKE, Limit, Plan, burst_of
from policies.guards.rate import RateState
from policies.guards.slo import SloState
from policies.guards.state import JudgeState


def limits(plan: Plan, state: JudgeState) -> tuple[Limit, ...]:
    """The absolute guards as they stand now. Where neither a person nor history gave a limit, what stable
    served beside the candidate gives one, once the candidate is alone: it does not change from then on."""
    if state.together:
        return plan.limits
    return tuple(
        replace(one, limit=_from_beside(plan, state, one)) if one.limit is None else one
        for one in plan.limits
    )


def _from_beside(plan: Plan, state: JudgeState, limit: Limit) -> float | None:
    if limit.slower_than is None:
        return slo.limit_from_history(state.stable.errors, state.stable.requests, plan.burst)
    timed = (
        one
        for guard, one in zip(plan.comparisons, state.comparisons, strict=True)
        if guard.slower_than == limit.slower_than
    )
    seen = next(timed, None)
    if seen is None:
        return None
    return slo.limit_from_history(seen.stable_bad, seen.stable_requests, burst_of(limit.noise))


def stakes(plan: Plan, state: JudgeState) -> list[Stake]:
    """Each betting guard's part in the budget. A limit that stable breaks too blames nobody."""
    return [
        *_on_rates(plan, state),
        *_on_labels(plan, state),
        *_on_counters(plan, state),
        *_on_pairs(plan, state),
        *_on_limits(plan, state),
        *_on_the_warm_up(plan, state),
    ]


def _on_rates(plan: Plan, state: JudgeState) -> Iterator[Stake]:
    for compared, one in zip(plan.comparisons, state.comparisons, strict=True):
        yield _stake(plan, state, compared.name, compared.stake, one)
    for durations, all_of in zip(plan.distributions, state.distributions, strict=True):
        yield _stake(plan, state, durations.name, durations.stake, all_of)


def _on_labels(plan: Plan, state: JudgeState) -> Iterator[Stake]:
    for guard, one in zip(plan.qualities, state.qualities, strict=True):
        yield Stake(guard.name, guard.stake, one.log_e, one.log_peak)


def _on_counters(plan: Plan, state: JudgeState) -> Iterator[Stake]:
    for guard, tests in zip(plan.asked, state.asked, strict=True):
        yield from asked.stakes(guard, tests, blameless=blameless(state, tests))


def _on_pairs(plan: Plan, state: JudgeState) -> Iterator[Stake]:
    for test, one in zip(plan.shadows, state.shadows, strict=True):
        yield Stake(test.name, test.stake, one.log_e, one.log_peak)


def _on_limits(plan: Plan, state: JudgeState) -> Iterator[Stake]:
    for index, (guard, one) in enumerate(zip(limits(plan, state), state.limits, strict=True)):
        if guard.limit is not None:
            stake = _stake(plan, state, guard.name, guard.stake, one)
            yield replace(stake, log_e=min(stake.log_e, 0.0)) if breached(state, index) else stake


def _on_the_warm_up(plan: Plan, state: JudgeState) -> Iterator[Stake]:
    """Two bets of one stake, of which one at a time is made: beside stable, and alone."""
    if plan.warmup > 0:
        log_e = state.storm.log_e + state.emergency.log_e
        log_peak = state.storm.log_peak + state.emergency.log_peak
        yield Stake(EMERGENCY, EMERGENCY_STAKE, log_e, log_peak)


def _stake(
    plan: Plan, state: JudgeState, name: str, weight: float, one: RateState | HistogramState | SloState
) -> Stake:
    """A guard's part; nothing is bet with it before the end of a warm-up."""
    if cold(plan, state):
        return Stake(name, weight, 0.0, 0.0)
    return Stake(name, weight, one.log_e, one.log_peak)


def cold(plan: Plan, state: JudgeState) -> bool:
    """Whether the candidate may still be warming up; it begins with its first request."""
    return plan.warmup > 0 and state.warm < plan.warmup


def combined(plan: Plan, state: JudgeState) -> Combined:
    """The budget's view of all betting guards now."""
    return budget.combine(stakes(plan, state), plan.false_rollbacks)


def harm(plan: Plan, state: JudgeState) -> tuple[str, ...]:
    """The guards that found harm, now or before: harm stays harm."""
    dead = (
        g.name
        for g, s in zip(plan.hearts, state.hearts, strict=True)
        if heartbeat.cause(s, no_data_for=g.no_data_for, restarts=g.restarts)
    )
    above = (
        g.name
        for g, s in zip(plan.thresholds, state.thresholds, strict=True)
        if s.failed >= threshold.MOST_FAILED
    )
    culprits = combined(plan, state).culprits
    return tuple(dict.fromkeys((*state.harm, *culprits, *_hurt(plan, state, culprits), *dead, *above)))


def _hurt(plan: Plan, state: JudgeState, culprits: tuple[str, ...]) -> Iterator[str]:
    """Where harm is that a guard found in all together: the segments that would be harm by themselves."""
    enough = -math.log(plan.false_rollbacks)
    for counters, tests in zip(plan.asked, state.asked, strict=True):
        if counters.name in culprits:
            parts = [part for part in tests.parts if part.name and part.name != STABLE]
            hurt = [part.name for part in parts if _strength(counters, part, of=len(parts)) >= enough]
            yield from (asked.title(counters, name) for name in hurt)


def _strength(counters: Asked, part: Part, of: int) -> float:
    """Harm of the whole may be there before a segment has the requests that its bet waits for; then it is
    named by its counts alone, held against how many segments there are."""
    if isinstance(part.state, RateState):
        counts = outlook.concentration(part.state, counters.worse_by) - math.log(of)
        return max(part.state.log_peak, counts)
    return part.state.log_peak


def blameless(state: JudgeState, tests: AskedState) -> bool:
    """Whether stable, beside the candidate, is above that limit too."""
    theirs = tests.part(STABLE)
    return state.together and theirs is not None and theirs.log_e >= SUSPECT


def breached(state: JudgeState, index: int) -> bool:
    """Whether stable, beside the candidate, is above this limit too."""
    return state.together and state.stable_limits[index].log_e >= SUSPECT
