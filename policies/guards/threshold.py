"""A plain limit on the share of bad requests per minute, for people who come from other tools.

It carries **no error guarantee**: it rolls good versions back under shared incidents and at low
traffic, and misses small regressions. Its findings say so. A minute with more than the limit is a
failed check; failed checks add up and are never taken back; the fifth is harm (as in Argo Rollouts
and Flagger, whose defaults this follows). A minute without requests is no check, and never a pass.
"""

from dataclasses import dataclass

WINDOW = 60.0
MOST_FAILED = 5


@dataclass(frozen=True, slots=True)
class ThresholdState:
    """The open minute, and the checks so far; `last_failed` is None before the first check."""

    opened: float = 0.0
    bad: float = 0.0
    requests: float = 0.0
    checks: int = 0
    failed: int = 0
    last_failed: bool | None = None


def update(state: ThresholdState, *, bad: float, requests: float, limit: float, at: float) -> ThresholdState:
    """After one scrape; closes the minute when it is over."""
    if requests == 0 and state.requests == 0:
        return state
    opened = at if state.requests == 0 else state.opened
    bad, requests = state.bad + bad, state.requests + requests
    if at - opened < WINDOW:
        return ThresholdState(opened, bad, requests, state.checks, state.failed, state.last_failed)
    failed = bad / requests > limit
    return ThresholdState(checks=state.checks + 1, failed=state.failed + failed, last_failed=failed)
