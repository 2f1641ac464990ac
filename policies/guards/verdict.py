"""What a rollout's guards come to: the evidence, its verdict, and how far the weight may go.

Reads a plan and a state, changes neither. A verdict is `cleared` only by numbers that are there, are
of now and leave no doubt: the risk budget while two versions are compared, an absolute limit while
one has all traffic. Everything else is a reason to hold.
"""

from collections.abc import Mapping

from policies.evidence import Evidence, Finding, Verdict, worst
from policies.guards import allowed, asked, budget, stakes
from policies.guards.asked import How
from policies.guards.findings import asked as asked_findings
from policies.guards.findings import gathered, shadow
from policies.guards.findings import limits as limit_findings
from policies.guards.findings.standing import Allowance, Standing
from policies.guards.plan import Plan
from policies.guards.state import JudgeState
from policies.guards.wagers import Betting

STALE_AFTER = 15.0  # seconds after which numbers say nothing about now


def evidence(plan: Plan, state: JudgeState, *, epoch: int, at: float, needs: bool) -> Betting[Evidence]:
    """All findings at this moment, the verdict, and the weight that they allow; `needs` as in `Judge`."""
    bets = stakes.stakes(plan, state)
    bounds = gathered.Bounds.of(plan, bets)
    ahead = (yield from _ahead(plan, state, bounds)) if needs else None
    current = state.gap is None and state.sequence >= 0 and abs(at - state.at) <= STALE_AFTER
    standing = Standing(state.harm, state.weight, current, plan.top)
    each = allowed.of_guards(plan, state)
    found = list(gathered.findings(plan, state, standing, bounds, each, ahead=ahead))
    waits, tightest = None, None
    if state.together:
        waits = _waits(plan, state, standing)
        tightest = min(_allowances(plan, state, each), key=lambda a: a.allowed)
        found.append(limit_findings.of_risk(tightest, standing, plan.ladder, waits))
    suspect = budget.combine(bets, plan.false_rollbacks).suspect
    verdict = _verdict(plan, state, found, standing, suspect=suspect)
    permitted = _allowed(plan, state, verdict, tightest, waits=waits is not None)
    seen, total = state.split
    share = 100 * seen / total if total > 0 else None
    sequence = max(0, state.sequence)
    return Evidence(verdict, tuple(found), state.weight, epoch, permitted, share, sequence, current)


def _waits(plan: Plan, state: JudgeState, standing: Standing) -> str | None:
    """Why the weight must not grow whatever the risk; None if nothing speaks against it."""
    if not standing.current:
        return f"numbers again: {state.gap or 'none came lately'}"
    if state.weight <= 0:
        return "traffic on the candidate"
    if state.warm < 0:
        return "requests to the candidate"
    if stakes.cold(plan, state) and state.weight >= plan.before_top:
        return f"the end of the warm-up, in {plan.warmup - state.warm:.0f} s"
    if (untimed := _untimed(plan, state)) is not None:
        return f"durations for the guard {untimed}: the last requests were not counted by them"
    for counters, tests in zip(plan.asked, state.asked, strict=True):
        if tests.gap is not None or tests.at == 0:
            numbers = "labels by segment" if counters.late else "numbers"
            return f"{numbers} for the guard {counters.name}: {tests.gap or 'none came yet'}"
        least = asked_findings.holding(counters, tests, plan.risk, plan.ladder)
        if least is not None and least[1].allowed <= min(state.weight, plan.top - 1e-9):
            return f"more {'labels' if counters.late else 'requests'} for the guard {least[0]}"
    for guard, one in zip(plan.qualities, state.qualities, strict=True):
        if one.labels <= 0 or one.stable_labels <= 0:
            return f"labels for the guard {guard.name}"
    if any(stakes.breached(state, index) for index in range(len(plan.limits))):
        return "stable is above its own limit: waits until it is not"
    return None


def _untimed(plan: Plan, state: JudgeState) -> str | None:
    """A guard whose durations the last requests came without; what was counted before says nothing of now."""
    missing = [name for name, bound in plan.timed if bound not in state.bounds]
    missing += [one.name for one in plan.distributions if not state.bounds]
    return next(iter(missing), None)


def _ahead(plan: Plan, state: JudgeState, bounds: gathered.Bounds) -> Betting[dict[str, int | None]]:
    """How far harm is, by comparison."""
    asks = gathered.outlooks(plan, state, bounds)
    if not asks:
        return {}
    answers = yield list(asks.values())
    return dict(zip(asks, answers, strict=True))


def _verdict(
    plan: Plan, state: JudgeState, found: list[Finding], standing: Standing, *, suspect: bool
) -> Verdict:
    worst_found = worst([f.verdict for f in found])
    if state.harm or worst_found is Verdict.HARM:
        return Verdict.HARM
    if suspect or worst_found is Verdict.SUSPECT:
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
    for counters, tests in zip(plan.asked, state.asked, strict=True):
        absolute |= {asked.title(counters, part.name) for part in tests.parts if counters.late}
    return worst([f.verdict for f in found if f.guard in absolute])


def _allowed(
    plan: Plan, state: JudgeState, verdict: Verdict, tightest: Allowance | None, *, waits: bool
) -> float:
    """The largest weight the evidence permits; a doubt never lets it grow, and nothing known is 0.

    `tightest` is what allows least while stable is beside the candidate.
    """
    if verdict is Verdict.HARM or state.weight <= 0 or state.candidate.requests == 0:
        return 0.0
    if tightest is None:
        return 100.0 if verdict is Verdict.CLEARED else state.weight
    most = tightest.allowed
    if stakes.cold(plan, state):
        most = min(most, max(plan.before_top, state.weight))
    return min(most, state.weight) if waits or verdict is Verdict.SUSPECT else most


def _allowances(plan: Plan, state: JudgeState, each: Mapping[str, Allowance]) -> list[Allowance]:
    """How far each rate lets the weight go, and each segment."""
    found = allowed.allowances(plan, state, each)
    for counters, tests in zip(plan.asked, state.asked, strict=True):
        found += [one for _, one in asked_findings.allowances(counters, tests, plan.risk, plan.ladder)]
    return found
