"""Findings of the tests on pairs, before any user sees the candidate: each is cleared by pairs alone."""

from collections.abc import Iterator

from policies import ramp
from policies.evidence import Finding, Verdict
from policies.guards.allowed import LEAST_STABLE
from policies.guards.findings.standing import SUSPECT, Standing, capital, p_value, percent
from policies.guards.paired import Classed, PairedState, against
from policies.guards.plan import OnPairs, Plan, ShadowTest

PAIRS = "pairs"
MOST_LOST = 0.1  # of all requests; with more, those that are left are not the same requests any more
SLOWER = 0.75  # the share of pairs that may be slower: half as many again as of two alike
LEAST_CLASS = 0.05  # of all pairs: a rarer class is judged, and not waited for


def of_pairs(copies: tuple[float, float]) -> Finding:
    """Whether there are pairs, and nearly all that should be."""
    pairs, lost = copies
    share = lost / (pairs + lost) if pairs + lost > 0 else 0.0
    fine = pairs > 0 and share <= MOST_LOST
    needed = "nothing: nearly every request has its pair" if fine else "requests to stable, and their copies"
    if pairs > 0 and not fine:
        needed = (
            "fewer copies that come to nothing: long requests, a slow candidate, or a full disk lose them"
        )
    return Finding(
        PAIRS,
        Verdict.CLEARED if fine else Verdict.UNDECIDED,
        f"at most {percent(MOST_LOST)} of the requests lose their copy",
        (("pairs", pairs), ("lost", lost)),
        None,
        int(pairs),
        needed,
    )


def of_test(plan: Plan, test: ShadowTest, state: PairedState, standing: Standing, log_harm: float) -> Finding:
    """One test on pairs."""
    verdict = Verdict.UNDECIDED
    if test.name in standing.harm:
        verdict = Verdict.HARM
    elif state.log_e >= SUSPECT:
        verdict = Verdict.SUSPECT
    elif cleared(plan, test, state):
        verdict = Verdict.CLEARED
    return Finding(
        test.name,
        verdict,
        _rule(test, state),
        (
            *_counts(test, state),
            ("evidence", capital(state.log_e)),
            ("harm_at", capital(log_harm)),
            ("p_value", p_value(state.log_peak)),
        ),
        ramp.bounds(state.only_candidate, state.pairs) if state.pairs > 0 else None,
        int(state.pairs),
        _needs(plan, test, state, verdict),
    )


def _counts(test: ShadowTest, state: PairedState) -> tuple[tuple[str, float], ...]:
    """A pair is one request to each version; answers that differ are counted for the candidate alone."""
    mine = (("bad", state.only_candidate + state.both), ("requests", state.pairs))
    if test.what in {OnPairs.DIFFER, OnPairs.FLIPS}:
        return mine
    theirs = (("stable_bad", state.only_stable + state.both), ("stable_requests", state.pairs))
    return (*mine, *theirs, ("only_candidate", state.only_candidate), ("only_stable", state.only_stable))


def cleared(plan: Plan, test: ShadowTest, state: PairedState) -> bool:
    """Whether what may still be true of it is little enough for all users."""
    if state.pairs <= 0:
        return False
    if test.what is OnPairs.FLIPS:
        return all(ramp.upper_bound(one.flipped, one.pairs) <= test.limit for one in _common(state))
    return ramp.upper_bound(state.only_candidate, state.pairs) <= _most(plan, test, state)


def _most(plan: Plan, test: ShadowTest, state: PairedState) -> float:
    """How large a share of pairs may be bad for the candidate alone."""
    if test.what is OnPairs.DIFFER:
        return test.limit
    if test.what is OnPairs.SLOWER:
        return SLOWER
    seen = state.pairs >= LEAST_STABLE
    rate = (state.only_stable + state.both) / state.pairs if seen else None
    risk = plan.risk if test.what is OnPairs.ERRORS else None
    return state.only_stable / state.pairs + ramp.risk_of(rate, risk)


def _common(state: PairedState) -> tuple[Classed, ...]:
    return tuple(one for one in state.classed if one.pairs >= LEAST_CLASS * state.pairs)


def _rule(test: ShadowTest, state: PairedState) -> str:
    more = "" if test.growth == 1 else f" by more than {percent(test.growth - 1)}"
    match test.what:
        case OnPairs.ERRORS:
            return f"copies of requests must not fail more often{more} than the requests themselves"
        case OnPairs.SLOW:
            return f"copies that take longer than {test.slower_than:g} s must not be more frequent{more}"
        case OnPairs.SLOWER:
            return f"the candidate must not be slower than stable{more} on most requests"
        case OnPairs.DIFFER:
            return f"at most {percent(test.limit)} of the answers may differ from stable's"
        case OnPairs.FLIPS:
            return f"of no class of stable's may more than {percent(test.limit)} get another answer" + _worst(
                test, state
            )


def _worst(test: ShadowTest, state: PairedState) -> str:
    worst = max(state.classed, key=lambda one: against(one.flipped, one.pairs, test.limit), default=None)
    if worst is None or worst.flipped <= 0:
        return ""
    return f"; most do of {worst.name}: {worst.flipped:.0f} of {worst.pairs:.0f}"


def _needs(plan: Plan, test: ShadowTest, state: PairedState, verdict: Verdict) -> str:
    if verdict is Verdict.HARM:
        return "a new version"
    if verdict is Verdict.CLEARED:
        return "nothing: these pairs clear it"
    if state.pairs <= 0:
        return "pairs"
    more = next(_enough(plan, test, state), None)
    return "a lower share" if more is None else f"about {more} more pairs that are good"


def _enough(plan: Plan, test: ShadowTest, state: PairedState) -> Iterator[int]:
    """How many more good pairs would clear it; nothing where no number would soon."""
    for more in (2**power for power in range(4, 21)):
        classes = tuple(value + (more if nth % 2 == 0 else 0) for nth, value in enumerate(state.classes))
        later = PairedState(
            state.pairs + more,
            state.only_candidate,
            state.only_stable,
            state.both,
            names=state.names,
            classes=classes,
        )
        if cleared(plan, test, later):
            yield more
