"""Findings about the answers themselves: true labels, and (as advice only) the scores' drift."""

import math

from policies import ramp
from policies.evidence import Finding, Verdict
from policies.guards import drift
from policies.guards.drift import DriftState
from policies.guards.findings.standing import SUSPECT, Allowance, Standing, capital, grade, p_value, percent
from policies.guards.plan import Quality
from policies.guards.quality import QualityState
from policies.spec.declaration import Guard


def of_quality(
    guard: Quality,
    state: QualityState,
    *,
    allowance: Allowance,
    standing: Standing,
    following: float,
    log_harm: float,
) -> Finding:
    """Wrong answers against stable's. Pairs are judged before any user sees one, so for all of the way;
    others for the weight that follows."""
    goes_on = allowance.allowed >= standing.top if guard.paired else standing.goes_on(allowance)
    verdict = Verdict.UNDECIDED
    if guard.name in standing.harm:
        verdict = Verdict.HARM
    elif state.log_e >= SUSPECT:
        verdict = Verdict.SUSPECT
    elif goes_on and state.labels > 0:
        verdict = Verdict.CLEARED
    more = "not be more frequent" if guard.drop == 0 else f"be at most {percent(guard.drop)} of all more"
    return Finding(
        guard.name,
        verdict,
        f"wrong answers of the candidate must {more} than stable's"
        + (" to the same requests" if guard.paired else ""),
        (
            ("wrong", state.wrong),
            ("labels", state.labels),
            ("stable_wrong", state.stable_wrong),
            ("stable_labels", state.stable_labels),
            ("waiting", state.waiting),
            ("evidence", capital(state.log_e)),
            ("harm_at", capital(log_harm)),
            ("p_value", p_value(state.log_peak)),
        ),
        _loss(state),
        int(state.labels),
        _needs(guard, state, verdict, allowance, standing.top if guard.paired else following),
    )


def _loss(state: QualityState) -> tuple[float, float] | None:
    """Between which losses (share of all answers) the truth lies, both ends at 5 %; None while unknown."""
    if state.labels <= 0 or state.stable_labels <= 0:
        return None
    mine, theirs = state.wrong / state.labels, state.stable_wrong / state.stable_labels
    least = mine - ramp.upper_bound(state.stable_wrong, state.stable_labels)
    return round(least, 6), round(ramp.upper_bound(state.wrong, state.labels) - theirs, 6)


def _needs(guard: Quality, state: QualityState, verdict: Verdict, allowance: Allowance, weight: float) -> str:
    if verdict is Verdict.HARM:
        return "a new version"
    if state.labels <= 0 or state.stable_labels <= 0:
        if state.waiting > 0:
            left = max(0.0, state.ripe_at - state.at) / 3600
            return f"time: {state.waiting:.0f} labels came, the first of them count in about {left:.1f} h"
        return (
            "labels of both versions' answers"
            if guard.paired
            else (f"labels of both versions' answers; an answer's counts {guard.within / 3600:g} h after it")
        )
    if verdict is Verdict.CLEARED:
        return f"nothing: {allowance.allowed:g} % is allowed"
    more = ramp.clean_requests_needed(
        allowance.bad, allowance.requests, allowance.stable_rate, allowance.risk, weight
    )
    if more is None or not math.isfinite(more):
        return "a lower rate of wrong answers"
    return f"about {max(1, more)} more labels without a wrong answer{grade(guard.noise)}"


def of_drift(guard: Guard, state: DriftState) -> Finding:
    """Advice: whatever it says, nothing follows from it."""
    different = state.log_peak >= drift.ALARM
    return Finding(
        guard.name,
        Verdict.UNDECIDED,
        "the candidate's scores are distributed differently from stable's (advice only)"
        if different
        else "no difference of the two versions' scores is proven (advice only)",
        (
            ("scores", sum(state.candidate)),
            ("stable_scores", sum(state.stable)),
            ("distance", float(f"{drift.distance(state):.4g}")),
            ("evidence", capital(state.log_e)),
            ("p_value", p_value(state.log_peak)),
        ),
        None,
        int(sum(state.candidate)),
        "nothing: it never holds and never clears"
        if state.stable and state.gap is None
        else f"scores of both versions{f': {state.gap}' if state.gap else ''}",
    )
