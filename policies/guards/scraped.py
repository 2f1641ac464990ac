"""One interval of the router's counters, or why there is none: who hears of it, and whether bets are made.

Life and routing first. Bets are made only at a weight, and only with a candidate that has had a request; what
is bet with, and how, is `policies.guards.bets`.
"""

from dataclasses import replace

from policies.guards import bets, heartbeat, rate, share, threshold
from policies.guards.heartbeat import Alive, HeartState
from policies.guards.increment import Gap, Increment
from policies.guards.plan import Plan, bad_of
from policies.guards.share import ShareState
from policies.guards.state import JudgeState
from policies.guards.wagers import Betting


def interval(plan: Plan, state: JudgeState, what: Increment | Gap, alive: Alive) -> Betting[JudgeState]:
    """After one scrape."""
    hearts, at = _beating(plan, state, what, alive), max(state.at, what.at)
    match what:
        case Gap():
            return replace(state, hearts=hearts, at=at, sequence=what.sequence, gap=what.reason)
        case Increment():
            return (yield from _seen(plan, state, what, hearts, at))


def _beating(plan: Plan, state: JudgeState, what: Increment | Gap, alive: Alive) -> tuple[HeartState, ...]:
    silent = isinstance(what, Gap) and what.silent
    return tuple(
        heartbeat.update(s, alive, at=what.at, silent=silent, no_data_for=g.no_data_for)
        for g, s in zip(plan.hearts, state.hearts, strict=True)
    )


def _seen(
    plan: Plan, state: JudgeState, what: Increment, hearts: tuple[HeartState, ...], at: float
) -> Betting[JudgeState]:
    before, state = state.warm, _routed(plan, state, what, hearts, at)
    if what.weight <= 0:  # requests to a preview are not users'
        return state
    state = _checked_plainly(plan, state, what)
    if state.warm < 0:  # without a request of hers there is nothing to compare
        return state
    if state.warm < plan.warmup:
        return (yield from bets.cold(plan, state, what))
    if 0 <= before < plan.warmup:
        state = bets.warmed(state)
    if state.together:
        return (yield from bets.compared(plan, state, what))
    return bets.alone(plan, state, what)


def _routed(
    plan: Plan, state: JudgeState, what: Increment, hearts: tuple[HeartState, ...], at: float
) -> JudgeState:
    """Where requests went, and since when the candidate has some."""
    after = replace(
        state,
        sequence=what.sequence,
        at=at,
        hearts=hearts,
        gap=None,
        weight=what.weight,
        together=what.stable is not None and what.weight < 100,
        split=_split(state, what),
        shares=_shares(plan, state, what),
        warm=_warm(state, what),
        bounds=what.bounds or (() if _requests(what) > 0 else state.bounds),
    )
    if what.weight == state.weight:
        return after
    return replace(  # a pool of requests is of one weight
        after,
        comparisons=tuple(replace(one, pool=rate.EMPTY) for one in state.comparisons),
        storm=replace(state.storm, pool=rate.EMPTY),
    )


def _split(state: JudgeState, what: Increment) -> tuple[float, float]:
    if what.weight != state.weight:
        return 0.0, 0.0
    return state.split[0] + what.candidate.requests, state.split[1] + _requests(what)


def _warm(state: JudgeState, what: Increment) -> float:
    if state.warm >= 0:
        return state.warm + what.seconds
    return 0.0 if what.candidate.requests > 0 else state.warm


def _shares(plan: Plan, state: JudgeState, what: Increment) -> tuple[ShareState, ...]:
    return tuple(
        share.update(
            s,
            requests=what.candidate.requests,
            stable_requests=_requests_to_stable(what),
            weight=what.weight,
            tolerance=g.tolerance,
            at=what.at,
            seconds=what.seconds,
            kept=plan.kept,
        )
        for g, s in zip(plan.shares, state.shares, strict=True)
    )


def _requests(what: Increment) -> float:
    return what.candidate.requests + _requests_to_stable(what)


def _requests_to_stable(what: Increment) -> float:
    return what.stable.requests if what.stable else 0.0


def _checked_plainly(plan: Plan, state: JudgeState, what: Increment) -> JudgeState:
    if not plan.thresholds:
        return state
    after = []
    for guard, one in zip(plan.thresholds, state.thresholds, strict=True):
        counted = bad_of(guard.slower_than, what.candidate, what.bounds)
        if counted is None or guard.limit is None:
            after.append(one)
            continue
        bad, requests = counted
        after.append(threshold.update(one, bad=bad, requests=requests, limit=guard.limit, at=what.at))
    return replace(state, thresholds=tuple(after))
