"""Findings of the deterministic guards, and of those whose numbers nobody brings."""

from policies.evidence import Finding, Verdict
from policies.guards import heartbeat, share, threshold
from policies.guards.findings.standing import Standing, percent, slow
from policies.guards.heartbeat import HeartState
from policies.guards.share import ShareState
from policies.guards.threshold import ThresholdState
from policies.spec.declaration import Guard


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
        _of_death(guard, state, why) or _of_life(guard, state),
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
            return (
                f"it ended and came back {state.restarts} times{_how(state)}; {guard.restarts} restarts are"
                " allowed"
            )
        case heartbeat.Cause.SILENT:
            return f"no numbers of it for {state.silent:.0f} s; {guard.no_data_for:g} s are allowed"
        case heartbeat.Cause.UNANSWERED:
            return (
                f"no answer from it for {state.unanswered:.0f} s{_told(state.unwell)};"
                f" {guard.no_data_for:g} s are allowed"
            )
        case None:
            return ""


def _of_life(guard: Guard, state: HeartState) -> str:
    """What is asked of it, and what is not as it should be though it lives."""
    rule = f"numbers and answers at least every {guard.no_data_for:g} s, at most {guard.restarts} restarts"
    came_back = f"; it came back {state.restarts} times{_how(state)}" if state.restarts else ""
    return f"{rule}{came_back}" + (f"; {state.unwell}" if state.unwell else "")


def _how(state: HeartState) -> str:
    return f" (the last time it {state.ended})" if state.ended else ""


def _told(words: str) -> str:
    return f" ({words})" if words else ""


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
    what = "failed requests" if guard.slower_than is None else slow(guard.slower_than)
    return Finding(
        guard.name,
        verdict,
        f"{what}: at most {percent(guard.limit or 0.0)} in a minute (no error guarantee)",
        (("checks", float(state.checks)), ("failed_checks", float(state.failed))),
        None,
        int(state.requests),
        needed,
    )
