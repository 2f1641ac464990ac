"""What reaches a judge beside the router's counters: labels, scores, counters of a metric source, pairs.

Each concerns the guards that it names, and no other. News that make no sense change nothing, and since none
of them says anything of the router, none ends a gap.
"""

from dataclasses import replace

from policies.guards import asked, drift, labelled, paired, quality
from policies.guards.counted import Counted
from policies.guards.drift import Scored
from policies.guards.labelled import Labelled
from policies.guards.paired import Paired, PairedState, Tally
from policies.guards.plan import OnPairs, Plan, Quality, ShadowTest
from policies.guards.quality import QualityState
from policies.guards.state import JudgeState


def labels(plan: Plan, state: JudgeState, what: Labelled) -> JudgeState:
    """Labels for one guard."""
    if labelled.wrong_with(what) is not None:
        return state
    after = tuple(
        _labelled(guard, one, what) if guard.name == what.guard else one
        for guard, one in zip(plan.qualities, state.qualities, strict=True)
    )
    return replace(state, qualities=after)


def _labelled(guard: Quality, one: QualityState, what: Labelled) -> QualityState:
    if not guard.paired:
        burst = guard.noise.burst
        return quality.hear_cohorts(
            one, what.cohorts, at=what.at, within=guard.within, drop=guard.drop, burst=burst
        )
    return quality.hear_pairs(one, what.pairs, at=what.at, drop=guard.drop) if what.pairs else one


def scores(plan: Plan, state: JudgeState, what: Scored) -> JudgeState:
    """Scores for one guard's advice."""
    if drift.wrong_with(what) is not None:
        return state
    after = tuple(
        drift.update(one, what) if guard.name == what.guard else one
        for guard, one in zip(plan.drifts, state.drifts, strict=True)
    )
    return replace(state, drifts=after)


def counters(plan: Plan, state: JudgeState, what: Counted) -> JudgeState:
    """Counters of a metric source for one guard; like bets on the router's, only at a weight and warm. True
    labels by segment come long after, and count as those of all together do."""
    warm = what.weight > 0 and state.weight > 0 and state.warm >= plan.warmup
    late = any(guard.late for guard in plan.asked if guard.name == what.guard)
    if what.gap is None and not warm and not late:
        return state
    if what.gap is not None:
        advice = zip(plan.drifts, state.drifts, strict=True)
        drifts = tuple(replace(one, gap=what.gap) if g.name == what.guard else one for g, one in advice)
        state = replace(state, drifts=drifts)
    after = tuple(
        asked.update(guard, one, what, together=state.together, at=state.at)
        if guard.name == what.guard
        else one
        for guard, one in zip(plan.asked, state.asked, strict=True)
    )
    return replace(state, asked=after)


def pairs(plan: Plan, state: JudgeState, what: Paired) -> JudgeState:
    """Pairs are no user's requests: nothing but the tests in the shadow hears of them."""
    if paired.wrong_with(what) is not None:
        return state
    told = {tally.guard: tally for tally in what.tallies}
    after = tuple(
        _on_pairs(test, one, what, told.get(test.name))
        for test, one in zip(plan.shadows, state.shadows, strict=True)
    )
    compared, lost = state.copies
    return replace(state, shadows=after, copies=(compared + what.pairs, lost + what.lost))


def _on_pairs(test: ShadowTest, state: PairedState, what: Paired, tally: Tally | None) -> PairedState:
    if test.what is OnPairs.FLIPS:
        return paired.by_class(state, what.classes, test.limit)
    if tally is None:
        return state
    if test.what is OnPairs.DIFFER:
        return paired.limited(state, tally, test.limit)
    growth = 1.0 if test.what is OnPairs.SLOWER else test.growth  # the pair was compared with it
    return paired.compared(state, tally, growth)
