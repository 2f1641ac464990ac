"""All findings of a moment, in the order in which people read them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from policies.evidence import Finding
from policies.guards import budget, stakes
from policies.guards.budget import Stake
from policies.guards.findings import asked as asked_findings
from policies.guards.findings import limits as limit_findings
from policies.guards.findings import quality, rates, rules, shadow
from policies.guards.findings.standing import Allowance, Standing
from policies.guards.outlook import Ask
from policies.guards.plan import EMERGENCY, Plan
from policies.guards.state import JudgeState


@dataclass(frozen=True, slots=True)
class Bounds:
    """The evidence (the logarithm of E) at which each guard by itself would roll back."""

    weights: dict[str, float]  # of the guards that bet now
    false_rollbacks: float

    @classmethod
    def of(cls, plan: Plan, bets: Sequence[Stake]) -> "Bounds":
        return cls({s.guard: s.weight for s in bets}, plan.false_rollbacks)

    def of_guard(self, name: str) -> float:
        """A guard that does not bet now would, with a stake of 1, have to reach the whole budget's."""
        weight = self.weights.get(name, 1.0)
        return budget.threshold(weight, max(sum(self.weights.values()), weight), self.false_rollbacks)


def outlooks(plan: Plan, state: JudgeState, bounds: Bounds) -> dict[str, Ask]:
    """What is to be asked of comparisons, by guard, so that it can be said what would change them."""
    compared = zip(plan.comparisons, state.comparisons, strict=True)
    asks = ((g.name, rates.outlook_of(g, one, bounds.of_guard(g.name))) for g, one in compared)
    return {name: ask for name, ask in asks if ask is not None and name not in state.harm}


def findings(
    plan: Plan,
    state: JudgeState,
    standing: Standing,
    bounds: Bounds,
    each: Mapping[str, Allowance],
    *,
    ahead: Mapping[str, int | None] | None,
) -> Iterator[Finding]:
    """What each guard says. `each`: how far it lets the weight go; `ahead`: the answers to `outlooks`, and
    without them comparisons do not say what would change them."""
    yield from _in_the_shadow(plan, state, standing, bounds)
    yield from _compared(plan, state, standing, bounds, each, ahead=ahead)
    yield from _of_durations(plan, state, standing, bounds, each)
    yield from _of_answers(plan, state, standing, bounds, each)
    yield from _of_limits(plan, state, standing, bounds)
    yield from _by_rules(plan, state, standing)
    yield from _of_counters(plan, state, standing, bounds)
    if EMERGENCY in state.harm:
        yield limit_findings.of_emergency(plan, state)


def _in_the_shadow(plan: Plan, state: JudgeState, standing: Standing, bounds: Bounds) -> Iterator[Finding]:
    if plan.shadows:
        yield shadow.of_pairs(state.copies)
    for test, pairs in zip(plan.shadows, state.shadows, strict=True):
        yield shadow.of_test(plan, test, pairs, standing, bounds.of_guard(test.name))


def _compared(
    plan: Plan,
    state: JudgeState,
    standing: Standing,
    bounds: Bounds,
    each: Mapping[str, Allowance],
    *,
    ahead: Mapping[str, int | None] | None,
) -> Iterator[Finding]:
    for guard, one in zip(plan.comparisons, state.comparisons, strict=True):
        yield rates.of_comparison(
            guard,
            one,
            bounds=state.bounds,
            allowance=each[guard.name],
            standing=standing,
            log_harm=bounds.of_guard(guard.name),
            ahead=ahead,
        )


def _of_durations(
    plan: Plan, state: JudgeState, standing: Standing, bounds: Bounds, each: Mapping[str, Allowance]
) -> Iterator[Finding]:
    for guard, one in zip(plan.distributions, state.distributions, strict=True):
        yield rates.of_distribution(
            guard,
            one,
            allowance=each[guard.name],
            standing=standing,
            log_harm=bounds.of_guard(guard.name),
        )


def _of_answers(
    plan: Plan, state: JudgeState, standing: Standing, bounds: Bounds, each: Mapping[str, Allowance]
) -> Iterator[Finding]:
    for guard, one in zip(plan.qualities, state.qualities, strict=True):
        yield quality.of_quality(
            guard,
            one,
            allowance=each[guard.name],
            standing=standing,
            following=standing.following(plan.ladder),
            log_harm=bounds.of_guard(guard.name),
        )
    for advice, bins in zip(plan.drifts, state.drifts, strict=True):
        yield quality.of_drift(advice, bins)


def _of_limits(plan: Plan, state: JudgeState, standing: Standing, bounds: Bounds) -> Iterator[Finding]:
    for index, (guard, one) in enumerate(zip(stakes.limits(plan, state), state.limits, strict=True)):
        finding = limit_findings.of_limit(
            guard,
            one,
            standing,
            bounds.of_guard(guard.name),
            alone=not state.together,
            stable_bad=stakes.breached(state, index),
        )
        if finding is not None:
            yield finding


def _by_rules(plan: Plan, state: JudgeState, standing: Standing) -> Iterator[Finding]:
    for heart, beat in zip(plan.hearts, state.hearts, strict=True):
        yield rules.of_heart(heart, beat, standing, int(state.split[0]))
    for routing, split in zip(plan.shares, state.shares, strict=True):
        yield rules.of_share(routing, split, standing, kept=plan.kept)
    for plain, checks in zip(plan.thresholds, state.thresholds, strict=True):
        yield rules.of_threshold(plain, checks, standing)


def _of_counters(plan: Plan, state: JudgeState, standing: Standing, bounds: Bounds) -> Iterator[Finding]:
    harms = {name: bounds.of_guard(name) for name in bounds.weights}
    for guard, tests in zip(plan.asked, state.asked, strict=True):
        blameless = stakes.blameless(state, tests)
        scale = asked_findings.Scale(standing, plan.ladder, plan.risk, harms, state.together, blameless)
        yield from asked_findings.of_asked(guard, tests, scale)
