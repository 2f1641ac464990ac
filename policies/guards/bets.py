"""What the guards bet on an interval: the candidate beside stable, alone, or during its warm-up.

Beside stable it is compared; alone, the absolute limits decide. While it warms up all is bet on, but only the
emergency guard may take it back: the other bets begin anew at the end of a warm-up.
"""

from dataclasses import replace

from policies.guards import histogram, rate, slo, stakes
from policies.guards.findings.standing import SUSPECT
from policies.guards.histogram import HistogramState
from policies.guards.increment import Arm, Increment
from policies.guards.noise import PROVISIONAL
from policies.guards.plan import EMERGENCY_LIMIT, Comparison, Distribution, Limit, Plan, bad_of
from policies.guards.rate import RateState
from policies.guards.slo import SloState
from policies.guards.state import Counts, JudgeState
from policies.guards.wagers import Betting

NOBODY = Arm(0.0, 0.0)


def compared(plan: Plan, state: JudgeState, what: Increment) -> Betting[JudgeState]:
    """The candidate beside stable. Stable is held against the limits, too: what it breaks blames nobody."""
    stable = what.stable or NOBODY
    rates = [
        _rate(plan, guard, one, what, stable)
        for guard, one in zip(plan.comparisons, state.comparisons, strict=True)
    ]
    durations = [
        _durations(guard, one, what, stable)
        for guard, one in zip(plan.distributions, state.distributions, strict=True)
    ]
    after = yield [bet for bet in (*rates, *durations) if bet is not None]
    told = iter(after)
    return replace(
        state,
        comparisons=tuple(
            one if bet is None else next(told) for bet, one in zip(rates, state.comparisons, strict=True)
        ),
        distributions=tuple(told),
        limits=_limits(plan.limits, state.limits, what.candidate, what, written=True),
        stable_limits=_limits(plan.limits, state.stable_limits, stable, what, written=False),
        candidate=state.candidate.plus(what.candidate.requests, what.candidate.errors),
        stable=state.stable.plus(stable.requests, stable.errors),
    )


def _rate(plan: Plan, guard: Comparison, one: RateState, what: Increment, stable: Arm) -> rate.Bet | None:
    mine = bad_of(guard.slower_than, what.candidate, what.bounds)
    theirs = bad_of(guard.slower_than, stable, what.bounds)
    if mine is None or theirs is None:
        return None
    goal = plan.harm_at(guard.stake)
    return rate.Bet(one, *mine, *theirs, what.at, what.seconds, guard.worse_by, guard.noise, goal)


def _durations(guard: Distribution, one: HistogramState, what: Increment, stable: Arm) -> histogram.Bet:
    return histogram.Bet(
        one, what.candidate, stable, what.bounds, what.at, what.seconds, guard.worse_by, guard.noise
    )


def alone(plan: Plan, state: JudgeState, what: Increment) -> JudgeState:
    """The candidate with all traffic: its limits, of people or of stable's history."""
    limits = _limits(stakes.limits(plan, state), state.limits, what.candidate, what, written=False)
    candidate = state.candidate.plus(what.candidate.requests, what.candidate.errors)
    return replace(state, limits=limits, candidate=candidate)


def cold(plan: Plan, state: JudgeState, what: Increment) -> Betting[JudgeState]:
    """During a warm-up: all is bet on, but only the emergency guard may take the candidate back; the others
    may hold it."""
    if not state.together:
        return replace(state, emergency=_emergency(state.emergency, what))
    mine, theirs = what.candidate, what.stable or NOBODY
    (storm,) = yield [
        rate.Bet(
            state.storm,
            mine.errors,
            mine.requests,
            theirs.errors,
            theirs.requests,
            what.at,
            what.seconds,
            *plan.storm,
        )
    ]
    return (yield from compared(plan, replace(state, storm=storm), what))


def _emergency(state: SloState, what: Increment) -> SloState:
    return slo.update(
        state,
        bad=what.candidate.errors,
        requests=what.candidate.requests,
        limit=EMERGENCY_LIMIT,
        at=what.at,
        seconds=what.seconds,
        noise=PROVISIONAL,
    )


def warmed(state: JudgeState) -> JudgeState:
    """The end of a warm-up: bets begin anew, and where it was cold the counts that risks rest on, too."""
    state = replace(state, storm=rate.ended(state.storm))
    peaks = [one.log_peak for one in state.comparisons]
    peaks += [one.log_peak for one in state.distributions] + [one.log_peak for one in state.limits]
    if any(peak >= SUSPECT for peak in peaks):
        return replace(
            state,
            comparisons=tuple(rate.start() for _ in state.comparisons),
            distributions=tuple(histogram.start(one.past) for one in state.distributions),
            limits=tuple(slo.start() for _ in state.limits),
            candidate=Counts(),
            stable=Counts(),
        )
    return replace(
        state,
        comparisons=tuple(rate.again(one) for one in state.comparisons),
        distributions=tuple(histogram.again(one) for one in state.distributions),
        limits=tuple(slo.again(one) for one in state.limits),
    )


def _limits(
    limits: tuple[Limit, ...], states: tuple[SloState, ...], arm: Arm, what: Increment, *, written: bool
) -> tuple[SloState, ...]:
    """Feed the absolute guards: those with a written limit, or all that have one."""
    return tuple(
        one
        if guard.limit is None or (written and not guard.written)
        else _limited(guard, guard.limit, one, arm, what)
        for guard, one in zip(limits, states, strict=True)
    )


def _limited(guard: Limit, limit: float, one: SloState, arm: Arm, what: Increment) -> SloState:
    """A router may count requests whose durations it does not tell, or not by that bound."""
    bad, known = bad_of(guard.slower_than, arm, what.bounds) or (0.0, 0.0)
    return slo.update(
        one,
        bad=bad,
        requests=known,
        limit=limit,
        at=what.at,
        seconds=what.seconds,
        noise=guard.noise,
        untold=arm.requests - known,
    )
