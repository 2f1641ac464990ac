"""The interval of a ratio: exactly where it ends, by likelihoods made for it."""

import math

import numpy as np
import pytest

from policies.guards import ratios
from policies.guards.ratios import GRID


def steep(top, fall):
    """Log likelihoods with their top at that place of the grid, from which they fall by a parabola."""
    return tuple(-fall * (place - top) ** 2 for place in range(len(GRID)))


def exact(logs, fall, top):
    """Where that parabola passes the level, in places of the grid before and behind its top."""
    level = math.log(sum(math.exp(one) for one in logs) / len(logs) * 0.05)
    return top, math.sqrt(-level / fall)


def test_the_grid_goes_by_half_octaves_from_an_8th_to_128():
    assert len(GRID) == 21
    assert (GRID[0], GRID[ratios.TOLERATED], GRID[-1]) == (1 / 8, 1.0, 128.0)


@pytest.mark.parametrize("fall", [0.1, 0.3, 2.0, 20.0])
@pytest.mark.parametrize("top", [9.0, 10.0, 11.4])
def test_it_ends_outside_of_what_is_likely_and_inside_of_the_next_one_that_is_not(top, fall):
    logs = steep(top, fall)
    middle, half = exact(logs, fall, top)
    low, high = (6 + 2 * math.log2(bound) for bound in ratios.interval(logs, 1.0))
    assert math.floor(middle - half) <= low <= middle - half
    assert middle + half <= high <= math.ceil(middle + half)


def test_between_two_it_ends_on_the_line_through_the_two_before():
    logs = [-100.0] * 21
    logs[10], logs[11], logs[12], logs[13], logs[14], logs[15] = -30.0, -10.0, 0.0, 0.0, -8.0, -24.0
    level = math.log((2 + math.exp(-8) + math.exp(-10)) / 21 * 0.05)
    low, high = ratios.interval(logs, 1.0)
    assert low == pytest.approx(2 ** ((11 + (level + 10) / 20 - 6) / 2))
    assert high == pytest.approx(2 ** ((14 - (level + 8) / 16 - 6) / 2))


def test_it_is_relative_to_what_is_tolerated():
    logs = steep(6.0, 1.0)
    assert ratios.interval(logs, 1.3) == pytest.approx([1.3 * one for one in ratios.interval(logs, 1.0)])


def test_an_end_of_the_grid_that_is_likely_is_or_less_or_or_more():
    rising, falling = tuple(3.0 * place for place in range(21)), tuple(-3.0 * place for place in range(21))
    assert ratios.interval(rising, 1.0)[1] == 128.0
    assert ratios.interval(rising, 1.0)[0] > 32.0
    assert ratios.interval(falling, 1.0)[0] == 0.0
    assert ratios.interval(falling, 1.0)[1] < 1 / 2


def test_the_place_before_the_first_likely_one_is_its_bound_where_there_is_no_line():
    logs = [-100.0, 0.0, *np.arange(-9.0, -9.0 * 20, -9.0)]
    assert ratios.interval(logs, 1.0)[0] == GRID[0]
    flat = [-100.0] * 12 + [0.0] + [-100.0] * 8
    assert ratios.interval(flat, 1.0) == (GRID[11], GRID[13])


def test_nothing_seen_is_no_interval_and_less_certainty_a_wider_one():
    assert ratios.interval((0.0,) * 21, 1.0) is None
    low, high = ratios.interval(steep(6.0, 0.5), 1.0, 0.2)
    wide_low, wide_high = ratios.interval(steep(6.0, 0.5), 1.0)
    assert wide_low < low < 1 < high < wide_high
