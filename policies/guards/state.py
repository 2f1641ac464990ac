"""Everything a judge remembers of one rollout, as plain numbers, and its exact form in JSON.

It is derived: the same increments in the same order give the same bits, so it may be thrown away and
rebuilt. No decision is made here.
"""

import struct
from base64 import b64decode, b64encode, b85decode
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, cast, get_origin

from policies.guards import rate, slo
from policies.guards.asked import AskedState, Part
from policies.guards.drift import DriftState
from policies.guards.heartbeat import HeartState
from policies.guards.histogram import HistogramState
from policies.guards.paired import PairedState
from policies.guards.quality import QualityState
from policies.guards.rate import RateState
from policies.guards.share import ShareState
from policies.guards.slo import SloState
from policies.guards.threshold import ThresholdState

T = TypeVar("T")
_MARK = "~"  # base 85, of older code: a little shorter, fifty times as slow; no base 64 begins so


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests and failed ones, since the bets began."""

    requests: float = 0.0
    errors: float = 0.0

    def plus(self, requests: float, errors: float) -> "Counts":
        return Counts(self.requests + requests, self.errors + errors)

    @property
    def rate(self) -> float | None:
        return self.errors / self.requests if self.requests > 0 else None


@dataclass(frozen=True, slots=True)
class JudgeState:
    """One rollout's guards after the scrape `sequence`; the tuples follow the plan's order.

    `split` (candidate's, all) requests since the weight last changed, `warm` the seconds since the
    candidate's first request. `storm` is the emergency guard of a warm-up beside stable, `emergency` the one
    without. `harm` names the guards that found harm, ever. `gap` is why the last
    interval said nothing, None if it spoke.
    """

    sequence: int
    at: float
    weight: float
    together: bool  # stable was beside the candidate in the last interval
    comparisons: tuple[RateState, ...]
    limits: tuple[SloState, ...]
    stable_limits: tuple[SloState, ...]
    emergency: SloState
    hearts: tuple[HeartState, ...]
    shares: tuple[ShareState, ...]
    thresholds: tuple[ThresholdState, ...]
    candidate: Counts = field(default_factory=Counts)
    stable: Counts = field(default_factory=Counts)
    split: tuple[float, float] = (0.0, 0.0)
    bounds: tuple[float, ...] = ()
    warm: float = -1.0
    harm: tuple[str, ...] = ()
    gap: str | None = None
    distributions: tuple[HistogramState, ...] = ()
    qualities: tuple[QualityState, ...] = ()
    drifts: tuple[DriftState, ...] = ()
    asked: tuple[AskedState, ...] = ()
    shadows: tuple[PairedState, ...] = ()
    copies: tuple[float, float] = (0.0, 0.0)  # pairs so far, and requests whose copies came to nothing
    storm: RateState = field(default_factory=lambda: rate.start(interval=False))


_MANY: dict[str, type] = {
    "comparisons": RateState,
    "distributions": HistogramState,
    "qualities": QualityState,
    "drifts": DriftState,
    "shadows": PairedState,
    "limits": SloState,
    "stable_limits": SloState,
    "hearts": HeartState,
    "shares": ShareState,
    "thresholds": ThresholdState,
}
_TESTS: dict[str, type] = {
    "rate": RateState,
    "quality": QualityState,
    "histogram": HistogramState,
    "slo": SloState,
}
_NAMES = {kind: name for name, kind in _TESTS.items()}
# What has not been fed yet is stored as null.
_FRESH: dict[str, Any] = {
    "comparisons": rate.start(),
    "limits": slo.start(),
    "stable_limits": slo.start(),
    "emergency": slo.start(),
    "storm": rate.start(interval=False),
}
_ONE: dict[str, type] = {"emergency": SloState, "storm": RateState, "candidate": Counts, "stable": Counts}


def to_json(state: JudgeState) -> dict[str, Any]:
    """A mapping of numbers, words and lists, in which a row of numbers is one text; all exact in JSON."""
    plain: dict[str, Any] = {}
    for name in JudgeState.__dataclass_fields__:
        value, fresh = getattr(state, name), _FRESH.get(name)
        if name == "asked":
            plain[name] = [_asked_row(each) for each in value]
        elif name in _MANY:
            plain[name] = [None if each == fresh else _row(each) for each in value]
        elif name in _ONE:
            plain[name] = None if value == fresh else _row(value)
        else:
            plain[name] = list(value) if isinstance(value, tuple) else value
    return plain


def from_json(plain: Mapping[str, Any]) -> JudgeState:
    """What `to_json` wrote, now or in an older version: a part that is not known any more is dropped."""
    known = {part.name for part in fields(JudgeState)}
    values: dict[str, Any] = {}
    for name, value in plain.items():
        if name not in known:
            continue
        if name == "asked":
            values[name] = tuple(map(_asked, value))
        elif name in _MANY:
            values[name] = tuple(_FRESH[name] if row is None else _value(_MANY[name], row) for row in value)
        elif name in _ONE:
            values[name] = _FRESH[name] if value is None else _value(_ONE[name], value)
        else:
            values[name] = tuple(value) if isinstance(value, list) else value
    return JudgeState(**values)


def _asked_row(value: AskedState) -> dict[str, Any]:
    parts = [[part.name, _NAMES[type(part.state)], _row(part.state)] for part in value.parts]
    return {"parts": parts, "seen": [list(pair) for pair in value.seen], "at": value.at, "gap": value.gap}


def _asked(plain: Mapping[str, Any]) -> AskedState:
    parts = tuple(Part(name, _value(_TESTS[kind], row)) for name, kind, row in plain["parts"])
    return AskedState(parts, tuple((name, n) for name, n in plain["seen"]), plain["at"], plain["gap"])


def _row(value: Any) -> dict[str, Any]:
    """Rows of numbers by their names, and all single floats in one row under all their names."""
    plain = {name: getattr(value, name) for name in value.__dataclass_fields__}
    single = {name: v for name, v in plain.items() if isinstance(v, float)}
    rest = {n: _texts_or_bits(v) if isinstance(v, tuple) else v for n, v in plain.items() if n not in single}
    return rest | ({" ".join(single): packed(tuple(single.values()))} if len(single) > 1 else single)


def _texts_or_bits(row: tuple[Any, ...]) -> str | list[str]:
    return list(row) if row and isinstance(row[0], str) else packed(row)


def _value(kind: type[T], row: Mapping[str, Any]) -> T:
    known = {part.name for part in fields(cast(Any, kind))}
    rows = {part.name for part in fields(cast(Any, kind)) if get_origin(part.type) is tuple}
    values: dict[str, Any] = {}
    for name, v in row.items():
        names = name.split()
        if len(names) > 1:
            values.update(zip(names, unpacked(v), strict=True))
        else:
            values[name] = unpacked(v) if name in rows else v
    return kind(**{name: v for name, v in values.items() if name in known})


def packed(numbers: tuple[float, ...]) -> str:
    """The bits of a row of numbers as a text: half as long as their digits."""
    return b64encode(struct.pack(f"<{len(numbers)}d", *numbers)).decode()


def unpacked(text: str | list[Any]) -> tuple[Any, ...]:
    """What `packed` wrote; older code wrote base 85 or lists of numbers. A list of texts is itself."""
    if isinstance(text, list):
        return tuple(text)
    raw = b85decode(text[1:]) if text.startswith(_MARK) else b64decode(text)
    return struct.unpack(f"<{len(raw) // 8}d", raw)
