"""What the bets on durations expect of a slower version: how many times as many requests in each bucket.

Each alternative gives every bucket a factor rho that does not fall from bucket to bucket, chosen from the
past alone; `histogram` says why that makes the bets sound. No bet is made here.

Written alternatives: "everything takes s times as long", and "a part of the requests takes s times as long",
for a longer tail. rho is what stable's past would look like then, divided by what it looked like, made not to
fall. Between two bounds the log odds of being faster are taken to be a monotone cubic in log time (Fritsch
and Butland 1984): by a line, requests that lie in the middle of a bucket would seem to cross its bounds too
soon.

And one is learned, so that a slowness of a shape that nobody thought of is found too: what the candidate's
own requests until now came to, with `TRUST` requests added that are as stable's. Of all rho that do not fall
it is the one most likely for them (isotonic regression, Barlow and others 1972); its mean over stable's past
is 1.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from policies.guards.betting import Array

LONGER: Array = np.exp2([0.125, 0.25, 0.5, 1.0])  # how many times as long everything takes
PARTS: Array = np.repeat([1 / 4, 1 / 16, 1 / 64], 3)  # of the requests ...
STRETCH: Array = np.tile([1.5, 3.0, 9.0], 3)  # ... take so many times as long
SHIFTED, PARTLY, LEARNED = 0.6, 0.2, 0.2  # how the mass is dealt
TRUST = 300.0  # requests of the candidate after which her own durations count as much as stable's
REACH = 2.0  # a shift by one deviation multiplies the odds of the slowest twentieth by about e^2
REMEMBERED = 16384  # rollouts, of about 6 kB each
COUNT = len(LONGER) + len(PARTS) + 1
_PART: Array = np.concatenate([np.ones(len(LONGER)), PARTS])
_OTHERS: Array = 1 - _PART[:, None]
_PARTLY: Array = 1 - _OTHERS
_TIMES: Array = np.concatenate([LONGER, STRETCH])


def _log_prior() -> Array:
    """A shift twice as large needs a quarter of the requests, and has a quarter of the mass."""
    shifts = 1 / np.log2(LONGER) ** 2
    parts = np.full(len(PARTS), PARTLY / len(PARTS))
    return np.asarray(np.log(np.concatenate([SHIFTED * shifts / shifts.sum(), parts, [LEARNED]])))


LOG_PRIOR: Array = _log_prior()


class Before(NamedTuple):
    """Where each of the `bounds` would have been, by written alternative, and what the log odds there are
    made of.

    The lower of two bounds and the upper, the way between them, and four terms: of the log odds at both, of
    their slopes at both. A place beyond the outer bounds lies on the line through the nearest two. `apart`:
    how far a bound is from the next, in log time; `first`: the part that the first of two neighbours has in a
    bound's slope.
    """

    bounds: tuple[float, ...]
    lower: NDArray[np.intp]
    upper: NDArray[np.intp]
    way: Array
    terms: tuple[Array, ...] = ()
    apart: Array = np.zeros(0)
    first: Array = np.zeros(0)


@lru_cache(maxsize=64)
def before(bounds: tuple[float, ...]) -> Before:
    """The same for every scrape of a router."""
    edges = np.log(np.maximum(np.asarray(bounds, dtype=np.float64), 1e-9))
    wanted = edges - np.log(_TIMES)[:, None]
    if len(edges) < 2:
        none = np.zeros(wanted.shape, dtype=np.intp)
        return Before(bounds, none, none, wanted - edges)
    apart = np.diff(edges)
    lower = np.clip(np.searchsorted(edges, wanted, side="right") - 1, 0, len(edges) - 2)
    way, left = (wanted - edges[lower]) / apart[lower], (edges[lower + 1] - wanted) / apart[lower]
    bent = np.where(way < 0, 0.0, way * left * apart[lower])
    upper = np.where(way < 0, way, way * way * (3 - 2 * way))
    first = (apart[:-1] + 2 * apart[1:]) / (3 * (apart[:-1] + apart[1:]))
    terms = (1 - upper, upper, bent * left, -bent * way)
    return Before(bounds, lower, lower + 1, way, terms, apart, first)


def _between(odds: Array, places: Before) -> Array:
    """What the log odds of being faster are at these places: a cubic that rises as they do."""
    lower = places.lower
    if not places.terms:
        return np.asarray(odds[..., lower] + 2.0 * places.way)  # of one bound alone nothing else is known
    slope = (odds[..., 1:] - odds[..., :-1]) / places.apart
    one, other = slope[..., :-1], slope[..., 1:]
    inner = one * other / np.maximum(places.first * other + (1 - places.first) * one, 1e-300)
    known = np.empty((*odds.shape, 2))
    known[..., 0], known[..., 1:-1, 1] = odds, inner
    known[..., 0, 1], known[..., -1, 1] = slope[..., 0], slope[..., -1]
    here, there = known.take(lower, axis=-2), known.take(places.upper, axis=-2)
    at, beyond, rises, falls = places.terms
    found = at * here[..., 0] + beyond * there[..., 0] + rises * here[..., 1] + falls * there[..., 1]
    return np.asarray(found)


def _rising(ratio: Array, middle: NDArray[np.intp]) -> Array:
    """Made not to fall, from the middle bucket outwards: what is rare at the ends decides nothing else."""
    place = _places(ratio.shape[-1])
    slow = place >= middle
    above = np.maximum.accumulate(np.where(slow, ratio, 0.0), axis=-1)
    below = np.minimum.accumulate(np.where(place <= middle, ratio, np.inf)[..., ::-1], axis=-1)[..., ::-1]
    return np.where(slow, above, below)


@lru_cache(maxsize=64)
def _places(buckets: int) -> NDArray[np.intp]:
    return np.arange(buckets)


def _written(chance: Array, places: Before) -> Array:
    """log rho of the alternatives in which everything, or a part of the requests, takes longer."""
    faster = np.minimum(np.add.accumulate(chance, axis=-1)[..., :-1], 1 - 1e-12)
    odds = np.log(faster / (1 - faster))
    between = _between(odds, places)
    then = np.zeros((*between.shape[:-1], chance.shape[-1] + 1))
    then[..., 1:-1], then[..., -1] = 1 / (1 + np.exp(-between)), 1.0
    would = np.maximum(then[..., 1:] - then[..., :-1], 1e-15)
    ratio = _OTHERS + _PARTLY * would / chance[..., None, :]
    ratio = _rising(ratio, np.add.reduce(faster < 0.5, axis=-1, dtype=np.intp)[..., None, None])
    mean = np.add.reduce(chance[..., None, :] * ratio, axis=-1)
    return np.asarray(np.log(ratio) - np.log(mean)[..., None])


@lru_cache(maxsize=64)
def _runs(buckets: int, rollouts: int) -> tuple[NDArray[np.bool_], Array]:
    """Which runs of buckets there are, from the column's to the row's (first axis), where so many axes of
    rollouts lie between; and infinity for those that there are not."""
    place = np.arange(buckets)
    runs = (place[:, None] >= place).reshape(buckets, *(1,) * rollouts, buckets)
    return runs, np.where(runs, 0.0, np.inf)


def _isotonic(ratio: Array, weight: Array) -> Array:
    """The ratios that do not fall and are nearest: each the greatest, over all buckets where a run may begin,
    of the smallest mean of a run that reaches it.

    The ends of runs are the first axis, along which numpy compares many numbers at a time.
    """
    runs, none = _runs(ratio.shape[-1], ratio.ndim - 1)
    parts = np.empty((2, *ratio.shape))
    parts[0], parts[1] = weight * ratio, weight
    sums = np.add.accumulate(parts, axis=-1)
    (held, mass), (before, mass_before) = np.moveaxis(sums, -1, 1), sums - parts
    mass = np.maximum(mass[..., None] - mass_before, 1e-300)  # of what is no run
    means = (held[..., None] - before) / mass + none
    np.minimum.accumulate(means[::-1], axis=0, out=means[::-1])
    means *= runs
    return np.moveaxis(np.maximum.reduce(means, axis=-1), 0, -1)


def _learned(chance: Array, own: Array) -> Array:
    """log rho of the alternative that the candidate goes on as she did."""
    trust = TRUST / (np.add.reduce(own, axis=-1, keepdims=True) + TRUST)
    ratio = own / chance * (trust / TRUST) + trust
    return np.asarray(np.log(np.maximum(_isotonic(ratio, chance), 1e-12)))


class Factors(NamedTuple):
    """By alternative and bucket (last axis) log rho and rho - 1, and by alternative what one request tells of
    a version's luck."""

    logs: Array
    above: Array
    known: Array


def factors(counts: Array, places: Before) -> Factors:
    """Those made of `counts` per bucket (last axis) of stable and of the candidate until now."""
    past, own = counts[..., 0, :], counts[..., 1, :]
    chance = (past + 1 / past.shape[-1]) / (np.add.reduce(past, axis=-1, keepdims=True) + 1)
    logs = np.empty((*past.shape[:-1], COUNT, past.shape[-1]))
    logs[..., :-1, :], logs[..., -1, :] = _written(chance, places), _learned(chance, own)
    return Factors(logs, np.expm1(logs), _information(chance, logs))


def remembered(counts: Array, places: Before) -> Factors:
    """The same of one rollout; they stay for many scrapes."""
    kept = _kept(counts.tobytes(), places.bounds)
    if not kept:
        kept.append(_lasting(factors(counts, places)))
    return kept[0]


def remember(counts: Array, places: Before, made: Factors) -> None:
    """What was made of one rollout's counts together with others'."""
    _kept(counts.tobytes(), places.bounds).append(_lasting(made))


def _lasting(made: Factors) -> Factors:
    """By themselves, so that they keep no other rollout's, and as they are."""
    lasting = Factors(*(part.copy() for part in made))
    for part in lasting:
        part.setflags(write=False)
    return lasting


@lru_cache(maxsize=REMEMBERED)
def _kept(counts: bytes, bounds: tuple[float, ...]) -> list[Factors]:
    """Where the factors of these counts are, once they were worked out."""
    del counts, bounds
    return []


def _information(chance: Array, logs: Array) -> Array:
    """Luck that shifts everything is taken for harm the more, the more a bet is like one on a small shift."""
    chance = chance[..., None, :]
    apart = logs - np.add.reduce(chance * logs, axis=-1, keepdims=True)
    weighted = chance * apart
    square = np.add.reduce(weighted * apart, axis=-1)
    alike = np.add.reduce(weighted * apart[..., :1, :], axis=-1)
    return np.asarray(alike * alike / np.maximum(square * square[..., :1], 1e-300) / REACH**2)
