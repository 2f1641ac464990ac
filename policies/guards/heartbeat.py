"""Is the candidate alive? Deterministic rules, outside the budget of false rollbacks.

Counters say nothing about a version that crashed or whose numbers stopped coming; this guard decides
when missing becomes harm: no data, or no answer to its health check, for so many seconds; more
restarts than allowed. An arm without requests is not silent: its counters were read, and say zero.
Time counts only while somebody looked: one observation adds at most a quarter of the limit, so an
observer that was away cannot blame the candidate for its own absence.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from policies.spec.declaration import LATER


@dataclass(frozen=True, slots=True)
class Alive:
    """What the workload says about the candidate: starts again so far, and whether it answers.

    `answers` None: nobody asked. In words, "" for nothing: `ended`, how one of its copies ended last, such as
    "used more memory than its limit"; `unwell`, what keeps it from answering with all of them.
    """

    restarts: int = 0
    answers: bool | None = None
    ended: str = ""
    unwell: str = ""


@dataclass(frozen=True, slots=True)
class HeartState:
    """Seconds without numbers and without an answer, in one stretch; restarts since the start.

    The words of `Alive`: `ended` the last that were said, `unwell` those of now.
    """

    at: float
    known: int
    silent: float = 0.0
    unanswered: float = 0.0
    restarts: int = 0
    ended: str = field(default="", metadata=LATER)
    unwell: str = field(default="", metadata=LATER)


class Cause(StrEnum):
    """Why the candidate counts as dead."""

    SILENT = "no data"
    UNANSWERED = "no answer"
    RESTARTS = "restarts"


def start(at: float, restarts: int = 0) -> HeartState:
    return HeartState(at, restarts)


def update(state: HeartState, alive: Alive, *, at: float, silent: bool, no_data_for: float) -> HeartState:
    """After one observation; `silent` if the interval's numbers are missing."""
    at = max(state.at, at)
    looked = min(at - state.at, no_data_for / 4)
    return HeartState(
        at,
        state.known,
        state.silent + looked if silent else 0.0,
        state.unanswered + looked if alive.answers is False else 0.0,
        # A workload that was replaced counts from zero again.
        max(state.restarts, alive.restarts - state.known),
        alive.ended or state.ended,
        alive.unwell,
    )


def cause(state: HeartState, *, no_data_for: float, restarts: int) -> Cause | None:
    """Why this is harm; None while it is not."""
    if state.restarts > restarts:
        return Cause.RESTARTS
    if state.unanswered >= no_data_for:
        return Cause.UNANSWERED
    return Cause.SILENT if state.silent >= no_data_for else None
