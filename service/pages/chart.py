"""A panel as the numbers of a picture, for the library that draws it in the browser, and as a table.

Small enough to be sent: a line has at most `POINTS` points of five digits, and the table `ROWS` rows.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from service.showing.panel import Axis, Line, Panel

POINTS = 160
ROWS = 12
_MOST = 1e300  # what is sent has no infinity
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Chart:
    """One picture: what it is called and says, its numbers as `static/chart.js` takes them, and the same to
    be read: columns, and rows from left to right."""

    title: str
    says: str
    x_words: str
    y_words: str
    legend: tuple[tuple[str, str], ...]  # tone and words of each line that has a name
    numbers: dict[str, Any]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def of(panel: Panel) -> Chart:
    """The panel's picture and table."""
    x = _Scale(panel.x, [x for line in panel.lines for x, _ in line.points])
    y = _Scale(panel.y, [y for line in panel.lines for _, y in line.points])
    return Chart(
        panel.title,
        panel.says,
        panel.x.words,
        panel.y.words,
        tuple((line.tone.value, line.words) for line in panel.lines if line.words),
        _numbers(panel, x, y),
        (panel.x.words, *(line.words or panel.y.words for line in panel.lines)),
        tuple(_rows(panel)),
    )


class _Scale:
    """An axis between two ends. What is no number there, as 0 by a logarithm, is at the lower one."""

    def __init__(self, axis: Axis, values: Sequence[float]) -> None:
        seen = [value for value in values if math.isfinite(value)]
        low = axis.low if axis.low is not None else min(seen, default=0.0)
        high = axis.high if axis.high is not None else 1.05 * max(seen, default=1.0)
        self.axis, self.low, self.high = axis, low, high if high > low else low + (abs(low) or 1.0)

    def at(self, value: float) -> float:
        none = math.isnan(value) or (self.axis.log and value <= 0)
        return float(f"{self.low if none else min(max(value, -_MOST), _MOST):.5g}")

    def all(self, values: Sequence[float]) -> list[float]:
        return [self.at(value) for value in values]

    def json(self) -> dict[str, Any]:
        axis, ticks = self.axis, self.axis.ticks
        return {
            "low": self.low,
            "high": self.high,
            "log": axis.log,
            "ticks": None if ticks is None else [list(tick) for tick in ticks],
            "percent": axis.percent,
            "seconds": axis.seconds,
        }


def _numbers(panel: Panel, x: _Scale, y: _Scale) -> dict[str, Any]:
    return {
        "x": x.json(),
        "y": y.json(),
        "lines": [_line(line, x, y) for line in panel.lines],
        "bands": [
            {"tone": band.tone.value, "points": [x.all(at), y.all(low), y.all(high)]}
            for band in panel.bands
            if band.points
            for at, low, high in [zip(*_thinned(band.points), strict=True)]
        ],
        "levels": [
            {"words": one.words, "y": y.at(one.y), "tone": one.tone.value, "beyond": one.beyond}
            for one in panel.levels
        ],
        "moments": [{"words": one.words, "x": x.at(one.x), "tone": one.tone.value} for one in panel.moments],
        "spans": [x.all(span) for span in panel.spans],
    }


def _line(line: Line, x: _Scale, y: _Scale) -> dict[str, Any]:
    points = _thinned(line.points)
    return {
        "words": line.words,
        "tone": line.tone.value,
        "stepped": line.stepped,
        "thin": line.thin,
        "filled": line.filled,
        "points": [x.all([one for one, _ in points]), y.all([other for _, other in points])],
    }


def _thinned(points: Sequence[T], most: int = POINTS) -> list[T]:
    every = max(1, math.ceil(len(points) / most))
    kept = list(points[::every])
    return kept if not points or kept[-1] is points[-1] else [*kept, points[-1]]


# --- to be read ------------------------------------------------------------------------------


def _rows(panel: Panel) -> list[tuple[str, ...]]:
    """Some places from left to right, and the newest value of each line there."""
    places = sorted({x for line in panel.lines for x, _ in line.points})
    return [
        (said(panel.x, place), *(_value(line, place, panel.y) for line in panel.lines))
        for place in _thinned(places, ROWS)
    ]


def _value(line: Line, place: float, axis: Axis) -> str:
    at = bisect_right(line.points, place, key=lambda point: point[0])
    return said(axis, line.points[at - 1][1]) if at else "-"


def said(axis: Axis, value: float) -> str:
    """A value of the axis: 0.5 %, 20 ms, 1,234."""
    if axis.percent:
        return f"{100 * value:.3g} %"
    if axis.seconds:
        return f"{1000 * value:.3g} ms" if value < 1 else f"{value:.3g} s"
    return f"{float(f'{value:.4g}'):,g}" if abs(value) < 1e6 else f"{value:.2g}"
