"""The arithmetic that all betting guards share: bets on who got the bad events, and their mixture.

Given that `k` bad events happened, the null says which share of them was the candidate's; an
alternative says it was more. The likelihood ratio is a bet with no expected gain under the null, at
any time and for any weight, so the mixed capital E exceeds 1/a with probability at most a, however
often one looks (Ville). All functions take arrays of any leading shape, last axis the alternatives:
one rollout and ten thousand replayed ones run through the same lines and give the same bits. No
state is kept here; verdicts are made elsewhere.

Sources: label betting, Turner, Ly, Gruenwald (2024) with one scrape as the block; the noise-calibrated
form is a beta-binomial (a Polya urn) with intra-class correlation `w (1 - w) spread^2` per block of
time, counts divided by the burst factor; late onset is a mixture over restart times, as in the
e-detectors of Shin, Ramdas, Rinaldo (2023).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from policies.guards.noise import Noise

Array = NDArray[np.float64]

RATIOS: Array = np.exp2(0.25 * np.arange(1, 29, dtype=np.float64))  # how many times worse: 1.19 ... 128
_MASS: Array = 1 / RATIOS  # each octave half the mass of the one below
LOG_PRIOR: Array = np.log(_MASS / _MASS.sum())
AT_ONCE = 0.8  # mass of "bad from the start"; the rest is for a late onset
ONSET = 1800.0  # seconds by which half of the rest is placed
_SHIFT = 8  # Stirling's series is exact to 1e-12 from here on


class Urn(NamedTuple):
    """What the open block of time has shown: sums of `x - k w` and of `k w (1 - w)`, and its start.

    Kept in this form, the block survives a change of weight: at another share the same information
    is another number of draws.
    """

    score: Array
    information: Array
    opened: Array


def array(values: ArrayLike) -> Array:
    return np.asarray(values, dtype=np.float64)


def urn_at(urn: Urn, at: Array, block: float) -> Urn:
    """The urn for a draw at this time: emptied when its block is over."""
    over = at - urn.opened >= block
    return Urn(
        np.where(over, 0.0, urn.score),
        np.where(over, 0.0, urn.information),
        np.where(over, at, urn.opened),
    )


def draw(
    urn: Urn, bad: Array, total: Array, *, null: Array, shares: Array, others: Array, noise: Noise
) -> tuple[Array, Urn]:
    """Log likelihood of `bad` of `total` for each of `shares`, and the urn afterwards.

    `others` is `1 - shares`, given apart because a difference would lose its digits. `null` is the
    share by which the urn is kept; it has no axis of alternatives.
    """
    bad, total = bad / noise.burst, total / noise.burst
    variance = null * (1 - null)
    drawn = urn.information / variance
    drawn_bad = np.minimum(np.maximum(urn.score + drawn * null, 0.0), drawn)
    size = 1 / (shares * others * (noise.spread * noise.spread)) - 1
    base = np.empty((3, *np.broadcast_shapes(size.shape, (*drawn.shape, 1))))
    base[0] = shares * size + drawn_bad[..., None]
    base[1] = others * size + (drawn - drawn_bad)[..., None]
    base[2] = base[0] + base[1]
    more = np.empty((3, *drawn.shape, 1))
    more[0, ..., 0] = bad
    more[1, ..., 0] = total - bad
    more[2, ..., 0] = total
    rising = log_rising(base, more)
    urn = Urn(urn.score + (bad - total * null), urn.information + total * variance, urn.opened)
    return rising[0] + rising[1] - rising[2], urn


def log_rising(start: Array, more: Array) -> Array:
    """log of Gamma(start + more) / Gamma(start), accurate also where `start` is huge."""
    end = start + more
    ratio = end / start
    for step in range(1, _SHIFT):
        ratio *= (end + step) / (start + step)
    low, high = start + _SHIFT, end + _SHIFT
    stirling = (low - 0.5) * np.log1p(more / low) + more * np.log(high) - more
    return stirling + (_series(high) - _series(low)) - np.log(ratio)


def _series(z: Array) -> Array:
    inverse = 1 / z
    square = inverse * inverse
    return inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))


def spent(seconds: Array, at_once: float = AT_ONCE) -> Array:
    """Mass placed on an onset within so many observed seconds; never all of it, so no end is planned."""
    return at_once + (1 - at_once) * (seconds / (seconds + ONSET))


def bet(bets: Array, gains: Array, before: Array, after: Array, at_once: float = AT_ONCE) -> Array:
    """Log capital of each alternative after a scrape; some fresh mass joins before the bet."""
    fresh = np.log(np.maximum(spent(after, at_once) - spent(before, at_once), 1e-300))
    return np.logaddexp(bets, fresh[..., None]) + gains


def start() -> Array:
    """Log capital of the alternatives before anything was seen."""
    return np.full(RATIOS.shape, np.log(AT_ONCE))


def log_evidence(bets: Array, seconds: Array) -> Array:
    """log E: the mixed capital, with what is kept for an onset later still."""
    placed = log_sum(bets + LOG_PRIOR)
    return np.asarray(np.logaddexp(placed, np.log1p(-spent(seconds))))


def log_sum(logs: Array) -> Array:
    """log of the sum of exponentials over the last axis."""
    top = np.maximum.reduce(logs, axis=-1)
    return np.asarray(top + np.log(np.add.reduce(np.exp(logs - top[..., None]), axis=-1)))
