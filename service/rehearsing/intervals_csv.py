"""Reads recorded intervals from a CSV file: one line for each interval, with what each version gained in it.

Columns: `at` (seconds since 1970, the interval's end), `candidate_requests`, `candidate_errors`,
`stable_requests`, `stable_errors`, and if known `weight` (percent; else the share that was seen). A line
that is no interval is an error with its number, never a value; a gap in time is a gap.
"""

import csv
import io
from itertools import pairwise
from statistics import median

from policies.guards.heartbeat import Alive
from policies.guards.increment import Arm, Gap, Increment, checked
from policies.guards.trail import Recorded

COLUMNS = ("at", "candidate_requests", "candidate_errors", "stable_requests", "stable_errors")
GAP = 3.0  # so many usual intervals without a line are a gap


class BadFile(ValueError):
    """The file holds no intervals; says where and why."""


def read(text: str) -> Recorded:
    """The intervals of a file. Raises `BadFile`."""
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        return _recorded(rows)
    except csv.Error as error:
        raise BadFile(f"line {rows.line_num}: it is no CSV ({error})") from None


def _recorded(rows: "csv.DictReader[str]") -> Recorded:
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise BadFile(f"line 1: the columns {', '.join(missing)} are missing; wanted: {', '.join(COLUMNS)}")
    lines = [(number, _numbers(row, number)) for number, row in enumerate(rows, 2)]
    if len(lines) < 2:
        raise BadFile("there are fewer than two intervals")
    times = [row["at"] for _, row in lines]
    for (number, row), before in zip(lines[1:], times, strict=False):
        if not row["at"] > before:
            raise BadFile(f"line {number}: `at` is not later than on the line before")
    usual = median(later - earlier for earlier, later in pairwise(times))
    seen: list[Increment | Gap] = []
    before = times[0] - usual
    for number, row in lines:
        seconds = row["at"] - before
        if seconds > GAP * usual:
            seen.append(Gap(len(seen), row["at"] - usual, "no lines for this time", silent=False))
            seconds = usual
        seen.append(_interval(row, len(seen), seconds, number))
        before = row["at"]
    return Recorded(None, times[0] - usual, 0, tuple((one, Alive()) for one in seen))


def _numbers(row: dict[str, str], number: int) -> dict[str, float]:
    found = {}
    for name in (*COLUMNS, "weight"):
        if row.get(name) in {None, ""} and name == "weight":
            continue
        try:
            found[name] = float(row[name])
        except (TypeError, ValueError) as error:
            raise BadFile(f"line {number}: `{name}` is {row.get(name)!r}; write a number") from error
    return found


def _interval(row: dict[str, float], sequence: int, seconds: float, number: int) -> Increment:
    candidate = Arm(row["candidate_requests"], row["candidate_errors"])
    stable = Arm(row["stable_requests"], row["stable_errors"])
    total = candidate.requests + stable.requests
    weight = row.get("weight", 100 * candidate.requests / total if total > 0 else 0.0)
    beside = stable if weight < 100 else None
    what = checked(Increment(sequence, row["at"], seconds, weight, candidate, beside))
    if isinstance(what, Gap):
        raise BadFile(f"line {number}: {what.reason}")
    return what
