"""One rollout's judge: feeds each interval to the guards that it concerns, and says what they found.

While two versions have traffic (comparing), guards bet against stable; while one has all of it
(alone: bake, blue/green, the watch after promotion), the absolute limit decides, and without a limit
nothing is ever cleared. No data, a gap or stale numbers are `undecided`. Harm stays harm: once the
budget's bound is crossed the verdict does not return. Everything is a function of the increments in
their order; it reads no clock, and bets on each sequence once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from policies.evidence import Evidence
from policies.guards import (
    asked,
    drift,
    heartbeat,
    histogram,
    increment,
    labelled,
    paired,
    quality,
    rate,
    share,
    slo,
    threshold,
    verdict,
)
from policies.guards.asked import AskedState
from policies.guards.counted import Counted
from policies.guards.drift import DriftState, Scored
from policies.guards.fed import Fed
from policies.guards.findings.standing import SUSPECT
from policies.guards.heartbeat import Alive
from policies.guards.increment import Arm, Gap, Increment
from policies.guards.labelled import Labelled
from policies.guards.noise import PROVISIONAL, Noise
from policies.guards.paired import Paired, PairedState, Tally
from policies.guards.plan import (
    EMERGENCY_LIMIT,
    History,
    Limit,
    OnPairs,
    Plan,
    ShadowTest,
    bad_of,
    plan_of,
)
from policies.guards.rate import RateState
from policies.guards.slo import SloState
from policies.guards.state import JudgeState
from policies.guards.threshold import ThresholdState
from policies.spec.declaration import Environment


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges one rollout by its plan. Holds nothing that changes."""

    plan: Plan

    @classmethod
    def of(
        cls,
        environment: Environment,
        *,
        history: History | None = None,
        noise: Mapping[str, Noise] | None = None,
        warmup: float | None = None,
    ) -> "Judge":
        """The judge for a rollout in this environment, with stable's history and its noise.

        `warmup` (seconds) in the place of the environment's own.
        """
        warm_up = environment.warm_up if warmup is None else warmup
        return cls(plan_of(environment, history=history, noise=noise, warmup=warm_up))

    def start(self, at: float, *, restarts: int = 0, sequence: int = -1) -> JudgeState:
        """Before anything was seen. `restarts`: the workload's count now; later ones are counted."""
        plan = self.plan
        fresh = tuple(slo.start() for _ in plan.limits)
        return JudgeState(
            sequence=sequence,
            at=at,
            weight=0.0,
            together=True,
            comparisons=tuple(rate.start() for _ in plan.comparisons),
            distributions=tuple(histogram.start(d.past) for d in plan.distributions),
            qualities=tuple(quality.start(at) for _ in plan.qualities),
            drifts=tuple(DriftState() for _ in plan.drifts),
            limits=fresh,
            stable_limits=fresh,
            emergency=slo.start(),
            hearts=tuple(heartbeat.start(at, restarts) for _ in plan.hearts),
            shares=tuple(share.start() for _ in plan.shares),
            thresholds=tuple(ThresholdState() for _ in plan.thresholds),
            asked=tuple(AskedState() for _ in plan.asked),
            shadows=tuple(PairedState() for _ in plan.shadows),
        )

    def observe(self, state: JudgeState, what: Fed, alive: Alive | None = None) -> JudgeState:
        """After one scrape, or news of labels or scores. A sequence that was seen already changes nothing."""
        if what.sequence <= state.sequence:
            return state
        match what:
            case Labelled():
                state = replace(self._labelled(state, what), sequence=what.sequence)
            case Scored():
                state = replace(self._scored(state, what), sequence=what.sequence)
            case Counted():
                state = replace(self._counted(state, what), sequence=what.sequence)
            case Paired():
                state = replace(self._paired(state, what), sequence=what.sequence)
            case Increment() | Gap():
                state = self._scraped(state, increment.checked(what), alive or Alive())
        harm = verdict.harm(self.plan, state)
        return state if harm == state.harm else replace(state, harm=harm)

    def evidence(
        self, state: JudgeState, *, epoch: int, at: float | None = None, needs: bool = True
    ) -> Evidence:
        """What the guards say. `at`: now, so that numbers which stopped coming are seen to be old.

        Without `needs` it is not told what would change a comparison: to know that takes as long as all else.
        """
        at = state.at if at is None else at
        return verdict.evidence(self.plan, state, epoch=epoch, at=at, needs=needs)

    def _labelled(self, state: JudgeState, what: Labelled) -> JudgeState:
        """Labels for one guard; they say nothing of the router's counters, so no gap ends with them."""
        if labelled.wrong_with(what) is not None:
            return state
        after = []
        for guard, one in zip(self.plan.qualities, state.qualities, strict=True):
            if guard.name != what.guard:
                after.append(one)
            elif not guard.paired:
                burst = guard.noise.burst
                after.append(
                    quality.hear_cohorts(
                        one, what.cohorts, at=what.at, within=guard.within, drop=guard.drop, burst=burst
                    )
                )
            else:
                after.append(
                    quality.hear_pairs(one, what.pairs, at=what.at, drop=guard.drop) if what.pairs else one
                )
        return replace(state, qualities=tuple(after))

    def _scored(self, state: JudgeState, what: Scored) -> JudgeState:
        if drift.wrong_with(what) is not None:
            return state
        after = tuple(
            drift.update(one, what) if guard.name == what.guard else one
            for guard, one in zip(self.plan.drifts, state.drifts, strict=True)
        )
        return replace(state, drifts=after)

    def _counted(self, state: JudgeState, what: Counted) -> JudgeState:
        """Counters of a metric source for one guard; like bets on the router's, only at a weight and warm."""
        warm = what.weight > 0 and state.weight > 0 and state.warm >= self.plan.warmup
        if what.gap is None and not warm:
            return state
        if what.gap is not None:
            advice = zip(self.plan.drifts, state.drifts, strict=True)
            drifts = tuple(replace(one, gap=what.gap) if g.name == what.guard else one for g, one in advice)
            state = replace(state, drifts=drifts)
        after = tuple(
            asked.update(guard, one, what, together=state.together, at=state.at)
            if guard.name == what.guard
            else one
            for guard, one in zip(self.plan.asked, state.asked, strict=True)
        )
        return replace(state, asked=after)

    def _paired(self, state: JudgeState, what: Paired) -> JudgeState:
        """Pairs are no user's requests: nothing but the tests in the shadow hears of them."""
        if paired.wrong_with(what) is not None:
            return state
        told = {tally.guard: tally for tally in what.tallies}
        after = tuple(
            _on_pairs(test, one, what, told.get(test.name))
            for test, one in zip(self.plan.shadows, state.shadows, strict=True)
        )
        pairs, lost = state.copies
        return replace(state, shadows=after, copies=(pairs + what.pairs, lost + what.lost))

    def _scraped(self, state: JudgeState, what: Increment | Gap, alive: Alive) -> JudgeState:
        state = self._heard(state, what, alive)
        match what:
            case Gap():
                return replace(state, sequence=what.sequence, gap=what.reason)
            case Increment():
                return self._seen(state, what)

    def _heard(self, state: JudgeState, what: Increment | Gap, alive: Alive) -> JudgeState:
        silent = isinstance(what, Gap) and what.silent
        hearts = tuple(
            heartbeat.update(s, alive, at=what.at, silent=silent, no_data_for=g.no_data_for)
            for g, s in zip(self.plan.hearts, state.hearts, strict=True)
        )
        return replace(state, hearts=hearts, at=max(state.at, what.at))

    def _seen(self, state: JudgeState, what: Increment) -> JudgeState:
        """Routing and warm-up first; bets only at a weight, and only on a warm candidate."""
        moved = what.weight != state.weight
        stable = what.stable.requests if what.stable else 0.0
        mine = what.candidate.requests
        split = (0.0, 0.0) if moved else (state.split[0] + mine, state.split[1] + mine + stable)
        before = state.warm
        warm = state.warm + what.seconds if state.warm >= 0 else (0.0 if mine > 0 else state.warm)
        shares = tuple(
            share.update(
                s,
                requests=mine,
                stable_requests=stable,
                weight=what.weight,
                tolerance=g.tolerance,
                at=what.at,
                seconds=what.seconds,
                kept=self.plan.kept,
            )
            for g, s in zip(self.plan.shares, state.shares, strict=True)
        )
        state = replace(
            state,
            sequence=what.sequence,
            gap=None,
            weight=what.weight,
            together=what.stable is not None and what.weight < 100,
            split=split,
            shares=shares,
            warm=warm,
            bounds=what.bounds or state.bounds,
        )
        if moved:  # a pool of requests is of one weight
            state = replace(
                state,
                comparisons=tuple(replace(one, pool=rate.EMPTY) for one in state.comparisons),
                storm=replace(state.storm, pool=rate.EMPTY),
            )
        if what.weight <= 0:  # requests to a preview are not users'
            return state
        state = self._checked_plainly(state, what)
        if warm < 0:  # without a request of hers there is nothing to compare
            return state
        if warm < self.plan.warmup:
            return self._cold(state, what)
        if 0 <= before < self.plan.warmup:
            state = _warmed(self.plan, state)
        return self._compared(state, what) if state.together else self._alone(state, what)

    def _cold(self, state: JudgeState, what: Increment) -> JudgeState:
        """All is bet on, but only the emergency guard may take the candidate back; the others may hold it."""
        if not state.together:
            return replace(state, emergency=self._emergency(state.emergency, what))
        stable = what.stable or Arm(0.0, 0.0)
        worse_by, noise = self.plan.storm
        storm = rate.update(
            state.storm,
            bad=what.candidate.errors,
            requests=what.candidate.requests,
            stable_bad=stable.errors,
            stable_requests=stable.requests,
            at=what.at,
            seconds=what.seconds,
            worse_by=worse_by,
            noise=noise,
        )
        return self._compared(replace(state, storm=storm), what)

    def _checked_plainly(self, state: JudgeState, what: Increment) -> JudgeState:
        after = []
        for guard, one in zip(self.plan.thresholds, state.thresholds, strict=True):
            counted = bad_of(guard.slower_than, what.candidate, what.bounds)
            if counted is None or guard.limit is None:
                after.append(one)
                continue
            bad, requests = counted
            after.append(threshold.update(one, bad=bad, requests=requests, limit=guard.limit, at=what.at))
        return replace(state, thresholds=tuple(after))

    def _emergency(self, state: SloState, what: Increment) -> SloState:
        return slo.update(
            state,
            bad=what.candidate.errors,
            requests=what.candidate.requests,
            limit=EMERGENCY_LIMIT,
            at=what.at,
            seconds=what.seconds,
            noise=PROVISIONAL,
        )

    def _compared(self, state: JudgeState, what: Increment) -> JudgeState:
        stable = what.stable or Arm(0.0, 0.0)
        rates = tuple(self._rate(index, state, what, stable) for index in range(len(self.plan.comparisons)))
        durations = tuple(
            histogram.update(
                one,
                what.candidate,
                stable,
                bounds=what.bounds,
                at=what.at,
                seconds=what.seconds,
                worse_by=guard.worse_by,
                noise=guard.noise,
            )
            for guard, one in zip(self.plan.distributions, state.distributions, strict=True)
        )
        return replace(
            state,
            comparisons=rates,
            distributions=durations,
            limits=_limits(self.plan.limits, state.limits, what.candidate, what, written=True),
            stable_limits=_limits(self.plan.limits, state.stable_limits, stable, what, written=False),
            candidate=state.candidate.plus(what.candidate.requests, what.candidate.errors),
            stable=state.stable.plus(stable.requests, stable.errors),
        )

    def _rate(self, index: int, state: JudgeState, what: Increment, stable: Arm) -> RateState:
        guard, one = self.plan.comparisons[index], state.comparisons[index]
        mine = bad_of(guard.slower_than, what.candidate, what.bounds)
        theirs = bad_of(guard.slower_than, stable, what.bounds)
        if mine is None or theirs is None:
            return one
        return rate.update(
            one,
            bad=mine[0],
            requests=mine[1],
            stable_bad=theirs[0],
            stable_requests=theirs[1],
            at=what.at,
            seconds=what.seconds,
            worse_by=guard.worse_by,
            noise=guard.noise,
        )

    def _alone(self, state: JudgeState, what: Increment) -> JudgeState:
        return replace(
            state,
            limits=_limits(
                verdict.limits(self.plan, state), state.limits, what.candidate, what, written=False
            ),
            candidate=state.candidate.plus(what.candidate.requests, what.candidate.errors),
        )


def _on_pairs(test: ShadowTest, state: PairedState, what: Paired, tally: Tally | None) -> PairedState:
    if test.what is OnPairs.FLIPS:
        return paired.by_class(state, what.classes, test.limit)
    if tally is None:
        return state
    if test.what is OnPairs.DIFFER:
        return paired.limited(state, tally, test.limit)
    growth = 1.0 if test.what is OnPairs.SLOWER else test.growth  # the pair was compared with it
    return paired.compared(state, tally, growth)


def _warmed(plan: Plan, state: JudgeState) -> JudgeState:
    """The end of a warm-up: bets begin anew, and where it was cold the counts that risks rest on, too."""
    state = replace(state, storm=rate.ended(state.storm))
    peaks = [one.log_peak for one in state.comparisons]
    peaks += [one.log_peak for one in state.distributions] + [one.log_peak for one in state.limits]
    cold = any(peak >= SUSPECT for peak in peaks)
    if cold:
        fresh = Judge(plan).start(state.at)
        return replace(
            state,
            comparisons=fresh.comparisons,
            distributions=tuple(histogram.start(one.past) for one in state.distributions),
            limits=fresh.limits,
            candidate=fresh.candidate,
            stable=fresh.stable,
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
        else slo.update(
            one,
            bad=arm.errors,
            requests=arm.requests,
            limit=guard.limit,
            at=what.at,
            seconds=what.seconds,
            noise=guard.noise,
        )
        for guard, one in zip(limits, states, strict=True)
    )
