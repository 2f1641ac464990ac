"""What a bet could win beyond harm is of no use to anybody: it is bet on reaching harm instead.

Harm is found when the capital reaches a goal. What an interval may carry it beyond that is given up, and as
much as that is worth under the null is added to all smaller outcomes: with `b >= 1` chosen before the
outcome is known, `min(b L, goal / E)` in the place of L has the expectation that L has, so the capital is
the same fair bet, and comes to the goal sooner. It matters where an interval holds much of what is needed,
and where bad requests are few and each weighs much.

Source: Fischer and Ramdas (2024), "Improving the (approximate) sequential probability ratio test by avoiding
overshoot". The outcomes are the numbers of the candidate's among the interval's bad requests, with the
beta-binomial chances of `betting.draw`; where the candidate is better than the null allows, smaller ones are
likelier still, and the capital rises with the outcome, so that the expectation is at most this.
"""

from typing import NamedTuple

import numpy as np

from policies.guards import betting
from policies.guards.betting import LOG_PRIOR, Array, Urn
from policies.guards.noise import Noise

NEAR = 4.0  # log: where the goal is further away, next to nothing is won beyond it
MOST = 64  # bad requests of an interval whose outcomes are worked out one by one; with more nothing is added
_BEYOND = 1e-9  # so that a capital at the goal is not below it by a rounding


class Stand(NamedTuple):
    """Before an outcome is known: each alternative's log capital (last axis), and the observed seconds before
    and after this interval, by which more is placed on a late onset."""

    bets: Array
    before: Array
    after: Array


def factors(
    stand: Stand, goal: float, urn: Urn, total: Array, *, shares: Array, others: Array, noise: Noise
) -> Array | None:
    """b of each rollout, None where it is 1 for all: far from the goal, and where noise is not calm, as its
    model is not exact. `shares` and `others` as `betting.draw` has them, the null in the last place."""
    total = total / noise.burst
    near = np.asarray((stand.bets + LOG_PRIOR).max(axis=-1) > goal - NEAR)
    who = near & np.asarray(noise.calm) & (total >= 1) & (total < MOST + 1)
    if not who.any():
        return None
    spread = np.broadcast_to(noise.spread, (*who.shape, 1))[who]
    parts = (part[who] for part in (urn.score, urn.information, total, shares, others))
    chance, ratios = _outcomes(*parts, spread=spread)
    joined = betting.bet(stand.bets, np.zeros(1), stand.before, np.broadcast_to(stand.after, who.shape))[who]
    kept = _kept(np.broadcast_to(stand.after, who.shape)[who], goal)
    found = np.ones(who.shape)
    found[who] = _factor(np.exp(joined + LOG_PRIOR - goal), kept, chance, ratios)
    return found


def _factor(placed: Array, kept: Array, chance: Array, ratios: Array) -> Array:
    """b by the capital, as a part of the goal, of each alternative and of what is kept for a later onset.

    The goal cuts off the outcomes from some number on. Of a concave function made of lines the largest
    solution is right, so it need not be known from which.
    """
    won = np.cumsum(chance * (ratios * placed[..., None, :]).sum(axis=-1), axis=-1)
    below = np.cumsum(chance, axis=-1)
    had = placed.sum(axis=-1) + kept
    rest = had[..., None] - kept[..., None] * below - (1 + _BEYOND) * (1 - below)
    found = np.where(won > 0, rest / np.where(won > 0, won, 1.0), 1.0).max(axis=-1)
    return np.asarray(np.where(had < 1, np.maximum(found, 1.0), 1.0))


def lifted(bets: Array, after: Array, goal: float, factor: Array | None) -> Array:
    """Log capital of each alternative after the outcome: times the factor, and no more than the goal in all.

    A factor of 1 changes nothing, also where the gains went beyond the goal.
    """
    if factor is None:
        return bets
    most = np.log(1 + _BEYOND - _kept(after, goal)) + goal - betting.log_sum(bets + LOG_PRIOR)
    more = np.where(factor > 1, np.minimum(np.log(factor), most), 0.0)
    return np.asarray(bets + more[..., None])


def _kept(after: Array, goal: float) -> Array:
    """What is kept for a later onset, as a part of the goal."""
    return np.asarray((1 - betting.spent(after)) * np.exp(-goal))


def _outcomes(
    score: Array,
    information: Array,
    total: Array,
    shares: Array,
    others: Array,
    *,
    spread: Array,
) -> tuple[Array, Array]:
    """Chances under the null of 0, 1, ... of the bad requests being the candidate's, and the likelihood ratio
    of each alternative (last axis) for them, of mean 1."""
    null = shares[..., -1]
    drawn = information / (null * (1 - null))
    drawn_bad = np.minimum(np.maximum(score + drawn * null, 0.0), drawn)
    size = 1 / (shares * others * (spread * spread)) - 1
    whole = np.floor(total)
    step = np.arange(whole.max(), dtype=np.float64)
    mine = (shares * size + drawn_bad[..., None])[..., None, :] + step[:, None]
    theirs = (others * size + (drawn - drawn_bad)[..., None] + (total - whole)[..., None])[..., None, :]
    theirs = theirs + (whole[..., None] - 1 - step)[..., None]
    possible = step < whole[..., None]
    # One more of the candidate's, one less of stable's.
    turn = np.log(np.where(possible[..., None], mine / theirs, 1.0))
    ways = np.log(np.where(possible, (total[..., None] - step) / (step + 1), 1.0))
    logs = _from_none(turn)
    chance = logs[..., -1] + _from_none(ways[..., None])[..., 0]
    outcome = np.arange(len(step) + 1) <= whole[..., None]
    chance = np.where(outcome, np.exp(chance - chance.max(axis=-1)[..., None]), 0.0)
    chance = chance / np.cumsum(chance, axis=-1)[..., -1:]
    ratios = np.exp(logs[..., :-1] - logs[..., -1:])
    mean = np.cumsum(chance[..., None] * ratios, axis=-2)[..., -1:, :]
    return chance, ratios / mean


def _from_none(turn: Array) -> Array:
    """Sums over the outcomes before each; the first has none."""
    none = np.zeros((*turn.shape[:-2], 1, turn.shape[-1]))
    return np.concatenate([none, np.cumsum(turn, axis=-2)], axis=-2)
