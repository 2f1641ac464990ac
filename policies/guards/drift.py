"""Do the two versions' scores (or anything else in bins) differ? Advice only: a difference is not a harm.

A better model answers differently, so this guard never says harm and never clears anything: it has no
part in the budget of false rollbacks and none in the weight. It is shown. It must not be compared with
rules of thumb for PSI, which alarm by sample size alone: without any drift PSI is about
`(bins - 1) (1/n + 1/m)`, and that much is taken off what is shown here.

Formula: the label bets of `histogram` with plug-in factors `rho_j = q_j / p_j` from the past only, where
the candidate's past bins are drawn to the common ones by 30 pseudo-counts; E starts at 1 and is one
bet, valid at any time (Turner, Ly, Gruenwald 2024).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from policies.guards import betting
from policies.guards.betting import Array
from policies.guards.increment import ABSURD

PSEUDO = 30.0
MOST_BINS = 50  # of a state that stays small; an adapter merges finer ones
ALARM = math.log(1000)  # above, it is said in words; nothing follows from it


@dataclass(frozen=True, slots=True)
class Scored:
    """Counts per bin in one interval, for the guard of that name; the same bins on both sides."""

    sequence: int
    at: float
    guard: str
    candidate: tuple[float, ...]
    stable: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class DriftState:
    """Both sides' counts per bin so far, and the bet. `gap`: why the last look told nothing, if so."""

    candidate: tuple[float, ...] = ()
    stable: tuple[float, ...] = ()
    log_e: float = 0.0
    log_peak: float = 0.0
    gap: str | None = None


def wrong_with(what: Scored) -> str | None:
    """Why these cannot be counts in the same bins; None if they can."""
    if len(what.candidate) != len(what.stable) or not 2 <= len(what.candidate) <= MOST_BINS:
        return f"the two versions' bins differ, or they are not 2 to {MOST_BINS}"
    if not math.isfinite(what.at):
        return "the time of the scores is not a time"
    counts = (*what.candidate, *what.stable)
    return None if all(0 <= n <= ABSURD for n in counts) else "a count of scores is not a count"


def update(state: DriftState, what: Scored) -> DriftState:
    """After one interval. Other bins than before: it begins anew."""
    if len(state.candidate) != len(what.candidate):
        state = DriftState((0.0,) * len(what.candidate), (0.0,) * len(what.stable))
    x, y = betting.array(what.candidate), betting.array(what.stable)
    mine, theirs = betting.array(state.candidate), betting.array(state.stable)
    n, m = float(x.sum()), float(y.sum())
    gain = _gain(mine, theirs, x, y, n / (n + m)) if n > 0 and m > 0 and theirs.sum() > 0 else 0.0
    log_e = state.log_e + gain
    return DriftState(
        tuple((mine + x).tolist()),
        tuple((theirs + y).tolist()),
        log_e,
        max(state.log_peak, log_e),
    )


def _gain(mine: Array, theirs: Array, x: Array, y: Array, share: float) -> float:
    pool = (mine + theirs + 0.5) / (mine + theirs + 0.5).sum()
    p = (theirs + PSEUDO * pool) / (theirs.sum() + PSEUDO)
    q = (mine + PSEUDO * pool) / (mine.sum() + PSEUDO)
    factors = q / p
    return float((x * np.log(factors) - (x + y) * np.log1p(share * (factors - 1))).sum())


def distance(state: DriftState) -> float:
    """The population stability index without what chance alone makes of it; 0 while nothing is known."""
    n, m = sum(state.candidate), sum(state.stable)
    if n <= 0 or m <= 0:
        return 0.0
    q = (betting.array(state.candidate) + 0.5) / (n + 0.5 * len(state.candidate))
    p = (betting.array(state.stable) + 0.5) / (m + 0.5 * len(state.stable))
    found = float(((q - p) * np.log(q / p)).sum())
    return max(0.0, found - (len(state.stable) - 1) * (1 / n + 1 / m))


def to_json(what: Scored) -> dict[str, Any]:
    """A plain mapping, exact to the last bit, for the store."""
    head = [what.sequence, what.at, what.guard]
    return {"scored": head, "candidate": list(what.candidate), "stable": list(what.stable)}


def from_json(row: Mapping[str, Any]) -> Scored:
    """What `to_json` wrote."""
    sequence, at, guard = row["scored"]
    return Scored(sequence, at, guard, tuple(row["candidate"]), tuple(row["stable"]))
