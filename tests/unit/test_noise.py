"""Noise, by its formulas: small sums that were worked out by hand, and the limits of what is learned."""

import math

import pytest

from policies.guards import noise
from policies.guards.noise import BLOCK, LONG, PROVISIONAL, Bunching, Moments, Noise, Pair

SURE = Bunching(squares=100.0, information=100.0)  # phi is 1, and nothing is left to luck


def test_a_moment_is_how_far_an_arm_is_from_its_share_and_how_much_that_can_tell():
    # 4 bad events, of which a quarter are expected: 3 - 1, and 4 * 1/4 * 3/4.
    assert Pair(0.0, 3, 100, 1, 300).moment() == (2.0, 0.75)
    assert Pair(0.0, 0, 100, 2, 100).moment() == (-1.0, 0.5)
    assert Pair(0.0, 2, 100, 0, 100).moment() == (1.0, 0.5)


@pytest.mark.parametrize(
    "numbers",
    [
        (0, 10, 0, 10),
        (1, 0, 1, 10),
        (1, 10, 1, 0),
        (-1, 10, 5, 10),
        (1, 10, 1, math.inf),
        (1, math.nan, 1, 9),
    ],
)
def test_what_tells_nothing_or_is_no_count_has_no_moment(numbers):
    assert Pair(0.0, *numbers).moment() is None
    assert Pair(math.inf, 3, 100, 1, 300).moment() is None


def test_moments_are_sums_and_those_of_blocks_by_their_numbers():
    last = BLOCK - 1
    pairs = [
        Pair(0.0, 3, 100, 1, 300), Pair(last, 0, 100, 2, 100), Pair(5.0, 1, 0, 1, 9), Pair(BLOCK, 2, 9, 0, 9),
    ]  # fmt: skip
    found = noise.moments(pairs)
    assert found.blocks == {0: (1.0, 1.25), 1: (1.0, 0.5)}
    assert found.bunching == Bunching(6.0, 1.75, 18.0, 2**2 * 0.75 + 2 * 0.5, 0.75**2 + 2 * 0.25)
    halves = noise.moments(pairs[:1]).bunching.with_(noise.moments(pairs[1:]).bunching)
    assert halves == found.bunching


def test_bad_events_come_in_bunches_as_far_as_squares_exceed_what_chance_has():
    assert Bunching(300.0, 100.0).ratio == 3.0
    assert Bunching(50.0, 100.0).ratio == 1.0
    assert Bunching(50.0, 0.0).ratio == 1.0


@pytest.mark.parametrize(
    "known",
    [
        Bunching(150.0, 100.0, 625.0),
        # The same spread of s^2 - 1.5 v, of other sums: 625 is also 1225 - 2 * 1.5 * 350 + 1.5^2 * 200.
        Bunching(150.0, 100.0, 1225.0, 350.0, 200.0),
    ],
)
def test_an_excess_of_twice_its_error_counts_half_and_what_counts_is_enlarged(known):
    # The error of phi is sqrt(625) / 100, a quarter; phi - 1 is a half: z is 2, and z^4 / (16 + z^4) a half.
    assert known.certain == pytest.approx(0.5)
    assert known.burst == pytest.approx(1 + 1.1 * 0.5 * 0.5)


def test_an_excess_without_an_error_is_certain_and_no_excess_is_none():
    assert Bunching(300.0, 100.0).certain == 1.0
    assert Bunching(100.0, 100.0).certain == 0.0
    assert Bunching(100.0, 100.0, 625.0).certain == 0.0
    assert Bunching(3.0, 0.0, 625.0).certain == 0.0
    assert Bunching(1e6, 100.0).burst == noise.MOST_BURST


def blocks(number, score, information=25.0, apart=1):
    """Blocks whose scores lie that far from none, to the one side and to the other."""
    return {apart * key: (score if key % 2 else -score, information) for key in range(number)}


def test_little_is_not_learned_from():
    enough = Moments(SURE, blocks(noise.LEAST_BLOCKS, 5.0))
    assert not noise.of(enough).provisional
    assert noise.of(Moments(SURE, blocks(noise.LEAST_BLOCKS - 1, 5.0))) == PROVISIONAL
    least = Bunching(noise.LEAST_INFORMATION, noise.LEAST_INFORMATION)
    assert not noise.of(Moments(least, enough.blocks)).provisional
    assert noise.of(Moments(Bunching(19.9, 19.9), enough.blocks)) == PROVISIONAL


def test_the_luck_of_blocks_is_what_scores_have_beyond_chance_shrunk_and_enlarged():
    """By hand: 40 scores of 20 where 5 is usual have sigma^2 of (400 - 25) / 25^2, which is 16 times what is
    usual. With 40 / 1.5 degrees of freedom that is a deviate of 16.7, and may be 1.678 times as much."""
    found = noise.of(Moments(SURE, blocks(40, 20.0)))
    assert found.spread == pytest.approx(math.sqrt(1.44 * 0.6 * 1.678), rel=0.001)
    assert (found.burst, found.block, found.calm, found.provisional) == (1.0, BLOCK, False, False)


def test_a_burst_explains_its_part_of_what_blocks_show():
    bursty = Bunching(200.0, 100.0)  # counts are divided by 2.1
    found = noise.of(Moments(bursty, blocks(40, 20.0)))
    assert found.burst == pytest.approx(2.1)
    # (400 - 2.1 * 25) / 625, and 400 is 7.6 times 2.1 * 25: a deviate of 10.7, which is certain to 0.9988.
    assert found.spread == pytest.approx(math.sqrt(1.44 * 0.556 * 0.9988 * (1 + 0.678 * 0.9976)), rel=0.001)


def test_luck_that_has_the_sign_of_the_block_before_lasts_longer():
    lasting = {key: (20.0 if key // LONG % 2 else -20.0, 25.0) for key in range(60)}
    assert noise.of(Moments(SURE, lasting)).block == LONG * BLOCK
    assert noise.of(Moments(SURE, blocks(60, 20.0))).block == BLOCK
    # Blocks with gaps between them are not in a row.
    assert noise.of(Moments(SURE, {2 * key: one for key, one in lasting.items()})).block == BLOCK


def test_luck_of_one_sign_throughout_has_the_spread_of_blocks_three_times_as_long():
    same = dict.fromkeys(range(60), (20.0, 25.0))
    found = noise.of(Moments(SURE, same))
    # 58 rows of three in a row: (3600 - 75) / 75^2, of 58 / 3 that do not overlap, 48 times what is usual.
    more = (1 - 2 / (9 * 58 / 4.5) - 1.645 * math.sqrt(2 / (9 * 58 / 4.5))) ** -3
    assert found.block == LONG * BLOCK
    assert found.spread == pytest.approx(math.sqrt(1.44 * 3525 / 5625 * more), rel=0.001)


def test_no_more_luck_than_chance_has_is_calm_and_its_spread_is_the_least():
    assert noise.of(Moments(SURE, blocks(40, 5.0))) == Noise(1.0, noise.LEAST_SPREAD, False, BLOCK, True)


def test_luck_beyond_all_measure_is_cut():
    assert noise.of(Moments(SURE, blocks(40, 500.0))).spread == noise.MOST_SPREAD
    assert noise.of(Moments(SURE, dict.fromkeys(range(40), (0.0, 0.0)))).spread == noise.LEAST_SPREAD


@pytest.mark.parametrize("certain", ["bursts", "blocks"])
def test_what_is_certain_in_bursts_or_in_blocks_is_not_calm(certain):
    fine = Bunching(150.0, 100.0, 1e6)  # an excess that luck explains
    wild = Bunching(150.0, 100.0, 25.0)
    known = Moments(wild if certain == "bursts" else fine, blocks(40, 20.0 if certain == "blocks" else 5.0))
    assert not noise.of(known).calm
    assert noise.of(Moments(fine, blocks(40, 5.0))).calm
