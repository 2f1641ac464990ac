"""A picture as a value: what is drawn, in data and words, before anybody draws it.

`service.showing.drawing` draws panels, and so does a browser (`service.pages.chart`); nothing here knows how.
Tones say what something *is*, so that one thing has one colour in every picture.
"""

from dataclasses import dataclass, field
from enum import StrEnum

Points = tuple[tuple[float, float], ...]


class Tone(StrEnum):
    """What a line stands for."""

    CANDIDATE = "candidate"
    STABLE = "stable"
    ALL = "all"  # everything together
    THIRD = "third"  # further lines, in this order
    FOURTH = "fourth"
    FIFTH = "fifth"
    HARM = "harm"  # a bound, and what is beyond it
    HOLD = "hold"
    MUTED = "muted"


@dataclass(frozen=True, slots=True)
class Line:
    """Points from left to right; `stepped`: a value holds until the next point."""

    words: str
    points: Points
    tone: Tone
    stepped: bool = False
    thin: bool = False
    filled: bool = False  # also down to the axis


@dataclass(frozen=True, slots=True)
class Band:
    """A range around something: (x, low, high)."""

    points: tuple[tuple[float, float, float], ...]
    tone: Tone


@dataclass(frozen=True, slots=True)
class Level:
    """A line across at `y`, with words on it; `beyond` shades what lies above."""

    words: str
    y: float
    tone: Tone
    beyond: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """A line down at `x`, with words beside it."""

    words: str
    x: float
    tone: Tone


@dataclass(frozen=True, slots=True)
class Axis:
    """`words` say what is measured. `ticks` are (value, what stands there); None: as numbers fall."""

    words: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    ticks: tuple[tuple[float, str], ...] | None = None
    percent: bool = False  # shares are written as percent
    seconds: bool = False  # durations are written in a fitting unit


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. `says` is what somebody who cannot see it is told."""

    title: str
    says: str
    x: Axis
    y: Axis
    lines: tuple[Line, ...] = ()
    bands: tuple[Band, ...] = ()
    levels: tuple[Level, ...] = ()
    moments: tuple[Moment, ...] = ()
    spans: tuple[tuple[float, float], ...] = field(default=())  # (from, to) shaded: nothing is known there
