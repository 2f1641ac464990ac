"""What a rollout's guards come to: the evidence, its verdict, and how far the weight may go.

Reads a plan and a state, changes neither. A verdict is `cleared` only by numbers that are there, are
of now and leave no doubt: the risk budget while two versions are compared, an absolute limit while
one has all traffic. Everything else is a reason to hold.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

from policies.evidence import Evidence, Finding, Verdict, worst
from policies.guards import allowed, asked, budget, heartbeat, rate, slo, threshold
from policies.guards.asked import STABLE, Asked, AskedState, How, Part
from policies.guards.budget import Combined, Stake
from policies.guards.findings import asked as asked_findings
from policies.guards.findings import limits as limit_findings
from policies.guards.findings import quality, rates, rules, shadow
from policies.guards.findings.standing import SUSPECT, Allowance, Standing
from policies.guards.histogram import HistogramState
from policies.guards.plan import EMERGENCY, EMERGENCY_STAKE, Limit, Plan
from policies.guards.rate import RateState
from policies.guards.slo import SloState
from policies.guards.state import JudgeState

STALE_AFTER = 15.0  # seconds after which numbers say nothing about now


def limits(plan: Plan, state: JudgeState) -> tuple[Limit, ...]:
    """The absolute guards as they stand now. Where neither a person nor history gave a limit, what stable
    served beside the candidate gives one, once the candidate is alone: it does not change from then on."""
    if state.together or state.stable.requests == 0:
        return plan.limits
    return tuple(
        replace(one, limit=slo.limit_from_history(state.stable.errors, state.stable.requests, plan.burst))
        if one.limit is None
        else one
        for one in plan.limits
    )


def stakes(plan: Plan, state: JudgeState) -> list[Stake]:
    """Each betting guard's part in the budget. A limit that stable breaks too blames nobody."""
    found = [
        _stake(plan, state, c.name, c.stake, s)
        for c, s in zip(plan.comparisons, state.comparisons, strict=True)
    ]
    found += [
        _stake(plan, state, d.name, d.stake, s)
        for d, s in zip(plan.distributions, state.distributions, strict=True)
    ]
    found += [
        Stake(q.name, q.stake, s.log_e, s.log_peak)
        for q, s in zip(plan.qualities, state.qualities, strict=True)
    ]
    for counters, tests in zip(plan.asked, state.asked, strict=True):
        found += asked.stakes(counters, tests, blameless=_blameless(state, tests))
    found += [
        Stake(t.name, t.stake, s.log_e, s.log_peak) for t, s in zip(plan.shadows, state.shadows, strict=True)
    ]
    for index, (guard, one) in enumerate(zip(limits(plan, state), state.limits, strict=True)):
        if guard.limit is not None:
            stake = _stake(plan, state, guard.name, guard.stake, one)
            found.append(replace(stake, log_e=min(stake.log_e, 0.0)) if _breached(state, index) else stake)
    if plan.warmup > 0:
        # Two bets of one stake, of which one at a time is made: beside stable, and alone.
        log_e, peak = (getattr(state.storm, n) + getattr(state.emergency, n) for n in ("log_e", "log_peak"))
        found.append(Stake(EMERGENCY, EMERGENCY_STAKE, log_e, peak))
    return found


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
        counts = rate.concentration(part.state, counters.worse_by) - math.log(of)
        return max(part.state.log_peak, counts)
    return part.state.log_peak


def evidence(plan: Plan, state: JudgeState, *, epoch: int, at: float, needs: bool = True) -> Evidence:
    """All findings at this moment, the verdict, and the weight that they allow; `needs` as in `Judge`."""
    current = state.gap is None and state.sequence >= 0 and abs(at - state.at) <= STALE_AFTER
    standing = Standing(state.harm, state.weight, current, plan.top)
    found = list(_findings(plan, state, standing, needs=needs))
    verdict = _verdict(plan, state, found, standing)
    permitted = _allowed(plan, state, verdict, standing)
    seen, total = state.split
    share = 100 * seen / total if total > 0 else None
    sequence = max(0, state.sequence)
    return Evidence(verdict, tuple(found), state.weight, epoch, permitted, share, sequence, current)


def _findings(plan: Plan, state: JudgeState, standing: Standing, *, needs: bool) -> Iterator[Finding]:
    together = state.together
    levels = {s.guard: s for s in stakes(plan, state)}
    total = sum(s.weight for s in levels.values())

    def harm_at(name: str) -> float:
        stake = levels[name].weight if name in levels else 1.0
        return budget.threshold(stake, max(total, stake), plan.false_rollbacks)

    if plan.shadows:
        yield shadow.of_pairs(state.copies)
    for test, pairs in zip(plan.shadows, state.shadows, strict=True):
        yield shadow.of_test(plan, test, pairs, standing, harm_at(test.name))
    for guard, one in zip(plan.comparisons, state.comparisons, strict=True):
        yield rates.of_comparison(
            guard,
            one,
            bounds=state.bounds,
            allowance=allowed.of_comparison(plan, guard, one),
            standing=standing,
            log_harm=harm_at(guard.name),
            needs=needs,
        )
    for durations, all_of in zip(plan.distributions, state.distributions, strict=True):
        yield rates.of_distribution(
            durations,
            all_of,
            allowance=allowed.of_durations(plan, durations.noise, all_of),
            standing=standing,
            log_harm=harm_at(durations.name),
        )
    for answers, labels in zip(plan.qualities, state.qualities, strict=True):
        yield quality.of_quality(
            answers,
            labels,
            allowance=allowed.of_quality(plan, answers, labels),
            standing=standing,
            log_harm=harm_at(answers.name),
        )
    for advice, bins in zip(plan.drifts, state.drifts, strict=True):
        yield quality.of_drift(advice, bins)
    for index, (limit, under) in enumerate(zip(limits(plan, state), state.limits, strict=True)):
        finding = limit_findings.of_limit(
            limit,
            under,
            standing,
            harm_at(limit.name),
            alone=not together,
            stable_bad=_breached(state, index),
        )
        if finding is not None:
            yield finding
    for heart, beat in zip(plan.hearts, state.hearts, strict=True):
        yield rules.of_heart(heart, beat, standing, int(state.split[0]))
    for routing, split in zip(plan.shares, state.shares, strict=True):
        yield rules.of_share(routing, split, standing, kept=plan.kept)
    for plain, checks in zip(plan.thresholds, state.thresholds, strict=True):
        yield rules.of_threshold(plain, checks, standing)
    harms = {name: harm_at(name) for name in levels}
    for counters, tests in zip(plan.asked, state.asked, strict=True):
        scale = asked_findings.Scale(
            standing, plan.ladder, plan.risk, harms, together, _blameless(state, tests)
        )
        yield from asked_findings.of_asked(counters, tests, scale)
    if EMERGENCY in state.harm:
        yield limit_findings.of_emergency(plan, state)
    if together:
        tightest = min(_allowances(plan, state), key=lambda a: a.allowed)
        yield limit_findings.of_risk(tightest, standing, plan.ladder, _waits(plan, state, standing))


def _waits(plan: Plan, state: JudgeState, standing: Standing) -> str | None:
    """Why the weight must not grow whatever the risk; None if nothing speaks against it."""
    if not standing.current:
        return f"numbers again: {state.gap or 'none came lately'}"
    if state.weight <= 0:
        return "traffic on the candidate"
    if state.warm < 0:
        return "requests to the candidate"
    if cold(plan, state) and state.weight >= plan.before_top:
        return f"the end of the warm-up, in {plan.warmup - state.warm:.0f} s"
    for counters, tests in zip(plan.asked, state.asked, strict=True):
        if tests.gap is not None or tests.at == 0:
            return f"numbers for the guard {counters.name}: {tests.gap or 'none came yet'}"
        least = asked_findings.holding(counters, tests, plan.risk, plan.ladder)
        if least is not None and least[1].allowed <= min(state.weight, plan.top - 1e-9):
            return f"more requests for the guard {least[0]}"
    for guard, one in zip(plan.qualities, state.qualities, strict=True):
        if one.labels <= 0 or one.stable_labels <= 0:
            return f"labels for the guard {guard.name}"
    if any(_breached(state, index) for index in range(len(plan.limits))):
        return "stable is above its own limit: waits until it is not"
    return None


def _verdict(plan: Plan, state: JudgeState, found: list[Finding], standing: Standing) -> Verdict:
    worst_found = worst([f.verdict for f in found])
    if state.harm or worst_found is Verdict.HARM:
        return Verdict.HARM
    if combined(plan, state).suspect or worst_found is Verdict.SUSPECT:
        return Verdict.SUSPECT
    copied = {t.name for t in plan.shadows} | {q.name for q in plan.qualities if q.paired}
    if state.weight <= 0 and copied:  # copies of requests: the answers are judged before any user sees one
        return worst([f.verdict for f in found if f.guard in copied | {shadow.PAIRS}])
    if not standing.current or state.weight <= 0:
        return Verdict.UNDECIDED
    if state.together:
        return worst([f.verdict for f in found if f.guard == "risk"])
    absolute = {limit.name for limit in plan.limits} | {q.name for q in plan.qualities}
    absolute |= {counters.name for counters in plan.asked if counters.how is How.LIMIT}
    return worst([f.verdict for f in found if f.guard in absolute])


def _allowed(plan: Plan, state: JudgeState, verdict: Verdict, standing: Standing) -> float:
    """The largest weight the evidence permits; a doubt never lets it grow, and nothing known is 0."""
    if verdict is Verdict.HARM or state.weight <= 0 or state.candidate.requests == 0:
        return 0.0
    if not state.together:
        return 100.0 if verdict is Verdict.CLEARED else state.weight
    most = min(a.allowed for a in _allowances(plan, state))
    if cold(plan, state):
        most = min(most, max(plan.before_top, state.weight))
    holds = verdict is Verdict.SUSPECT or _waits(plan, state, standing) is not None
    return min(most, state.weight) if holds else most


def _allowances(plan: Plan, state: JudgeState) -> list[Allowance]:
    """How far each rate lets the weight go, and each segment."""
    found = allowed.allowances(plan, state)
    for counters, tests in zip(plan.asked, state.asked, strict=True):
        found += [one for _, one in asked_findings.allowances(counters, tests, plan.risk, plan.ladder)]
    return found


def _blameless(state: JudgeState, tests: AskedState) -> bool:
    """Whether stable, beside the candidate, is above that limit too."""
    theirs = tests.part(STABLE)
    return state.together and theirs is not None and theirs.log_e >= SUSPECT


def _breached(state: JudgeState, index: int) -> bool:
    """Whether stable, beside the candidate, is above this limit too."""
    return state.together and state.stable_limits[index].log_e >= SUSPECT
