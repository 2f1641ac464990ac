"""What true labels say of both versions: the food of the guards that judge answers, not requests.

They come beside a rollout's `Increment`s, in the same order of sequences, so that everything can be
replayed. Of a cohort the totals so far are told, as often as one likes, until it is ripe; of pairs
what came since the last time. Nothing is joined here: who answered which request is known before.
"""

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

from policies.guards.increment import ABSURD


@dataclass(frozen=True, slots=True)
class Pairs:
    """Requests that both versions answered, with a label: how many, and who alone was wrong."""

    pairs: float
    only_candidate: float
    only_stable: float
    both_wrong: float


@dataclass(frozen=True, slots=True)
class Cohort:
    """Requests answered in a stretch of time that ended at `ended`: labels so far, and wrong answers."""

    ended: float
    labels: float
    wrong: float
    stable_labels: float
    stable_wrong: float


@dataclass(frozen=True, slots=True)
class Labelled:
    """News for the guard of that name; either `pairs` or `cohorts`."""

    sequence: int
    at: float
    guard: str
    pairs: Pairs | None = None
    cohorts: tuple[Cohort, ...] = ()


def wrong_with(what: Labelled) -> str | None:
    """Why these cannot be counts of labels; None if they can."""
    if not math.isfinite(what.at):
        return "the time of the labels is not a time"
    rows = [astuple(one) for one in what.cohorts] + ([astuple(what.pairs)] if what.pairs else [])
    if not all(math.isfinite(value) for row in rows for value in row):
        return "a count of labels is not a number"
    counts = [row[1:] for row in rows[: len(what.cohorts)]] + rows[len(what.cohorts) :]
    if not all(0 <= value <= ABSURD for row in counts for value in row):
        return "a count of labels is not a count"
    if any(c.wrong > c.labels or c.stable_wrong > c.stable_labels for c in what.cohorts):
        return "more wrong answers than labels"
    pairs = what.pairs
    if pairs and pairs.only_candidate + pairs.only_stable + pairs.both_wrong > pairs.pairs:
        return "more wrong answers than labels"
    return None


def to_json(what: Labelled) -> dict[str, Any]:
    """A plain mapping, exact to the last bit, for the store."""
    return {
        "labelled": [what.sequence, what.at, what.guard],
        "pairs": None if what.pairs is None else list(astuple(what.pairs)),
        "cohorts": [list(astuple(one)) for one in what.cohorts],
    }


def from_json(row: Mapping[str, Any]) -> Labelled:
    """What `to_json` wrote."""
    pairs = None if row["pairs"] is None else Pairs(*row["pairs"])
    sequence, at, guard = row["labelled"]
    return Labelled(sequence, at, guard, pairs, tuple(Cohort(*one) for one in row["cohorts"]))
