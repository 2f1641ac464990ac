"""Findings of guards that are fed by a metric source, and of each segment: who is hurt, and what holds."""

from collections.abc import Iterator
from dataclasses import dataclass

from policies import ramp
from policies.evidence import Finding, Verdict
from policies.guards import asked, rate, ratios
from policies.guards.asked import STABLE, Asked, AskedState, How, Part, PartState
from policies.guards.counted import others
from policies.guards.findings.standing import (
    SUSPECT,
    Allowance,
    Standing,
    capital,
    p_value,
    percent,
)
from policies.guards.histogram import HistogramState
from policies.guards.quality import QualityState
from policies.guards.rate import RateState
from policies.guards.slo import SloState

LEAST_STABLE = 100.0  # stable's requests from which its rate in this rollout is used


@dataclass(frozen=True, slots=True)
class Counts:
    """Bad things and things of both versions, as a test has counted them."""

    bad: float
    all: float
    stable_bad: float
    stable_all: float

    @property
    def stable_rate(self) -> float | None:
        return self.stable_bad / self.stable_all if self.stable_all >= LEAST_STABLE else None


def counts(state: PartState) -> Counts:
    """What a test has counted; a limit counts nothing of stable."""
    match state:
        case QualityState():
            return Counts(state.wrong, state.labels, state.stable_wrong, state.stable_labels)
        case RateState() | HistogramState():
            return Counts(state.bad, state.requests, state.stable_bad, state.stable_requests)
        case SloState():
            return Counts(state.bad, state.requests, 0.0, 0.0)


def allowances(
    guard: Asked, state: AskedState, risk: float | None, ladder: tuple[float, ...]
) -> list[tuple[str, Allowance]]:
    """How far each test lets the weight go, by its part's name. A limit says nothing of that."""
    if guard.how is How.LIMIT:
        return []
    parts = state.parts or ((Part("", rate.start()),) if guard.whole else ())
    return [(part.name, _allowance(guard, state, part, risk, ladder)) for part in parts]


def _allowance(
    guard: Asked, state: AskedState, part: Part, risk: float | None, ladder: tuple[float, ...]
) -> Allowance:
    """Nothing seen allows nothing; what is too small to be judged by itself allows everything."""
    seen = counts(part.state)
    burst = 1.0 if guard.noise.provisional else guard.noise.burst
    bad, every, known = seen.bad / burst, seen.all / burst, seen.stable_rate
    half = (known or 0.0) / 2
    if part.name:
        limit = max(guard.split.risk, half, guard.drop)
    elif guard.how is How.LOSS:
        limit = guard.drop or ramp.risk_of(known)
    else:
        limit = ramp.risk_of(known, risk if guard.how is How.RATE else None)
    if part.name and part.name == others(part.name) and state.share(part.name) < guard.split.least:
        return Allowance(bad, every, known, limit, max(ladder))
    allowed = ramp.allowed_weight(ramp.excess(bad, every, known), limit, ladder) if every > 0 else 0.0
    return Allowance(bad, every, known, limit, allowed)


@dataclass(frozen=True, slots=True)
class Scale:
    """What all findings of a moment are measured by: `harm` gives the log E of harm by a test's title."""

    standing: Standing
    ladder: tuple[float, ...]
    risk: float | None
    harm: dict[str, float]
    together: bool
    blameless: bool


def of_asked(guard: Asked, state: AskedState, scale: Scale) -> Iterator[Finding]:
    """The finding of all together, then of each segment, the worst evidence first."""
    allowed = dict(allowances(guard, state, scale.risk, scale.ladder))
    parts = [part for part in state.parts if part.name != STABLE]
    whole = [part for part in parts if not part.name]
    for part in whole:
        yield _finding(guard, state, part, scale, allowed.get(part.name))
    if guard.whole and not whole:
        yield _nothing(guard, state)
    segments = [part for part in parts if part.name]
    for part in sorted(segments, key=lambda one: (-one.state.log_e, one.name)):
        yield _finding(guard, state, part, scale, allowed.get(part.name))
    if not guard.whole and not parts:
        yield _nothing(guard, state)


def holding(
    guard: Asked, state: AskedState, risk: float | None, ladder: tuple[float, ...]
) -> tuple[str, Allowance] | None:
    """The test that lets the weight go least far, by its title."""
    found = allowances(guard, state, risk, ladder)
    if not found:
        return None
    name, least = min(found, key=lambda pair: pair[1].allowed)
    return asked.title(guard, name), least


def _nothing(guard: Asked, state: AskedState) -> Finding:
    return Finding(
        guard.name,
        Verdict.UNDECIDED,
        _rule(guard, ""),
        (),
        None,
        0,
        f"labels that say their {' and '.join(guard.labels)}, of both versions' answers"
        if guard.late
        else f"numbers: {state.gap or 'none came yet'}",
    )


def _finding(
    guard: Asked, state: AskedState, part: Part, scale: Scale, allowance: Allowance | None
) -> Finding:
    seen, title = counts(part.state), asked.title(guard, part.name)
    verdict = _verdict(guard, state, part, scale, allowance)
    bad, every = ("wrong", "labels") if guard.late else ("bad", "requests")
    numbers = [(bad, seen.bad), (every, seen.all)]
    if guard.how is How.LIMIT:
        bound = ramp.upper_bound(seen.bad, seen.all)
        numbers += [("limit", guard.limit or 0.0), ("at_most", float(f"{bound:.4g}"))]
    else:
        numbers += [(f"stable_{bad}", seen.stable_bad), (f"stable_{every}", seen.stable_all)]
    numbers += [
        ("evidence", capital(part.state.log_e)),
        ("harm_at", capital(scale.harm.get(title, 0.0))),
        ("p_value", p_value(part.state.log_peak)),
    ]
    return Finding(
        title,
        verdict,
        _rule(guard, part.name),
        tuple(numbers),
        _interval(part.state),
        int(seen.all),
        _needs(guard, state, part, scale, allowance),
    )


def _interval(state: PartState) -> tuple[float, float] | None:
    return ratios.interval(state.fits, state.tolerated) if isinstance(state, RateState) else None


def _verdict(
    guard: Asked, state: AskedState, part: Part, scale: Scale, allowance: Allowance | None
) -> Verdict:
    if asked.title(guard, part.name) in scale.standing.harm:
        return Verdict.HARM
    if part.state.log_e >= SUSPECT and not scale.blameless:
        return Verdict.SUSPECT
    if state.gap is not None:
        return Verdict.UNDECIDED
    if guard.how is How.LIMIT:
        seen = counts(part.state)
        kept = seen.all > 0 and ramp.upper_bound(seen.bad, seen.all) <= (guard.limit or 0.0)
        return (
            Verdict.CLEARED if kept and scale.standing.current and not scale.blameless else Verdict.UNDECIDED
        )
    if allowance is not None and _reached(scale.standing, allowance):
        return Verdict.CLEARED
    return Verdict.UNDECIDED


def _reached(standing: Standing, allowance: Allowance) -> bool:
    """Whether the weight may grow by it. What is too small to be judged by itself does not hold it."""
    if allowance.requests > 0:
        return standing.goes_on(allowance)
    return standing.current and allowance.allowed > standing.weight


def _rule(guard: Asked, segment: str) -> str:
    where = f" in {segment}" if segment else ""
    match guard.how:
        case How.RATE:
            much = f"be at most {percent(guard.worse_by)} more" if guard.worse_by else "not be more"
            return f"{guard.what} of the candidate{where} must {much} frequent than stable's"
        case How.LOSS:
            much = f"be at most {percent(guard.drop)} of all more" if guard.drop else "not be more frequent"
            return f"{guard.what} of the candidate{where} must {much} than stable's"
        case How.LIMIT:
            return f"at most {percent(guard.limit or 0.0)} may be {guard.what}"
        case How.DURATIONS:
            much = f"at most {percent(guard.worse_by)}" if guard.worse_by else "not"
            return f"{guard.what} of the candidate{where} may {much} be longer than stable's"


def _needs(guard: Asked, state: AskedState, part: Part, scale: Scale, allowance: Allowance | None) -> str:
    if asked.title(guard, part.name) in scale.standing.harm:
        return "a new version"
    if state.gap is not None:
        return f"numbers again: {state.gap}"
    if scale.blameless:
        return "stable is above this limit too: waits until it is not"
    seen, where = counts(part.state), f" in {part.name}" if part.name else ""
    if allowance is None:
        more = ramp.clean_requests_needed(seen.bad, seen.all, None, guard.limit or 0.0, 100.0)
        return f"{more} more of which none is bad" if more else "nothing: the limit is kept"
    if _reached(scale.standing, allowance):
        return f"nothing: {allowance.allowed:g} % is allowed"
    if seen.all == 0 or seen.stable_all == 0:
        return (
            f"labels{where} of both versions' answers" if guard.late else f"requests{where} to both versions"
        )
    standing = scale.standing
    following = standing.following(scale.ladder)
    more = ramp.clean_requests_needed(
        allowance.bad, allowance.requests, allowance.stable_rate, allowance.risk, following
    )
    if more is None:
        return f"a lower rate of {guard.what}{where}"
    if guard.late:
        return (
            f"{more} more labels of the candidate's answers{where}, none of them wrong, for {following:g} %"
        )
    return f"{more} more requests to the candidate{where}, none of them bad, for {following:g} %"
