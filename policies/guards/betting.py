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

from collections.abc import Iterator
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from policies.guards.noise import Noise

Array = NDArray[np.float64]

RATIOS: Array = np.exp2(0.25 * np.arange(1, 29, dtype=np.float64))  # how many times worse: 1.19 ... 128
_MASS: Array = 1 / RATIOS  # each octave half the mass of the one below
LOG_PRIOR: Array = np.log(_MASS / _MASS.sum())
AT_ONCE = 0.8  # mass of "bad from the start"; the rest is for a late onset
ONSET = 1800.0  # seconds by which half of the rest is placed
AT_A_TIME = 64  # rollouts whose numbers stay near the processor while they are worked out
ALL = slice(None)  # alternatives
_SHIFT = 8  # `_series` is exact to 3e-12 from here on
# Arrays, as numpy calculates with one faster than with a number of Python.
_SERIES = tuple(np.array(part) for part in (1 / 12, 1 / 30, 53 / 210, 195 / 371))


class Urn(NamedTuple):
    """What the open block of time has shown: sums of `x - k w` and of `k w (1 - w)`, and its start.

    Kept in this form, the block survives a change of weight: at another share the same information
    is another number of draws.
    """

    score: Array
    information: Array
    opened: Array

    def plus(self, score: Array, information: Array) -> "Urn":
        """After a draw."""
        return Urn(self.score + score, self.information + information, self.opened)


def array(values: ArrayLike) -> Array:
    """One of the empty shape comes in the form in which numpy calculates with it several times as fast."""
    return np.asarray(values, dtype=np.float64)[()]


def urns_at(*urns: Urn, at: Array, block: float) -> list[Urn]:
    """Urns of one block for a draw at this time: emptied when it is over."""
    opened = urns[0].opened
    goes_on = at - opened < block
    opened = opened * goes_on + at * (1 - goes_on)
    return [Urn(one.score * goes_on, one.information * goes_on, opened) for one in urns]


def unlucky(urn: Urn) -> Urn:
    """The urn that a bet is drawn from: of the block, only bad luck is remembered.

    A candidate that failed less may fail as much as is allowed still, as where an incident reaches stable
    first: an urn that has learned the low share would take that for proof of harm. To forget it makes bad
    ones of the candidate's likelier under the null than they are, so that E gains nothing by it. Who tells
    the ratio itself, in both directions, must remember all.
    """
    kept = urn.score >= 0
    return Urn(urn.score * kept, urn.information * kept, urn.opened)


def balls(*urns: tuple[slice, Urn], null: Array, shares: Array, noise: Noise) -> Array:
    """What lies in the urn for each of `shares`: the candidate's, stable's, and all (first axis).

    `shares`: the candidate's and stable's (first axis), which is 1 less the other, but a difference would
    lose its digits. `null` is the candidate's by which an urn is kept; it has no axis of alternatives. Of
    `urns`, each is for some of the alternatives.
    """
    found = np.empty((3, *shares.shape[1:]))
    both = found[:2]  # of an urn of `1 / (shares[0] * shares[1] * spread^2) - 1`
    np.subtract(1 / (noise.spread * noise.spread) / shares[::-1], shares, out=both)
    variance = null * (1 - null)
    for which, urn in urns:
        drawn = urn.information / variance
        drawn_bad = np.minimum(np.maximum(urn.score + drawn * null, 0.0), drawn)
        both[..., which] += np.array((drawn_bad, drawn - drawn_bad))[..., None]
    np.add(both[0], both[1], out=found[2])
    return found


def shares(odds: Array) -> Array:
    """The candidate's share of bad events and stable's (first axis)."""
    found = np.empty((2, *odds.shape))
    np.divide(1.0, 1.0 + odds, out=found[1])
    np.multiply(odds, found[1], out=found[0])
    return found


def draw(base: Array, bad: Array, total: Array, *, null: Array, noise: Noise) -> tuple[Array, Array, Array]:
    """Log likelihood of `bad` of `total` for each of the shares that `balls` were counted for; and the score
    and the information that the urn has more afterwards."""
    bad, total = bad / noise.burst, total / noise.burst
    more = np.array((bad, total - bad, total))[..., None]
    return _log_chances(base, more), bad - total * null, total * (null * (1 - null))


def _log_chances(base: Array, more: Array) -> Array:
    """Log likelihoods of such draws: exactly 0 where nothing was drawn, so that is not worked out."""
    total = more[2, ..., 0]
    told = int(np.count_nonzero(total))
    if told == total.size <= AT_A_TIME:
        rising = log_rising(base, more)
        return np.asarray(rising[0] + rising[1] - rising[2])
    logs = np.zeros((total.size, base.shape[-1]))
    base, more = base.reshape(3, *logs.shape), more.reshape(3, -1, 1)
    some = np.flatnonzero(total)
    for part in in_parts(told):
        rows = part if told == total.size else some[part]
        logs[rows] = _log_chances(base[:, rows], more[:, rows])
    return logs.reshape(*total.shape, -1)


def in_parts(count: int, size: int = AT_A_TIME) -> Iterator[slice]:
    """So many rollouts, a few at a time."""
    return (slice(at, at + size) for at in range(0, count, size))


def log_rising(start: Array, more: Array) -> Array:
    """log of Gamma(start + more) / Gamma(start), accurate also where `start` is huge; exactly 0 of none."""
    ends = np.empty((2, *start.shape))
    ends[0] = start
    np.add(start, more, out=ends[1, ...])
    product = _moved_up(ends)
    low, high = ends
    series = _series(ends)
    found: Array = (low - 0.5) * np.log1p(more / low) + more * (np.log(high) - 1) + (series[1] - series[0])
    return found if product is None else cast(Array, found - np.log(product[1] / product[0]))


def _moved_up(ends: Array) -> Array | None:
    """Adds `_SHIFT` to both ends where the start is below it; and what that multiplied each end's gamma
    function by, None where it did not: z (z + 1) ... (z + 7), two of them at a time, from both ends.

    An urn holds at most about `1 / (share * spread^2)` balls: 1e20 with one request in 1e14 and the least
    spread. So this stays far below the largest number there is.
    """
    small = ends[0] < _SHIFT
    if not np.count_nonzero(small):
        return None
    z, product = ends[:, small], np.ones(ends.shape)
    both = z * (z + (_SHIFT - 1))
    product[:, small] = both * (both + 6) * ((both + 10) * (both + 12))
    ends[:, small] = z + _SHIFT
    return product


def _series(z: Array) -> Array:
    """log Gamma(z) less `(z - 1/2) log z - z + log(2 pi) / 2`, by Stieltjes' continued fraction."""
    return _SERIES[0] / (z + _SERIES[1] / (z + _SERIES[2] / (z + _SERIES[3] / z)))


def spent(seconds: Array, at_once: float = AT_ONCE) -> Array:
    """Mass placed on an onset within so many observed seconds; never all of it, so no end is planned."""
    return at_once + (1 - at_once) * (seconds / (seconds + ONSET))


def joined(bets: Array, before: Array, after: Array, at_once: float = AT_ONCE) -> Array:
    """Log capital of each alternative before a scrape's bet; some fresh mass joins it."""
    fresh = np.log(np.maximum(spent(after, at_once) - spent(before, at_once), 1e-300))
    return np.logaddexp(bets, fresh[..., None])


def start() -> Array:
    """Log capital of the alternatives before anything was seen."""
    return np.full(RATIOS.shape, np.log(AT_ONCE))


def log_evidence(bets: Array, seconds: Array) -> Array:
    """log E: the mixed capital, with what is kept for an onset later still."""
    placed = log_sum(bets + LOG_PRIOR)
    return cast(Array, np.logaddexp(placed, np.log1p(-spent(seconds))))


def log_sum(logs: Array) -> Array:
    """log of the sum of exponentials over the last axis."""
    top: Array = np.maximum.reduce(logs, axis=-1)
    return cast(Array, top + np.log(np.add.reduce(np.exp(logs - top[..., None]), axis=-1)))
