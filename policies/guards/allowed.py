"""How far each rate lets the weight go: what may still be true of it, against what it may cost.

Failures always, slow requests and wrong answers where a guard watches them. Nothing seen allows nothing.
"""

from collections.abc import Mapping

from policies import ramp
from policies.guards.findings.standing import Allowance
from policies.guards.histogram import HistogramState
from policies.guards.noise import Noise
from policies.guards.plan import Comparison, Plan, Quality
from policies.guards.quality import QualityState
from policies.guards.rate import RateState
from policies.guards.state import JudgeState
from policies.spec.declaration import GuardKind

LEAST_STABLE = 100.0  # stable's requests from which its rate in this rollout is used


def of_guards(plan: Plan, state: JudgeState) -> dict[str, Allowance]:
    """How far each guard's own rate lets the weight go, by the guard's name."""
    compared = zip(plan.comparisons, state.comparisons, strict=True)
    durations = zip(plan.distributions, state.distributions, strict=True)
    answers = zip(plan.qualities, state.qualities, strict=True)
    return {
        **{guard.name: of_comparison(plan, guard, one) for guard, one in compared},
        **{guard.name: of_durations(plan, guard.noise, one) for guard, one in durations},
        **{guard.name: of_quality(plan, guard, one) for guard, one in answers},
    }


def allowances(plan: Plan, state: JudgeState, each: Mapping[str, Allowance]) -> list[Allowance]:
    """What counts for the weight: all failures, and `each` guard's slow requests and wrong answers."""
    rate = _stable_rate(plan, state.stable.errors, state.stable.requests)
    bad, requests = state.candidate.errors / plan.burst, state.candidate.requests / plan.burst
    slow = [guard.name for guard in plan.comparisons if guard.kind is GuardKind.LATENCY]
    others = [guard.name for guard in plan.distributions] + [guard.name for guard in plan.qualities]
    return [_allowance(plan, bad, requests, rate, plan.risk), *(each[name] for name in (*slow, *others))]


def of_comparison(plan: Plan, guard: Comparison, one: RateState) -> Allowance:
    """One guard's own. Counts are thinned by a learned burst: retries must not pass for knowledge."""
    if guard.kind is GuardKind.LATENCY:
        return of_durations(plan, guard.noise, one)
    burst = 1.0 if guard.noise.provisional else guard.noise.burst
    rate = _stable_rate(plan, one.stable_bad, one.stable_requests)
    return _allowance(plan, one.bad / burst, one.requests / burst, rate, plan.risk)


def of_durations(plan: Plan, noise: Noise, one: RateState | HistogramState) -> Allowance:
    """By slow requests: half as many again as stable's own is the risk, as it is for failures by default."""
    burst = 1.0 if noise.provisional else noise.burst
    seen = one.stable_requests >= LEAST_STABLE
    slow_rate = one.stable_bad / one.stable_requests if seen else None
    return _allowance(plan, one.bad / burst, one.requests / burst, slow_rate, None)


def of_quality(plan: Plan, guard: Quality, one: QualityState) -> Allowance:
    """By wrong answers: what may be lost is `drop`, or half of what stable itself gets wrong."""
    burst = 1.0 if guard.noise.provisional or guard.paired else guard.noise.burst
    rate = one.stable_wrong / one.stable_labels if one.stable_labels >= LEAST_STABLE else None
    wrong = one.stable_wrong + one.both_wrong
    half = wrong / one.stable_labels / 2 if rate is not None else None
    return _allowance(plan, one.wrong / burst, one.labels / burst, rate, guard.drop or half)


def _allowance(
    plan: Plan, bad: float, requests: float, stable_rate: float | None, risk: float | None
) -> Allowance:
    limit = ramp.risk_of(stable_rate, risk)
    excess = ramp.excess(bad, requests, stable_rate)
    allowed = ramp.allowed_weight(excess, limit, plan.ladder) if requests > 0 else 0.0
    return Allowance(bad, requests, stable_rate, limit, allowed)


def _stable_rate(plan: Plan, bad: float, requests: float) -> float | None:
    """Stable's rate in this very rollout if it was seen enough, else from its history."""
    if requests >= LEAST_STABLE:
        return bad / requests
    return plan.history.rate if plan.history else None
