"""Numbers of several rollouts as arrays with a row for each; of one alone without that axis.

Numpy calculates with numbers of the empty shape faster than with an array that holds one.
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from policies.guards import betting
from policies.guards.betting import Array
from policies.guards.noise import PROVISIONAL, Noise


def column(values: Sequence[Any]) -> Array:
    """A number or a tuple of numbers for each rollout."""
    return betting.array(values[0] if len(values) == 1 else values)


def told(part: Array, count: int) -> list[Any]:
    """The same again as plain numbers, of so many rollouts."""
    return [part.tolist()] if count == 1 else cast("list[Any]", part.tolist())


def noise(noises: Sequence[Noise], *, columns: bool = False) -> Noise:
    """The noise of each, standing where one number stands: the spread as a column, to meet the axis
    of alternatives; with `columns` the burst too, where a gain and not a count is divided by it."""
    if not noises or all(one is noises[0] for one in noises):
        return noises[0] if noises else PROVISIONAL
    burst = np.array([one.burst for one in noises])
    spread = np.array([one.spread for one in noises])[:, None]
    burst = burst[:, None] if columns else burst
    block, calm = np.array([one.block for one in noises]), np.array([one.calm for one in noises])
    return Noise(
        cast("float", burst),
        cast("float", spread),
        provisional=False,
        block=cast("float", block),
        calm=cast("bool", calm),
    )
