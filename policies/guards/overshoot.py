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
* Where the candidate is better than the null allows, or was in luck that the open block forgot, smaller
  outcomes are likelier still, and the capital rises with the outcome, so that the expectation is lower.

Where history shows noise nothing is added at all, as its chances are but a model's.
"""

from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from policies.guards import betting
from policies.guards.betting import LOG_PRIOR, Array
from policies.guards.noise import Noise

NEAR = 4.0  # log: where the goal is further away, next to nothing is won beyond it
MOST = 64  # bad requests of an interval whose outcomes are worked out one by one; with more nothing is added
_CUT = 1 + 1e-9  # of the goal: so that a capital at the goal is not below it by a rounding
FEW = 20  # balls of a kind in an urn, below which a divided draw is worked out by the gamma function

_NUMBERS: Array = np.arange(MOST + 1.0)
_REST: Array = _NUMBERS[:, None] - _NUMBERS
# By how many bad requests there are (row), before each of them: how many were drawn of the candidate's, and
# how many of stable's are left after it. Where there are no more so many that it makes no difference.
_DRAWN: Array = np.empty((3, MOST + 1, MOST))
_DRAWN[0], _DRAWN[1:] = _NUMBERS[:-1], np.where(_REST[:, 1:] < 0, 1e200, _REST[:, 1:])
# ... and in how many times as many ways one more of them can be the candidate's.
_WAYS: Array = np.maximum(_REST[:, :-1], 1e-50) / _NUMBERS[1:]


class Stand(NamedTuple):
    """Before an outcome is known: each alternative's log capital (last axis), with what joined it for a late
    onset, and the observed seconds after this interval, by which more of that is to come."""

    bets: Array
    after: Array


def factors(
    stand: Stand, goal: Array, base: Array, total: Array, *, odds: Array, noise: Noise
) -> Array | None:
    """b of each rollout, None where it is 1 for all: far from the goal, and where noise is not calm.

    `base`: what lies in its urn (`betting.balls`), the null in the first place; `odds`: the null's.
    """
    if noise.calm is False or not np.count_nonzero(goal < np.inf):
        return None
    capital = stand.bets + (LOG_PRIOR - goal[..., None])
    highest = np.maximum.reduce(capital, axis=-1)
    near = (highest > -NEAR) & (highest < 0) & noise.calm
    who = near & (total >= 1) & (total <= MOST) & (total == np.floor(total))
    if not np.count_nonzero(who):
        return None
    rows = _of(who)
    numbers = np.array((total, odds, _kept(stand.after, goal), noise.burst + 0 * total))[:, rows]
    counts, odds, kept, burst = numbers
    bad, base, placed = counts.astype(np.intp), base[:, rows], np.exp(capital[rows])
    most = max(bad.reshape(-1).tolist())
    won = np.add.reduce(_ratios(base, bad, burst, most) * placed[..., None], axis=-2)
    found = np.ones(who.shape)
    found[rows] = _factor(won, placed, kept, _chances(base, bad, odds, most))
    return found[()]


def _of(which: NDArray[np.bool_]) -> Any:
    """An index for those rollouts; where there is but one, for it, without an axis of rollouts or a copy."""
    return which if which.ndim else ...


def _chances(base: Array, bad: NDArray[np.intp], odds: Array, most: int) -> Array:
    """How likely it is under the null that 0, 1, ... of the bad requests are the candidate's (last axis), by
    the model and without any luck (first axis); times any number."""
    balls = _DRAWN[:2, bad, :most] + base[:2, ..., :1]
    each = np.empty(balls.shape)
    np.divide(balls[0], balls[1], out=each[0, ...])
    each[1] = odds[..., None]
    each *= _WAYS[bad, :most]
    logs = np.zeros((*each.shape[:-1], most + 1))
    np.add.accumulate(np.log(each), axis=-1, out=logs[..., 1:])
    return np.asarray(np.exp(logs - np.maximum.reduce(logs, axis=-1)[..., None]))


def _ratios(base: Array, bad: NDArray[np.intp], burst: Array, most: int) -> Array:
    """Each alternative's likelihood ratio if 0, 1, ... of the bad requests are the candidate's (last axis).

    One more of them multiplies a likelihood by what lies in its urn over what lies there of stable's.
    """
    drawn, divided = _DRAWN[:, bad, None, :most], burst != 1
    balls = drawn + base[..., None]
    if np.count_nonzero(divided):
        rows, part = _of(divided), (1 / burst)[..., None, None]
        balls[:, rows] = _divided(base[:, rows], drawn[:, rows], part[rows])
    ratios = balls[:2] / balls[1:]
    ratios = ratios[..., 1:, :] / ratios[..., :1, :]
    found = np.empty((*ratios.shape[1:-1], most + 1))
    np.multiply.reduce(ratios[1], axis=-1, out=found[..., 0])
    found[..., 1:] = ratios[0]
    np.multiply.accumulate(found, axis=-1, out=found)
    if np.count_nonzero(divided):
        found[rows] = np.exp(np.log(found[rows]) * part[rows])
        few = divided & (np.minimum.reduce(base[:2], axis=(0, -1)) < FEW)
        if np.count_nonzero(few):
            rows = _of(few)
            found[rows] = _by_gammas(base[:, rows], bad[rows], burst[rows], most)
    return found


def _divided(base: Array, drawn: Array, part: Array) -> Array:
    """`(Gamma(z + part) / Gamma(z)) ** (1 / part)` of what lies there after so many parts: what one more
    multiplies by, as if it were a whole one. To 1e-10 from `FEW` on; the series of Tricomi and Erdelyi (1951)
    as a continued fraction."""
    square, middle = part * part, np.maximum(base, FEW)[..., None] + (drawn * part + (part - 1) / 2)
    return np.asarray(middle + (1 - square) / 24 / (middle + (37 - 13 * square) / 240 / middle))


def _by_gammas(base: Array, bad: NDArray[np.intp], burst: Array, most: int) -> Array:
    """`_ratios` where an urn holds few balls."""
    more = np.empty((3, *bad.shape, 1, most + 1))
    more[0] = _NUMBERS[: most + 1]
    more[1] = np.maximum(_REST[bad, None, : most + 1], 0)
    more[2] = bad[..., None, None]
    more /= burst[..., None, None]
    rising = betting.log_rising(base[..., None] + 0 * more, more)
    logs = rising[0] + rising[1] - rising[2]
    return np.asarray(np.exp(logs[..., 1:, :] - logs[..., :1, :]))


def _factor(won: Array, placed: Array, kept: Array, chances: Array) -> Array:
    """b by what the outcomes make of the capital that is placed, and what is kept for a later onset, all as
    parts of the goal.

    The goal cuts off the outcomes from some number on. Of a concave function made of lines the largest
    solution is right, so it need not be known from which.
    """
    sums = np.empty((2, *chances.shape))
    sums[0] = chances
    np.multiply(chances, won, out=sums[1])
    sums[1, ..., 0] += 1e-300  # is divided by
    likely, mine = np.add.accumulate(sums, axis=-1, out=sums)
    before, most = np.add.reduce(placed, axis=-1), _CUT - kept
    every = likely[..., -1:]
    fair = np.minimum(before[..., None] * every, mine[..., -1:])
    best = np.maximum.reduce((fair - (every - likely) * most[..., None]) / mine, axis=-1)
    return cast(Array, np.maximum(np.minimum(best[0], best[1]) * (before < 1 - kept), 1.0))


def lifted(bets: Array, after: Array, goal: Array, factor: Array | None) -> Array:
    """Log capital of each alternative after the outcome: times the factor, and no more than the goal in all.

    A factor of 1 changes nothing, also where the gains went beyond the goal.
    """
    if factor is None:
        return bets
    most = np.log(_CUT - _kept(after, goal)) + goal - betting.log_sum(bets + LOG_PRIOR)
    more = np.minimum(np.log(factor), most) * (factor > 1)
    return cast(Array, bets + more[..., None])


def _kept(after: Array, goal: Array) -> Array:
    """What is kept for a later onset, as a part of the goal."""
    return (1 - betting.spent(after)) * np.exp(-goal)
