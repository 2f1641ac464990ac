"""Noise from stored increments of two equal arms: by each guard's own counts, and for how long luck lasts."""

import math

import numpy as np
import pytest

from policies.guards import noise
from policies.guards.increment import Arm, Gap, Increment
from policies.guards.learning import learn
from policies.spec.declaration import Guard, GuardKind

BOUNDS = (0.1, 0.5)
GUARDS = (
    Guard("errors", GuardKind.ERRORS),
    Guard("latency", GuardKind.LATENCY),
    Guard("late", GuardKind.LATENCY, slower_than=0.1),
    Guard("alive", GuardKind.ALIVE),
)


def arm(dice, luck):
    slow = min(0.04 * luck, 0.5)
    buckets = dice.multinomial(500, [0.8 - slow, 0.2, slow])
    return Arm(500.0, float(dice.binomial(500, 0.02)), tuple(map(float, buckets)))


def history(sigma=0.0, block=300.0, scrapes=1440, seed=1):
    """Four hours of 10 s scrapes; one arm's slow requests have luck that lasts for a block."""
    dice, luck, rows = np.random.default_rng(seed), 1.0, []
    for number in range(scrapes):
        at = 10.0 * number
        if at % block == 0:
            luck = float(np.exp(dice.normal(0, sigma)))
        rows.append(Increment(number, at, 10.0, 50.0, arm(dice, luck), arm(dice, 1.0), BOUNDS))
    return rows


def test_each_betting_guard_learns_by_its_own_counts():
    found = learn(GUARDS, history(sigma=0.5))
    assert set(found) == {"errors", "latency", "late"}
    assert not any(one.provisional for one in found.values())
    assert found["errors"].spread < 0.2
    assert 0.4 < found["latency"].spread < 1.0


def test_luck_that_lasts_longer_is_learned_as_longer():
    assert learn(GUARDS, history(sigma=0.5, block=900.0, scrapes=2880))["latency"].block == 900.0
    assert learn(GUARDS, history())["latency"].block == noise.BLOCK


def test_without_enough_history_or_durations_it_is_provisional():
    short = learn(GUARDS, history(scrapes=20))
    gaps = [Gap(number, float(number), "why", silent=True) for number in range(9)]
    without = [Increment(i, 10.0 * i, 10.0, 50.0, Arm(500, 10), Arm(500, 9)) for i in range(1440)]
    assert all(one.provisional for one in short.values())
    assert all(one.provisional for one in learn(GUARDS, gaps).values())
    assert learn(GUARDS, without)["latency"].provisional
    assert learn(GUARDS, without)["late"].provisional
    assert not learn(GUARDS, without)["errors"].provisional


def test_arms_alone_and_nonsense_teach_nothing():
    alone = [Increment(i, 10.0 * i, 10.0, 100.0, Arm(500, 10), None) for i in range(1440)]
    wrong = [Increment(i, 10.0 * i, 10.0, 50.0, Arm(5, 10), Arm(5, 1)) for i in range(1440)]
    assert learn(GUARDS, alone)["errors"].provisional
    assert learn(GUARDS, wrong)["errors"].provisional


@pytest.mark.parametrize(
    ("quantile", "freedom", "deviate"), [(11.0705, 5, 1.645), (23.2093, 10, 2.326), (0.5543, 5, -2.326)]
)
def test_a_variance_of_few_blocks_is_as_unusual_as_chi_square_says(quantile, freedom, deviate):
    """Quantiles of 95 %, 99 % and 1 %, as tables of chi-square have them."""
    assert noise._deviate(quantile / freedom, freedom) == pytest.approx(deviate, abs=0.08)


def test_short_histories_of_luck_alone_leave_little_noise():
    """By plain standard errors one in fifteen of these were uneasy, which is the skew of few squares."""
    dice = np.random.default_rng(12)

    def learned(rows):
        """Of each block, its score and information; of nothing else."""
        fine = noise.Bunching(squares=1e3, information=1e3, fourths=3e3, mixed=1e3, information_squares=1e3)
        return noise.of(noise.Moments(fine, {key: (score, 25.0) for key, score in enumerate(rows)}))

    alone = [learned(5.0 * dice.standard_normal(40)) for _ in range(300)]
    uneasy = sum(not one.calm for one in alone)
    assert 0 < uneasy <= 0.03 * len(alone)
    # Luck of 0.6 a block adds 0.36 * 25^2 to a score's variance of 25.
    noisy = [learned(math.sqrt(25 + 0.36 * 625) * dice.standard_normal(40)) for _ in range(300)]
    assert sum(one.spread < 0.4 or one.calm for one in noisy) == 0
