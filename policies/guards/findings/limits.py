"""Findings about absolute limits: the candidate's own rate, the warm-up, and the risk of a larger weight."""

from collections.abc import Sequence

from policies import ramp
from policies.evidence import Finding, Verdict
from policies.guards import slo
from policies.guards.findings.standing import SUSPECT, Allowance, Standing, capital, percent, slow
from policies.guards.plan import EMERGENCY, EMERGENCY_LIMIT, Limit, Plan
from policies.guards.rate import RateState
from policies.guards.slo import SloState
from policies.guards.state import JudgeState


def of_limit(
    guard: Limit, state: SloState, standing: Standing, log_harm: float, *, alone: bool, stable_bad: bool
) -> Finding | None:
    """An absolute limit; None where it does not apply at this time."""
    if not guard.written and not alone:
        return None
    if guard.limit is None:
        return _unknown(guard)
    bound = slo.at_most(state)
    verdict = _limit_verdict(guard, guard.limit, state, standing, bound, stable_bad=stable_bad)
    origin = "" if guard.written else " (from stable's own history)"
    return Finding(
        guard.name,
        verdict,
        f"at most {percent(guard.limit)} of the candidate's requests may {_bad(guard)}{origin}",
        (
            ("bad", state.bad),
            ("requests", state.requests),
            ("limit", guard.limit),
            ("at_most", float(f"{bound:.4g}")),
            ("evidence", capital(state.log_e)),
            ("harm_at", capital(log_harm)),
        ),
        (0.0, bound) if state.requests > 0 else None,
        int(state.requests),
        _limit_needs(guard, guard.limit, state, verdict, stable_bad=stable_bad),
    )


def _unknown(guard: Limit) -> Finding:
    of = "" if guard.slower_than is None else f" on {slow(guard.slower_than)}"
    return Finding(
        guard.name,
        Verdict.UNDECIDED,
        f"no limit{of} is written, and stable has no history to take one from",
        (),
        None,
        0,
        f"a limit for the guard {guard.name}, or stable's history",
    )


def _bad(guard: Limit) -> str:
    return "fail" if guard.slower_than is None else f"take longer than {guard.slower_than:g} s"


def _limit_verdict(
    guard: Limit, limit: float, state: SloState, standing: Standing, bound: float, *, stable_bad: bool
) -> Verdict:
    if guard.name in standing.harm:
        return Verdict.HARM
    if state.log_e >= SUSPECT:
        return Verdict.SUSPECT
    cleared = standing.current and state.requests > 0 and bound <= limit and not stable_bad
    return Verdict.CLEARED if cleared else Verdict.UNDECIDED


def _limit_needs(guard: Limit, limit: float, state: SloState, verdict: Verdict, *, stable_bad: bool) -> str:
    if verdict is Verdict.HARM:
        return "a new version"
    if stable_bad:
        return "stable is above this limit too: waits until it is not"
    untold = max(0.0, state.untold)
    if untold > 0 and slo.at_most(state) > limit:
        return f"durations: the router told none by this bound of {untold:.0f} requests"
    more = ramp.clean_requests_needed(state.bad + untold, state.requests + untold, None, limit, 100.0)
    failures = guard.slower_than is None
    if more is None:
        return f"a lower rate of {'failed requests' if failures else slow(guard.slower_than)}"
    if not more:
        return "nothing: the limit is kept"
    return f"{more} more requests {'without a failure' if failures else 'none of which is slow'}"


def of_risk(allowance: Allowance, standing: Standing, ladder: Sequence[float], waits: str | None) -> Finding:
    """Promotion evidence: may the weight grow?"""
    goes_on = waits is None and standing.goes_on(allowance)
    needed = waits or _risk_needs(allowance, standing.following(ladder))
    if goes_on:
        needed = f"nothing: {allowance.allowed:g} % is allowed"
    return Finding(
        "risk",
        Verdict.CLEARED if goes_on else Verdict.UNDECIDED,
        f"at most {percent(allowance.risk)} of all requests may fail because of the candidate",
        (
            ("failed", allowance.bad),
            ("requests", allowance.requests),
            ("excess_at_most", float(f"{allowance.excess:.4g}")),
            ("allowed", allowance.allowed),
        ),
        (0.0, allowance.excess) if allowance.requests > 0 else None,
        int(allowance.requests),
        needed,
    )


def _risk_needs(allowance: Allowance, weight: float) -> str:
    more = ramp.clean_requests_needed(
        allowance.bad, allowance.requests, allowance.stable_rate, allowance.risk, weight
    )
    if more is None:
        return "a lower rate of failed requests"
    return f"{more} more requests without a failure for {weight:g} %"


def of_emergency(plan: Plan, state: JudgeState) -> Finding:
    """A storm of errors during the warm-up; shown only once it was found."""
    beside, alone = state.storm, state.emergency
    one: RateState | SloState = beside if beside.log_peak >= alone.log_peak else alone
    limit = (
        f"fail more than {1 + plan.storm[0]:g} times as often as stable"
        if one is beside
        else f"have more than {percent(EMERGENCY_LIMIT)} of its requests fail"
    )
    return Finding(
        EMERGENCY,
        Verdict.HARM,
        f"while it warms up the candidate must not {limit}",
        (("bad", one.bad), ("requests", one.requests), ("evidence", capital(one.log_e))),
        None,
        int(one.requests),
        "a new version",
    )
