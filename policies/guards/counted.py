"""What counters of a metric source gained, for one guard: the food of guards with a `query` or `segments`.

It comes beside a rollout's `Increment`s, in the same order of sequences, so that everything can be
replayed. Either rows of both versions, or why there are none: a reason, never a value.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from policies.guards.increment import Arm, wrong_with

MOST_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class Row:
    """Both versions in one segment, such as `country=tr`; the segment "" is all together."""

    segment: str
    candidate: Arm
    stable: Arm


@dataclass(frozen=True, slots=True)
class Counted:
    """News for the guard of that name: one interval, `seconds` long, ending `at`, at that weight (percent).

    `bounds` are those of the arms' buckets, without the infinite one. `gap`: why there are no rows.
    """

    sequence: int
    at: float
    seconds: float
    weight: float
    guard: str
    rows: tuple[Row, ...] = field(default=())
    bounds: tuple[float, ...] = field(default=())
    gap: str | None = None


def others(segment: str) -> str:
    """The segment of all values of its label that are not judged by themselves."""
    return f"{segment.partition('=')[0]}=(others)"


def wrong_with_it(what: Counted) -> str | None:
    """Why these cannot be counts; None if they can."""
    if what.gap is not None:
        return what.gap
    if not (math.isfinite(what.at) and 0 < what.seconds < math.inf and 0 <= what.weight <= 100):
        return "an interval's time, length or weight is none"
    if not 0 < len(what.rows) <= MOST_ROWS:
        return f"there are {len(what.rows)} rows; 1 to {MOST_ROWS} can be judged"
    if len({row.segment for row in what.rows}) < len(what.rows):
        return "a segment comes twice"
    wrong = (wrong_with(arm) for row in what.rows for arm in (row.candidate, row.stable))
    return next((one for one in wrong if one is not None), None)


def to_json(what: Counted) -> dict[str, Any]:
    """A plain mapping, exact to the last bit, for the store."""
    head = [what.sequence, what.at, what.seconds, what.weight, what.guard, what.gap]
    rows = [[row.segment, _arm_row(row.candidate), _arm_row(row.stable)] for row in what.rows]
    return {"counted": head, "rows": rows, "bounds": list(what.bounds)}


def from_json(plain: Mapping[str, Any]) -> Counted:
    """What `to_json` wrote."""
    sequence, at, seconds, weight, guard, gap = plain["counted"]
    rows = tuple(Row(name, _arm_of(mine), _arm_of(theirs)) for name, mine, theirs in plain["rows"])
    return Counted(sequence, at, seconds, weight, guard, rows, tuple(plain["bounds"]), gap)


def _arm_row(arm: Arm) -> list[float]:
    return [arm.requests, arm.errors, *arm.buckets]


def _arm_of(row: list[float]) -> Arm:
    return Arm(row[0], row[1], tuple(row[2:]))
