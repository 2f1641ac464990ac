"""What every benchmark prints: a small table, or with `--json` the same as one document.

A row's ratio is the median of its rounds divided by its limit, or by its peer's median of the same run;
at most 1 is good. The exit code is 1 where a median is over a limit.
"""

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One number, measured several times. `held`: going over the limit fails the run; a peer's does not."""

    what: str
    values: tuple[float, ...]
    limit: float
    unit: str
    held: bool = True

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def ratio(self) -> float:
        return self.median / self.limit

    def as_json(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "unit": self.unit,
            "median": self.median,
            "least": min(self.values),
            "most": max(self.values),
            "rounds": len(self.values),
            "limit": self.limit,
            "ratio": self.ratio,
            "held": self.held,
        }


def report(title: str, rows: Sequence[Row], notes: Sequence[str] = ()) -> int:
    """Print the rows as this process was asked to; the exit code."""
    if "--json" in sys.argv[1:]:
        told = {"benchmark": title, "rows": [row.as_json() for row in rows], "notes": list(notes)}
        print(json.dumps(told, indent=2))
    else:
        _print_table(title, rows, notes)
    return int(any(row.held and row.ratio > 1 for row in rows))


def _print_table(title: str, rows: Sequence[Row], notes: Sequence[str]) -> None:
    wide = max(len(row.what) for row in rows) + 2
    print(f"{title}\n{'':<{wide}}{'median':>10}{'least':>10}{'most':>10}{'limit':>10}{'ratio':>8}")
    for row in rows:
        numbers = "".join(
            f"{_short(value):>10}" for value in (row.median, min(row.values), max(row.values), row.limit)
        )
        print(f"{row.what:<{wide}}{numbers}{row.ratio:>8.2f}  {row.unit}")
    for note in notes:
        print(f"  {note}")


def _short(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 100 else f"{value:,.0f}"
