"""Both versions answered the same requests: is the candidate worse on them? Before any user sees it.

Copies of requests give pairs; how many of them are bad for only one version, or for both, is all that
counts, so every test's state is a few sums and its evidence a function of them: a mixture of bets that
are fixed from the start, which may be looked at at any time. There is no late onset here: the shadow is
short. A pair whose copy came to nothing says nothing, and is counted as lost.

Formulas, each with expectation at most 1 under its null, whatever the rates are:
worse than stable by a factor g (C, S: bad for the candidate, for stable): `1 + lam (C - g S)`, the paired
form of `quality` (Waudby-Smith, Ramdas 2024; with g = 1 a sequential McNemar test);
more often than a limit p: `r^x / (1 + p (r - 1))^n`, as in `slo`; over classes, a mixture with weights
1/2, 1/6, 1/12, ... in the order in which they came (a class has its weight before it has an outcome).
"""

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np

from policies.guards import betting
from policies.guards.betting import Array
from policies.guards.increment import ABSURD
from policies.guards.quality import LIFTS, LOG_PRIOR

MOST_CLASSES = 50  # what comes beyond is one class together
OTHERS = "others"
_FACTORS: Array = 1 + LIFTS  # by how much more often than the limit


@dataclass(frozen=True, slots=True)
class Tally:
    """For the test of that name: pairs, and for which versions they were bad. With a limit only
    `only_candidate` counts: pairs that differ."""

    guard: str
    pairs: float
    only_candidate: float
    only_stable: float = 0.0
    both: float = 0.0


@dataclass(frozen=True, slots=True)
class Classed:
    """Of the pairs in which stable said `name`: how many, and in how many the candidate said otherwise."""

    name: str
    pairs: float
    flipped: float


@dataclass(frozen=True, slots=True)
class Paired:
    """What copies brought since the last time; `lost` are requests whose copies came to nothing."""

    sequence: int
    at: float
    pairs: float
    lost: float
    tallies: tuple[Tally, ...]
    classes: tuple[Classed, ...] = ()


@dataclass(frozen=True, slots=True)
class PairedState:
    """One test's sums and its evidence. `names` and `classes` (pairs, flipped, ...) are of tests by class."""

    pairs: float = 0.0
    only_candidate: float = 0.0
    only_stable: float = 0.0
    both: float = 0.0
    log_e: float = 0.0
    log_peak: float = 0.0
    names: tuple[str, ...] = ()
    classes: tuple[float, ...] = ()

    @property
    def classed(self) -> tuple[Classed, ...]:
        """The classes, in the order in which they came."""
        pairs, flipped = self.classes[::2], self.classes[1::2]
        return tuple(map(Classed, self.names, pairs, flipped))


def wrong_with(what: Paired) -> str | None:
    """Why these cannot be counts of pairs; None if they can."""
    rows = [astuple(one)[1:] for one in what.tallies] + [astuple(one)[1:] for one in what.classes]
    counts = [what.pairs, what.lost, *(value for row in rows for value in row)]
    if not math.isfinite(what.at) or not all(0 <= value <= ABSURD for value in counts):
        return "a count of pairs is not a count"
    if any(t.only_candidate + t.only_stable + t.both > t.pairs for t in what.tallies):
        return "more bad pairs than pairs"
    if any(c.flipped > c.pairs for c in what.classes):
        return "more other answers than pairs"
    return None


def compared(state: PairedState, tally: Tally, growth: float) -> PairedState:
    """After some more pairs, in a test whether bad is more than `growth` times as frequent as with stable."""
    state = _added(state, tally)
    lam = LIFTS / (2 + LIFTS) / growth
    gains = (
        state.only_candidate * np.log1p(lam)
        + state.only_stable * np.log1p(-lam * growth)
        + state.both * np.log1p(lam * (1 - growth))
    )
    return _told(state, _mixed(gains))


def limited(state: PairedState, tally: Tally, limit: float) -> PairedState:
    """After some more pairs, in a test whether more than `limit` of them differ."""
    state = _added(state, tally)
    return _told(state, against(state.only_candidate, state.pairs, limit))


def by_class(state: PairedState, classes: tuple[Classed, ...], limit: float) -> PairedState:
    """After some more pairs, in a test whether more than `limit` of any class's differ."""
    known = {one.name: one for one in state.classed}
    for one in classes:
        name = one.name if one.name in known or len(known) < MOST_CLASSES else OTHERS
        old = known.get(name, Classed(name, 0.0, 0.0))
        known[name] = Classed(name, old.pairs + one.pairs, old.flipped + one.flipped)
    weights = [1 / (nth * (nth + 1)) for nth in range(1, len(known) + 1)]
    logs = [math.log1p(-sum(weights))] if weights else [0.0]
    for weight, one in zip(weights, known.values(), strict=True):
        logs.append(math.log(weight) + against(one.flipped, one.pairs, limit))
    state = replace(
        state,
        pairs=sum(one.pairs for one in known.values()),
        only_candidate=sum(one.flipped for one in known.values()),
        names=tuple(known),
        classes=tuple(value for one in known.values() for value in (one.pairs, one.flipped)),
    )
    return _told(state, float(betting.log_sum(betting.array(logs))))


def against(bad: float, pairs: float, limit: float) -> float:
    """log E of so many bad ones against a limit."""
    return _mixed(bad * np.log(_FACTORS) - pairs * np.log1p(limit * (_FACTORS - 1)))


def _mixed(gains: Array) -> float:
    return float(betting.log_sum(gains + LOG_PRIOR))


def _added(state: PairedState, tally: Tally) -> PairedState:
    return replace(
        state,
        pairs=state.pairs + tally.pairs,
        only_candidate=state.only_candidate + tally.only_candidate,
        only_stable=state.only_stable + tally.only_stable,
        both=state.both + tally.both,
    )


def _told(state: PairedState, log_e: float) -> PairedState:
    return replace(state, log_e=log_e, log_peak=max(state.log_peak, log_e))


def to_json(what: Paired) -> dict[str, Any]:
    """A plain mapping, exact to the last bit, for the store."""
    return {
        "paired": [what.sequence, what.at, what.pairs, what.lost],
        "tallies": [list(astuple(one)) for one in what.tallies],
        "classes": [list(astuple(one)) for one in what.classes],
    }


def from_json(row: Mapping[str, Any]) -> Paired:
    """What `to_json` wrote."""
    sequence, at, pairs, lost = row["paired"]
    tallies = tuple(Tally(*one) for one in row["tallies"])
    return Paired(sequence, at, pairs, lost, tallies, tuple(Classed(*one) for one in row["classes"]))
