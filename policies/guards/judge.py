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
    heartbeat,
    histogram,
    increment,
    quality,
    rate,
    scraped,
    share,
    slo,
    stakes,
    told,
    verdict,
    wagers,
)
from policies.guards.asked import AskedState
from policies.guards.counted import Counted
from policies.guards.drift import DriftState, Scored
from policies.guards.fed import Fed
from policies.guards.heartbeat import Alive
from policies.guards.increment import Gap, Increment
from policies.guards.labelled import Labelled
from policies.guards.noise import Noise
from policies.guards.paired import Paired, PairedState
from policies.guards.plan import History, Plan
from policies.guards.planning import plan_of
from policies.guards.state import JudgeState
from policies.guards.threshold import ThresholdState
from policies.guards.wagers import Betting
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
        return wagers.settled([self.observing(state, what, alive)])[0]

    def observing(self, state: JudgeState, what: Fed, alive: Alive | None = None) -> Betting[JudgeState]:
        """The same in the making, so that bets of many rollouts are settled together."""
        if what.sequence <= state.sequence:
            return state
        match what:
            case Labelled():
                state = replace(told.labels(self.plan, state, what), sequence=what.sequence)
            case Scored():
                state = replace(told.scores(self.plan, state, what), sequence=what.sequence)
            case Counted():
                state = replace(told.counters(self.plan, state, what), sequence=what.sequence)
            case Paired():
                state = replace(told.pairs(self.plan, state, what), sequence=what.sequence)
            case Increment() | Gap():
                state = yield from scraped.interval(
                    self.plan, state, increment.checked(what), alive or Alive()
                )
        harm = stakes.harm(self.plan, state)
        return state if harm == state.harm else replace(state, harm=harm)

    def evidence(
        self, state: JudgeState, *, epoch: int, at: float | None = None, needs: bool = True
    ) -> Evidence:
        """What the guards say. `at`: now, so that numbers which stopped coming are seen to be old.

        Without `needs` it is not told what would change a comparison: to know that takes as long as all else.
        """
        return wagers.settled([self.saying(state, epoch=epoch, at=at, needs=needs)])[0]

    def saying(
        self, state: JudgeState, *, epoch: int, at: float | None = None, needs: bool = True
    ) -> Betting[Evidence]:
        """The same in the making, so that what many rollouts ask is settled together."""
        at = state.at if at is None else at
        return verdict.evidence(self.plan, state, epoch=epoch, at=at, needs=needs)
