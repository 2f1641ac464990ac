"""How many times stable's rate the candidate's is, as people are shown it: an interval, right at any time.

All ratios psi of a grid with `log mean of likelihoods - log likelihood(psi) < log(1/miss)` (Robbins' mixture,
Lindon & Malek 2022), and what lies between them as far as it is not excluded for certain. Nothing is decided
by it.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from policies.guards import betting
from policies.guards.betting import Array

GRID: Array = np.exp2(0.5 * np.arange(-6, 15, dtype=np.float64))  # to what is tolerated: 1/8 ... 128
TOLERATED = int(np.flatnonzero(GRID == 1)[0])
MISS = 0.05  # how often the interval may ever exclude the truth


def known(fits: ArrayLike) -> Array:
    """Stored log likelihoods of the grid (last axis); older code had one more between each two, and lower
    ones."""
    logs = betting.array(fits)
    return logs[..., 1 - 2 * len(GRID) :: 2] if logs.shape[-1] > len(GRID) else logs


def interval(fits: Sequence[float], tolerated: float, miss: float = MISS) -> tuple[float, float] | None:
    """Candidate's rate divided by stable's; None while every ratio is possible.

    0 stands for "or less", 128 times what is tolerated for "or more".
    """
    logs = known(fits).tolist()
    top = max(logs)
    level = top + math.log(sum(math.exp(one - top) for one in logs) * miss / len(GRID))
    low, high = _passed(logs, level), _passed(logs[::-1], level)
    if low is None and high is None:
        return None
    least = 0.0 if low is None else tolerated * _at(low)
    return least, tolerated * _at(len(GRID) - 1 - (high or 0.0))


def _passed(logs: Sequence[float], level: float) -> float | None:
    """Where along the grid log likelihoods rise above that level, or before; None where they begin above.

    They are concave: so between two of the grid they are below the line through the two before.
    """
    inside = next(place for place, one in enumerate(logs) if one > level)
    if inside == 0:
        return None
    before, last = logs[max(inside - 2, 0)], logs[inside - 1]
    return inside - 1 + ((level - last) / (last - before) if last > before else 0.0)


def _at(place: float) -> float:
    return float(GRID[0]) * 2 ** (place / 2)
