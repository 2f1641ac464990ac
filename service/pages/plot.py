"""A panel as the numbers of an SVG: paths, places of words. Templates write it; nothing is drawn here.

Small enough to be sent: a point has one decimal of a unit, lines have at most `POINTS` points.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from service.showing.panel import Axis, Panel

WIDTH, HEIGHT = 440.0, 230.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 10.0, 12.0, 24.0
POINTS = 160
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Path:
    """What is drawn: `kind` is `line`, `thin`, `area`, `band`, `level`, `beyond`, `moment` or `span`."""

    kind: str
    tone: str
    d: str


@dataclass(frozen=True, slots=True)
class Word:
    """A text in the picture."""

    x: float
    y: float
    anchor: str
    tone: str
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """One picture: what it is called, what it says to who cannot see it, and what stands in it."""

    title: str
    says: str
    x_words: str
    y_words: str
    grid: str
    paths: tuple[Path, ...]
    ticks: tuple[Word, ...]
    words: tuple[Word, ...]
    legend: tuple[tuple[str, str], ...]  # tone and words of each line that has a name


class _Scale:
    """Values of an axis to places between two ends; what lies outside stays at its end."""

    def __init__(self, axis: Axis, seen: Sequence[float], start: float, end: float) -> None:
        low = axis.low if axis.low is not None else min(seen, default=0.0)
        high = axis.high if axis.high is not None else 1.05 * max(seen, default=1.0)
        self.log = axis.log
        self.low, self.high = low, high if high > low else low + (abs(low) or 1.0)
        self.start, self.end = start, end

    def at(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        if self.log:
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return round(self.start + part * (self.end - self.start), 1)


def of(panel: Panel) -> Plot:
    """The panel's picture."""
    xs = [x for line in panel.lines for x, _ in line.points]
    ys = [y for line in panel.lines for _, y in line.points]
    x = _Scale(panel.x, xs, LEFT, WIDTH - RIGHT)
    y = _Scale(panel.y, ys, HEIGHT - BOTTOM, TOP)
    across, up = _ticks(panel.x, x), _ticks(panel.y, y)
    return Plot(
        panel.title,
        panel.says,
        panel.x.words,
        panel.y.words,
        "".join(f"M{LEFT} {y.at(value)}H{WIDTH - RIGHT}" for value, _ in up),
        (*_behind(panel, x, y), *_lines(panel, x, y), *_moments(panel, x)),
        (
            *(Word(LEFT - 6, y.at(value) + 4, "end", "muted", text) for value, text in up),
            *(Word(x.at(value), HEIGHT - 6, "middle", "muted", text) for value, text in across),
        ),
        tuple(
            Word(LEFT + 4, y.at(level.y) - 4, "start", level.tone.value, level.words)
            for level in panel.levels
            if y.low < level.y < y.high
        ),
        tuple((line.tone.value, line.words) for line in panel.lines if line.words),
    )


# --- axes ------------------------------------------------------------------------------------


def _ticks(axis: Axis, scale: _Scale) -> list[tuple[float, str]]:
    if axis.ticks is not None:
        return [(value, text) for value, text in axis.ticks if scale.low <= value <= scale.high]
    step = _step((scale.high - scale.low) / 4)
    first = math.ceil(scale.low / step)
    values = [step * n for n in range(first, int(scale.high / step) + 1)]
    return [(value, f"{value * 100:.3g} %" if axis.percent else f"{value:.6g}") for value in values]


def _step(rough: float) -> float:
    """The round number next above: 1, 2 or 5 of some power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * times for times in (1.0, 2.0, 5.0, 10.0) if power * times >= rough * 0.999)


# --- what is drawn ---------------------------------------------------------------------------


def _behind(panel: Panel, x: _Scale, y: _Scale) -> list[Path]:
    right, top, bottom = WIDTH - RIGHT, TOP, HEIGHT - BOTTOM
    found = [
        Path("span", "muted", f"M{x.at(start)} {top}H{x.at(end)}V{bottom}H{x.at(start)}Z")
        for start, end in panel.spans
    ]
    for level in panel.levels:
        if y.low < level.y < y.high:
            at, tone = y.at(level.y), level.tone.value
            if level.beyond:
                found.append(Path("beyond", tone, f"M{LEFT} {top}H{right}V{at}H{LEFT}Z"))
            found.append(Path("level", tone, f"M{LEFT} {at}H{right}"))
    for band in panel.bands:
        points = _thinned(band.points)
        there = [(x.at(one), y.at(high)) for one, _, high in points]
        back = [(x.at(one), y.at(low)) for one, low, _ in reversed(points)]
        if there:
            found.append(Path("band", band.tone.value, _through([*there, *back]) + "Z"))
    return found


def _lines(panel: Panel, x: _Scale, y: _Scale) -> list[Path]:
    found = []
    for line in panel.lines:
        points = [(x.at(one), y.at(other)) for one, other in _thinned(line.points)]
        if not points:
            continue
        drawn = _stepped(points) if line.stepped else _through(points)
        if line.filled:
            floor = HEIGHT - BOTTOM
            found.append(Path("area", line.tone.value, f"{drawn}V{floor}H{points[0][0]}Z"))
        found.append(Path("thin" if line.thin else "line", line.tone.value, drawn))
    return found


def _moments(panel: Panel, x: _Scale) -> list[Path]:
    return [
        Path("moment", one.tone.value, f"M{x.at(one.x)} {TOP}V{HEIGHT - BOTTOM}") for one in panel.moments
    ]


def _thinned(points: Sequence[T]) -> list[T]:
    every = max(1, math.ceil(len(points) / POINTS))
    kept = list(points[::every])
    return kept if not points or kept[-1] is points[-1] else [*kept, points[-1]]


def _through(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{one:g} {other:g}" for one, other in points)


def _stepped(points: Sequence[tuple[float, float]]) -> str:
    first, *rest = points
    return f"M{first[0]:g} {first[1]:g}" + "".join(f"H{one:g}V{other:g}" for one, other in rest)
