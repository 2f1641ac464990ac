"""What each guard says to people: its verdict, rule, numbers, interval, and what would change it.

Only words and rounding: no state is changed here, and no number is made up that the states do not
hold. Evidence is shown as E, the capital of the bets: 1 says nothing, and each guard's finding names
the E at which that guard alone would roll back.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from policies import ramp
from policies.evidence import Finding, Verdict
from policies.guards import budget, heartbeat, rate, share, threshold
from policies.guards.heartbeat import HeartState
from policies.guards.noise import Noise
from policies.guards.plan import EMERGENCY, EMERGENCY_LIMIT, Comparison, Limit
from policies.guards.rate import RateState
from policies.guards.share import ShareState
from policies.guards.slo import SloState
from policies.guards.threshold import ThresholdState
from policies.spec.declaration import Guard, GuardKind

SUSPECT = math.log(budget.SUSPICION)


@dataclass(frozen=True, slots=True)
class Allowance:
    """How far one rate lets the weight go: the excess not excluded yet against the risk."""

    bad: float
    requests: float
    stable_rate: float | None
    risk: float
    allowed: float

    @property
    def excess(self) -> float:
        return ramp.excess(self.bad, self.requests, self.stable_rate)


@dataclass(frozen=True, slots=True)
class Standing:
    """What all findings of a moment share: who was found harmful, at which weight, is it now."""

    harm: tuple[str, ...]
    weight: float
    current: bool
    top: float  # the ladder's largest weight

    def goes_on(self, allowance: Allowance) -> bool:
        """Whether the weight may grow, or has nothing left to grow to."""
        reached = self.weight >= self.top and allowance.allowed >= self.top
        return self.current and allowance.requests > 0 and (allowance.allowed > self.weight or reached)


def capital(log_e: float) -> float:
    """E, short enough to be stored and shown."""
    return float(f"{math.exp(min(log_e, 300.0)):.4g}")


def percent(value: float) -> str:
    return f"{value * 100:.3g} %"


def of_comparison(
    guard: Comparison,
    state: RateState,
    *,
    slower_than: float | None,
    bounds: tuple[float, ...],
    allowance: Allowance,
    standing: Standing,
    log_harm: float,
    needs: bool = True,
) -> Finding:
    """A comparison with stable; without `needs` nothing about what would change it."""
    what = "failed requests" if guard.kind is GuardKind.ERRORS else _slow(slower_than)
    more = (
        "not be more frequent"
        if guard.worse_by == 0
        else f"be at most {percent(guard.worse_by)} more frequent"
    )
    verdict = Verdict.UNDECIDED
    if guard.name in standing.harm:
        verdict = Verdict.HARM
    elif state.log_e >= SUSPECT:
        verdict = Verdict.SUSPECT
    elif standing.goes_on(allowance):
        verdict = Verdict.CLEARED
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
            ("p_value", float(f"{rate.p_value(state):.4g}")),
        ),
        rate.interval(state),
        int(state.requests),
        _comparison_needs(
            guard, state, slower_than=slower_than, bounds=bounds, verdict=verdict, log_harm=log_harm
        )
        if needs
        else "",
    )


def _slow(slower_than: float | None) -> str:
    return f"requests slower than {slower_than:g} s" if slower_than is not None else "slow requests"


def _comparison_needs(
    guard: Comparison,
    state: RateState,
    *,
    slower_than: float | None,
    bounds: tuple[float, ...],
    verdict: Verdict,
    log_harm: float,
) -> str:
    if verdict is Verdict.HARM:
        return "a new version"
    if guard.kind is GuardKind.LATENCY and bounds and slower_than is not None and slower_than not in bounds:
        return f"slower_than must be one of the router's bounds: {', '.join(f'{b:g}' for b in bounds)}"
    if guard.kind is GuardKind.LATENCY and slower_than is None:
        return "requests of stable with their durations, to choose a bound from"
    if state.requests == 0 or state.stable_requests == 0:
        return "requests on both versions"
    part = state.requests / (state.requests + state.stable_requests)
    more = rate.failures_to(state, log_harm, share=part, worse_by=guard.worse_by, noise=guard.noise)
    grade = f"{more} more of the candidate's alone" if more is not None else "more than 64 more"
    return f"harm after {grade}{_grade(guard.noise)}"


def _grade(noise: Noise) -> str:
    return " (provisional noise: no history yet)" if noise.provisional else ""


def of_limit(
    guard: Limit, state: SloState, standing: Standing, log_harm: float, *, alone: bool, stable_bad: bool
) -> Finding | None:
    """An absolute limit; None where it does not apply at this time."""
    if not guard.written and not alone:
        return None
    if guard.limit is None:
        return Finding(
            guard.name,
            Verdict.UNDECIDED,
            "no limit is written, and stable has no history to take one from",
            (),
            None,
            0,
            f"a limit for the guard {guard.name}, or stable's history",
        )
    bound = ramp.upper_bound(state.bad, state.requests)
    verdict = _limit_verdict(guard, guard.limit, state, standing, bound, stable_bad=stable_bad)
    origin = "" if guard.written else " (from stable's own history)"
    return Finding(
        guard.name,
        verdict,
        f"at most {percent(guard.limit)} of the candidate's requests may fail{origin}",
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
        _limit_needs(guard.limit, state, verdict, stable_bad=stable_bad),
    )


def _limit_verdict(
    guard: Limit, limit: float, state: SloState, standing: Standing, bound: float, *, stable_bad: bool
) -> Verdict:
    if guard.name in standing.harm:
        return Verdict.HARM
    if state.log_e >= SUSPECT:
        return Verdict.SUSPECT
    cleared = standing.current and state.requests > 0 and bound <= limit and not stable_bad
    return Verdict.CLEARED if cleared else Verdict.UNDECIDED


def _limit_needs(limit: float, state: SloState, verdict: Verdict, *, stable_bad: bool) -> str:
    if verdict is Verdict.HARM:
        return "a new version"
    if stable_bad:
        return "stable is above this limit too: waits until it is not"
    more = ramp.clean_requests_needed(state.bad, state.requests, None, limit, 100.0)
    if more is None:
        return "a lower rate of failed requests"
    return f"{more} more requests without a failure" if more else "nothing: the limit is kept"


def of_risk(allowance: Allowance, standing: Standing, ladder: Sequence[float], waits: str | None) -> Finding:
    """Promotion evidence: may the weight grow?"""
    goes_on = waits is None and standing.goes_on(allowance)
    following = min((w for w in ladder if w > standing.weight), default=standing.top)
    needed = waits or _risk_needs(allowance, following)
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


def of_heart(guard: Guard, state: HeartState, standing: Standing, seen: int) -> Finding:
    """Is it alive?"""
    why = heartbeat.cause(state, no_data_for=guard.no_data_for, restarts=guard.restarts)
    verdict = Verdict.CLEARED if seen and standing.current else Verdict.UNDECIDED
    if guard.name in standing.harm or why is not None:
        verdict = Verdict.HARM
    elif state.silent or state.unanswered:
        verdict = Verdict.UNDECIDED
    needed = {Verdict.HARM: "a new version", Verdict.CLEARED: "nothing: it answers"}
    return Finding(
        guard.name,
        verdict,
        _of_death(guard, state, why)
        or f"numbers and answers at least every {guard.no_data_for:g} s, at most {guard.restarts} restarts",
        (
            ("seconds_without_data", state.silent),
            ("seconds_without_answer", state.unanswered),
            ("restarts", float(state.restarts)),
        ),
        None,
        seen,
        needed.get(verdict, "the candidate's numbers and its answer"),
    )


def _of_death(guard: Guard, state: HeartState, why: heartbeat.Cause | None) -> str:
    """What happened to it; empty while it lives."""
    match why:
        case heartbeat.Cause.RESTARTS:
            return f"it ended and came back {state.restarts} times; {guard.restarts} restarts are allowed"
        case heartbeat.Cause.SILENT:
            return f"no numbers of it for {state.silent:.0f} s; {guard.no_data_for:g} s are allowed"
        case heartbeat.Cause.UNANSWERED:
            return f"no answer from it for {state.unanswered:.0f} s; {guard.no_data_for:g} s are allowed"
        case None:
            return ""


def of_share(guard: Guard, state: ShareState, standing: Standing, *, kept: bool = False) -> Finding:
    """Does the router split as told? Holds at worst. `kept`: users stay where they are, so less is fine."""
    tested = 0 < state.weight < 100 and state.total > 0
    verdict = Verdict.CLEARED if tested and standing.current else Verdict.UNDECIDED
    needed = "requests on both versions" if verdict is Verdict.UNDECIDED else "nothing: the split is right"
    if share.alarmed(state):
        verdict, needed = Verdict.SUSPECT, "look at the router: it does not split as it was told"
    room = share.margin(state.weight, guard.tolerance)
    seen = state.requests / state.total if state.total else 0.0
    return Finding(
        guard.name,
        verdict,
        f"the candidate's share of requests is {'at most ' if kept else ''}{state.weight:g} %,"
        f" {'and' if kept else 'give or take'} {percent(room)}",
        (("requests", state.requests), ("all_requests", state.total), ("share", float(f"{seen:.4g}"))),
        None,
        int(state.total),
        needed,
    )


def of_unfed(guard: Guard) -> Finding:
    """A guard whose numbers nobody brings: it holds, because unknown never passes."""
    return Finding(
        guard.name,
        Verdict.UNDECIDED,
        f"a guard of the kind {guard.kind} needs numbers beyond the router's counters",
        (),
        None,
        0,
        f"a metric source that answers for the guard {guard.name}, or the file without it",
    )


def of_emergency(state: SloState) -> Finding:
    """A storm of errors during the warm-up; shown only once it was found."""
    return Finding(
        EMERGENCY,
        Verdict.HARM,
        f"while it warms up, at most {percent(EMERGENCY_LIMIT)} of the candidate's requests may fail",
        (("bad", state.bad), ("requests", state.requests), ("evidence", capital(state.log_e))),
        None,
        int(state.requests),
        "a new version",
    )


def of_threshold(guard: Guard, state: ThresholdState, standing: Standing) -> Finding:
    """A plain limit, labelled as what it is."""
    verdict, needed = Verdict.UNDECIDED, "a whole minute with requests"
    if guard.limit is None:
        needed = f"a limit for the guard {guard.name}"
    elif guard.name in standing.harm:
        verdict, needed = Verdict.HARM, "a new version"
    elif state.last_failed:
        left = threshold.MOST_FAILED - state.failed
        verdict, needed = Verdict.SUSPECT, f"harm after {left} more minutes above the limit"
    elif state.checks and standing.current:
        verdict, needed = Verdict.CLEARED, "nothing: the last minute was below the limit"
    what = "failed requests" if guard.slower_than is None else _slow(guard.slower_than)
    return Finding(
        guard.name,
        verdict,
        f"{what}: at most {percent(guard.limit or 0.0)} in a minute (no error guarantee)",
        (("checks", float(state.checks)), ("failed_checks", float(state.failed))),
        None,
        int(state.requests),
        needed,
    )
