"""Findings of the guards that compare the candidate's rates and durations with stable's."""

from collections.abc import Mapping

from policies.evidence import Finding, Verdict
from policies.guards import histogram, ratios
from policies.guards.findings.standing import (
    SUSPECT,
    Allowance,
    Standing,
    capital,
    grade,
    learned,
    p_value,
    percent,
    slow,
)
from policies.guards.histogram import HistogramState
from policies.guards.outlook import Ask
from policies.guards.plan import Comparison, Distribution
from policies.guards.rate import RateState
from policies.spec.declaration import GuardKind


def of_comparison(
    guard: Comparison,
    state: RateState,
    *,
    bounds: tuple[float, ...],
    allowance: Allowance,
    standing: Standing,
    log_harm: float,
    ahead: Mapping[str, int | None] | None,
) -> Finding:
    """A comparison with stable; `ahead`: how many failures harm is away, by guard, None if nobody asked."""
    what = "failed requests" if guard.kind is GuardKind.ERRORS else slow(guard.slower_than)
    more = (
        "not be more frequent"
        if guard.worse_by == 0
        else f"be at most {percent(guard.worse_by)} more frequent"
    )
    verdict = _verdict(guard.name, state.log_e, allowance, standing)
    return Finding(
        guard.name,
        verdict,
        f"{what} of the candidate must {more} than stable's",
        (
            ("bad", state.bad),
            ("requests", state.requests),
            ("stable_bad", state.stable_bad),
            ("stable_requests", state.stable_requests),
            ("evidence", capital(state.log_e)),
            ("harm_at", capital(log_harm)),
            ("p_value", p_value(state.log_peak)),
            *learned(guard.noise),
        ),
        ratios.interval(state.fits, state.tolerated),
        int(state.requests),
        _comparison_needs(guard, bounds, verdict, ahead) if ahead is not None else "",
    )


def outlook_of(guard: Comparison, state: RateState, log_harm: float) -> Ask | None:
    """What would bring it to harm; None while nothing is compared."""
    if state.requests == 0 or state.stable_requests == 0:
        return None
    part = state.requests / (state.requests + state.stable_requests)
    return Ask(state, log_harm, share=part, worse_by=guard.worse_by, noise=guard.noise)


def _comparison_needs(
    guard: Comparison,
    bounds: tuple[float, ...],
    verdict: Verdict,
    ahead: Mapping[str, int | None],
) -> str:
    if verdict is Verdict.HARM:
        return "a new version"
    if guard.kind is GuardKind.LATENCY and bounds and guard.slower_than not in bounds:
        return f"slower_than must be one of the router's bounds: {', '.join(f'{b:g}' for b in bounds)}"
    if guard.name not in ahead:
        return "requests on both versions"
    more = ahead[guard.name]
    amount = f"{more} more of the candidate's alone" if more is not None else "more than 64 more"
    return f"harm after {amount}{grade(guard.noise)}"


def _verdict(name: str, log_e: float, allowance: Allowance, standing: Standing) -> Verdict:
    if name in standing.harm:
        return Verdict.HARM
    if log_e >= SUSPECT:
        return Verdict.SUSPECT
    return Verdict.CLEARED if standing.goes_on(allowance) else Verdict.UNDECIDED


def of_distribution(
    guard: Distribution, state: HistogramState, *, allowance: Allowance, standing: Standing, log_harm: float
) -> Finding:
    """All durations against stable's; the counts are of requests slower than a bound of stable's own."""
    verdict = _verdict(guard.name, state.log_e, allowance, standing)
    rule = (
        "the candidate must not be slower than stable"
        if guard.worse_by == 0
        else f"the candidate's durations may be at most {percent(guard.worse_by)} longer than stable's"
    )
    return Finding(
        guard.name,
        verdict,
        rule,
        (
            ("slower_than", state.bound or 0.0),
            ("bad", state.bad),
            ("requests", state.requests),
            ("stable_bad", state.stable_bad),
            ("stable_requests", state.stable_requests),
            ("evidence", capital(state.log_e)),
            ("harm_at", capital(log_harm)),
            ("p_value", p_value(state.log_peak)),
            *learned(guard.noise),
        ),
        None,
        int(state.requests),
        _distribution_needs(guard, state, verdict, log_harm),
    )


def _distribution_needs(guard: Distribution, state: HistogramState, verdict: Verdict, log_harm: float) -> str:
    if verdict is Verdict.HARM:
        return "a new version"
    if state.bound is None:
        missing = max(1.0, histogram.LEAST_PAST - sum(state.past))
        return f"{missing:.0f} more requests of stable with their durations, to bet from"
    if state.requests == 0 or state.stable_requests == 0:
        return "requests on both versions"
    return f"harm at an evidence of {capital(log_harm):g}{grade(guard.noise)}"
