"""Numbers of several rollouts as arrays with a row for each; of one alone without that axis.

Numpy calculates with numbers of the empty shape faster than with an array that holds one.
"""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np

from policies.guards import betting
from policies.guards.betting import Array
from policies.guards.noise import PROVISIONAL, Noise


def column(values: Sequence[Any]) -> Any:
    """A number or a tuple of numbers for each rollout."""
    return values[0] if len(values) == 1 else values


def array(values: Sequence[Any]) -> Array:
    """The same as an array."""
    return betting.array(column(values))


def rows(columns: Sequence[Array], count: int) -> Iterable[Sequence[Any]]:
    """Plain numbers again, of each of so many rollouts one of each column."""
    plain = [column.tolist() for column in columns]
    return [plain] if count == 1 else zip(*plain, strict=True)


def noise(noises: Sequence[Noise], *, columns: bool = False) -> Noise:
    """The noise of each, standing where one number stands: the spread as a column, to meet the axis
    of alternatives; with `columns` the burst too, where a gain and not a count is divided by it."""
    if len(noises) < 2 or all(one is noises[0] for one in noises):
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
