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

from dataclasses import replace
from typing import NamedTuple, cast

import numpy as np

from policies.guards import betting
from policies.guards.betting import LOG_PRIOR, Array, Urn
from policies.guards.noise import Noise

NEAR = 4.0  # log: where the goal is further away, next to nothing is won beyond it
MOST = 64  # bad requests of an interval whose outcomes are worked out one by one; with more nothing is added
_BEYOND = 1e-9  # so that a capital at the goal is not below it by a rounding
_LOG_FACTORIALS: Array = np.cumsum(np.log(np.maximum(np.arange(MOST + 1.0), 1.0)))


class Stand(NamedTuple):
    """Before an outcome is known: each alternative's log capital (last axis), and the observed seconds before
    and after this interval, by which more is placed on a late onset."""

    bets: Array
    before: Array
    after: Array


def factors(
    stand: Stand, goal: float, urn: Urn, total: Array, *, shares: Array, others: Array, noise: Noise
) -> Array | None:
    """b of each rollout, None where it is 1 for all: far from the goal, and where noise is not calm.

    `shares` and `others` as `betting.draw` has them, the null in the last place.
    """
    if noise.calm is False or goal == np.inf:
        return None
    highest = (stand.bets + LOG_PRIOR).max(axis=-1)
    near = np.asarray((highest > goal - NEAR) & (highest < goal))
    if not near.any():
        return None
    who = near & np.asarray(noise.calm) & (total >= 1) & (total <= MOST) & (total == np.floor(total))
    if not who.any():
        return None
    after = np.broadcast_to(stand.after, who.shape)
    joined = betting.bet(stand.bets, np.zeros(1), stand.before, after)[who]
    burst, spread = np.broadcast_to(noise.burst, who.shape), np.broadcast_to(noise.spread, (*who.shape, 1))
    alone = Noise(cast("float", burst[who][:, None]), cast("float", spread[who][:, None]), provisional=False)
    here = Urn(*(np.broadcast_to(part, who.shape)[who] for part in urn))
    chances, ratios = _outcomes(here, total[who], shares[who][:, None], others[who][:, None], noise=alone)
    placed = np.exp(joined + LOG_PRIOR - goal)
    won = (ratios * placed[:, None]).sum(axis=-1)
    found = np.ones(who.shape)
    found[who] = _factor(won, placed.sum(axis=-1), _kept(after[who], goal), chances)
    return found


def _outcomes(urn: Urn, total: Array, shares: Array, others: Array, *, noise: Noise) -> tuple[Array, Array]:
    """Of 0, 1, ... of the bad requests being the candidate's (the axis after that of rollouts): their chances
    under the null, by the model and without any luck, and each alternative's likelihood ratio (last axis)."""
    most = np.arange(total.max() + 1)
    bad = np.minimum(most, total[:, None])
    all_of = np.broadcast_to(total[:, None], bad.shape)
    urn = Urn(*(np.broadcast_to(part[:, None], bad.shape) for part in urn))
    null, other = shares[..., -1], others[..., -1]
    logs, _ = betting.draw(urn, bad, all_of, null=null, shares=shares, others=others, noise=noise)
    one_by_one = replace(noise, burst=1.0)
    model, _ = betting.draw(
        urn, bad, all_of, null=null, shares=shares[..., -1:], others=others[..., -1:], noise=one_by_one
    )
    mine, theirs = bad.astype(np.intp), (all_of - bad).astype(np.intp)
    ways = _LOG_FACTORIALS[mine + theirs] - _LOG_FACTORIALS[mine] - _LOG_FACTORIALS[theirs]
    plain = bad * np.log(null) + (all_of - bad) * np.log(other)
    chances = np.where(most <= total[:, None], np.exp(ways + np.stack([model[..., 0], plain])), 0.0)
    return chances, np.exp(logs[..., :-1] - logs[..., -1:])


def _factor(won: Array, placed: Array, kept: Array, chances: Array) -> Array:
    """b by what the outcomes make of the capital that is placed, and what is kept for a later onset, all as
    parts of the goal.

    The goal cuts off the outcomes from some number on. Of a concave function made of lines the largest
    solution is right, so it need not be known from which.
    """
    mine, below = np.cumsum(chances * won, axis=-1), np.cumsum(chances, axis=-1)
    had, kept = placed + kept, kept[:, None]
    fair = np.minimum(placed, mine[..., -1])[..., None] + kept
    found = (fair - kept * below - (1 + _BEYOND) * (1 - below)) / mine
    return np.asarray(np.where(had < 1, np.maximum(found.max(axis=-1).min(axis=0), 1.0), 1.0))


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
