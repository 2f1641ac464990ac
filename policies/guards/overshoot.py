"""What a bet could win beyond harm is of no use to anybody: it is bet on reaching harm instead.

Harm is found when the capital reaches a goal. What an interval may carry it beyond that is given up, and as
much as that is worth under the null is added to all smaller outcomes. It matters where an interval holds much
of what is needed, and where bad requests are few and each weighs much.

Source: Fischer and Ramdas (2024), "Improving the (approximate) sequential probability ratio test by avoiding
overshoot" (arXiv 2410.16076): with the capital E, a likelihood ratio L and `b >= 1`, `min(b L, goal / E)` in
the place of L, where b is such that its expectation is not above that of L.

Why false rollbacks stay within the budget, however often one looks:

* b is predictable: of the capital, the open block, the interval's requests and its bad ones of both versions
  together it is chosen, never of whose they are, which is the outcome of the bet. Whether it is chosen at all
  (`Noise.calm`) is known before the rollout, and kept with it.
* Given those, the capital has under the null, as expectation, at most what it was: it is a supermartingale
  still, and Ville's inequality holds for the goal and for every other bound; and so do means of it with other
  guards' (`budget`). The goal is where this guard would be harm by itself; another one would be as sound.
* The outcomes are those that can be: 0, 1, ... of the bad requests are the candidate's. Their chances are the
  model's (beta-binomial, as the open block has it) and also those of requests that know no luck (binomial),
  and b is the smaller of the two. Noise that a history makes too large costs a bet only requests; but it
  promises more beyond the goal than there is, and what that seems to be worth would be a gift.
* Where counts are divided by a burst, L has an expectation below 1. That is not given back: b restores what L
  has, and where L has more than 1 by one of the chances, 1.
* Where the candidate is better than the null allows, smaller outcomes are likelier still, and the capital
  rises with the outcome, so that the expectation is lower.

Where history shows noise nothing is added at all, as its chances are but a model's.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from policies.guards import betting
from policies.guards.betting import LOG_PRIOR, Array
from policies.guards.noise import Noise

NEAR = 4.0  # log: where the goal is further away, next to nothing is won beyond it
MOST = 64  # bad requests of an interval whose outcomes are worked out one by one; with more nothing is added
_CUT = 1 + 1e-9  # of the goal: so that a capital at the goal is not below it by a rounding

_NUMBERS: Array = np.arange(MOST + 1.0)
# By how many bad requests there are (row) and how many of them are the candidate's: how many are stable's,
_LEFT = np.maximum(_NUMBERS[:, None] - _NUMBERS, 0).astype(np.intp)
_LOG_FACTORIALS: Array = np.cumsum(np.log(np.maximum(_NUMBERS, 1)))
# ... and in how many ways that can be.
_LOG_WAYS: Array = np.where(
    _NUMBERS[:, None] >= _NUMBERS,
    _LOG_FACTORIALS[:, None] - _LOG_FACTORIALS - _LOG_FACTORIALS[_LEFT],
    -np.inf,
)


class Stand(NamedTuple):
    """Before an outcome is known: each alternative's log capital (last axis), with what joined it for a late
    onset, and the observed seconds after this interval, by which more of that is to come."""

    bets: Array
    after: Array


def factors(
    stand: Stand, goal: float, base: Array, total: Array, *, null: tuple[Array, Array], noise: Noise
) -> Array | None:
    """b of each rollout, None where it is 1 for all: far from the goal, and where noise is not calm.

    `base`: what lies in its urn (`betting.balls`), the null in the first place; `null`: its share and the
    rest.
    """
    if noise.calm is False or goal == np.inf:
        return None
    highest = np.maximum.reduce(stand.bets + LOG_PRIOR, axis=-1) - goal
    near = (highest > -NEAR) & (highest < 0) & noise.calm
    who = near & (total >= 1) & (total <= MOST) & (total == np.floor(total))
    if not np.count_nonzero(who):
        return None
    numbers = np.array((total, noise.burst + 0 * total, _kept(stand.after, goal), *null))[:, who]
    chances, ratios = _outcomes(base[:, who], numbers[0].astype(np.intp), np.log(numbers[3:]), numbers[1])
    placed = np.exp(stand.bets[who] + (LOG_PRIOR - goal))
    won = np.add.reduce(ratios * placed[:, None], axis=-1)
    found = np.ones(who.shape)
    found[who] = _factor(won, np.add.reduce(placed, axis=-1), numbers[2], chances)
    return found


def _outcomes(base: Array, total: NDArray[np.intp], log_null: Array, burst: Array) -> tuple[Array, Array]:
    """Of 0, 1, ... of the bad requests being the candidate's (the axis after that of rollouts): their chances
    under the null, by the model and without any luck, and each alternative's likelihood ratio (last axis)."""
    mine = _NUMBERS[: np.maximum.reduce(total) + 1]
    theirs = _LEFT[total, : len(mine)]
    rising = _rising_by_ones(base, mine)
    logs = _log_chances(rising, theirs, total)
    chances = np.empty((2, *theirs.shape))
    chances[0] = logs[..., 0]
    chances[1] = mine * log_null[0, :, None] + theirs * log_null[1, :, None]
    divided = burst != 1
    if np.count_nonzero(divided):
        parts = mine[:, None] / burst[divided][:, None, None]
        rising = betting.log_rising(base[:, divided, None] + 0 * parts, parts)
        logs[divided] = _log_chances(rising, theirs[divided], total[divided])
    chances = np.exp(chances + _LOG_WAYS[total, : len(mine)])
    return chances, np.exp(logs[..., 1:] - logs[..., :1])


def _rising_by_ones(base: Array, steps: Array) -> Array:
    """`betting.log_rising` of each of so many more, which are 0, 1, ...: sums of logarithms."""
    rising = np.zeros((*base.shape[:2], len(steps), base.shape[-1]))
    np.add.accumulate(np.log(base[:, :, None] + steps[:-1, None]), axis=2, out=rising[:, :, 1:])
    return rising


def _log_chances(rising: Array, theirs: NDArray[np.intp], total: NDArray[np.intp]) -> Array:
    """Log likelihoods of the outcomes: that many of all are not the candidate's."""
    rollout = np.arange(len(total))
    stable, both = rising[1][rollout[:, None], theirs], rising[2][rollout, total]
    return np.asarray(rising[0] + stable - both[:, None])


def _factor(won: Array, placed: Array, kept: Array, chances: Array) -> Array:
    """b by what the outcomes make of the capital that is placed, and what is kept for a later onset, all as
    parts of the goal.

    The goal cuts off the outcomes from some number on. Of a concave function made of lines the largest
    solution is right, so it need not be known from which.
    """
    mine, below = np.add.accumulate(chances * won, axis=-1), np.add.accumulate(chances, axis=-1)
    placed, kept = placed[:, None], kept[:, None]
    fair = np.minimum(placed, mine[..., -1:]) + kept
    best = np.maximum.reduce((fair - _CUT + below * (_CUT - kept)) / mine, axis=-1)
    return np.where((placed + kept)[:, 0] < 1, np.maximum(np.minimum(best[0], best[1]), 1.0), 1.0)


def lifted(bets: Array, after: Array, goal: float, factor: Array | None) -> Array:
    """Log capital of each alternative after the outcome: times the factor, and no more than the goal in all.

    A factor of 1 changes nothing, also where the gains went beyond the goal.
    """
    if factor is None or not np.count_nonzero(factor > 1):
        return bets
    most = np.log(_CUT - _kept(after, goal)) + goal - betting.log_sum(bets + LOG_PRIOR)
    more = np.where(factor > 1, np.minimum(np.log(factor), most), 0.0)
    return np.asarray(bets + more[..., None])


def _kept(after: Array, goal: float) -> Array:
    """What is kept for a later onset, as a part of the goal."""
    return (1 - betting.spent(after)) * math.exp(-goal)
