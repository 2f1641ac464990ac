"""Is the candidate slower than stable, anywhere in the distribution of durations? From bucket counts.

One bound sees only what crosses it; this guard bets on all buckets at once, so that a shift of
everything and a longer tail are both found early. It needs both arms' counts in the same buckets,
classic or exponential (`native`), each interval once, and no durations of single requests.

Formulas: with the candidate's share `w` of the interval's requests, x_j of the k_j requests in bucket j
and any factors rho_j that do not fall with j and are chosen from the *past*:
`log E += sum_j x_j log rho_j - k_j log(1 + w (rho_j - 1))`. By weighted arithmetic and geometric means
this has expectation at most 1 while the candidate is stochastically no slower, whatever the common
distribution does (blocks of Turner, Ly, Gruenwald 2024). Alternatives: steps, "`c` times as many beyond
the bound that a share q of stable's past requests exceeded", for a longer tail; and "everything takes s times
as long": rho is what stable's past would look like then, divided by what it looked like, made not to
fall (between two bounds the log odds of being faster are taken to be linear in log time). Mixed with
1/effect, and over restarts.

Noise: in a block of time the log gain G of a bet, with V the information on its log odds, counts as
`G / (burst + spread^2 V)`: the likelihood ratio where identical arms differ by a normal luck of that
spread for the block. Calibrated, not exact. As V grows, this takes back of a gain, and never gives back
of a loss: capital that joins amid a block would be paid for a loss that it had no part in, the more so
where a change of weight alters what a request tells. So for requests alone no bet gains on average,
whenever it began.

`worse_by`: each duration may be so much longer. The candidate's requests are moved down by that factor,
to the lowest bucket that they could then lie in, so with coarse buckets more is tolerated, never less.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from policies.guards import betting, increment
from policies.guards.betting import Array
from policies.guards.increment import Arm
from policies.guards.noise import Noise

TAILS: Array = np.array([0.5, 0.2, 0.05, 0.02, 0.005])  # shares of the past beyond a step's bound
FACTORS: Array = np.array([1.5, 2.0, 4.0, 16.0])  # how many times as many of the candidate's beyond it
LONGER: Array = np.exp2([0.125, 0.25, 0.5, 1.0])  # how many times as long everything takes
REACH = 2.0  # a shift by one deviation multiplies the odds of the slowest twentieth by about e^2
LEAST_PAST = 100.0  # requests of stable before the first bet
HALF_LIFE = 1800.0  # seconds after which the past counts half
_STEPS = len(TAILS) * len(FACTORS)
_COUNT = _STEPS + len(LONGER)
_FACTOR: Array = np.tile(FACTORS, len(TAILS))
_LEVEL = np.repeat(np.arange(len(TAILS)), len(FACTORS))
_KINDS = len(TAILS) + 1  # of information: beyond each bound, and on a shift
_KIND = np.concatenate([_LEVEL, np.full(len(LONGER), len(TAILS))])


def _log_prior() -> Array:
    """Half for a shift, half for a longer tail; in each an effect twice as large has half the mass."""
    steps, shifts = 1 / _FACTOR, 1 / np.log2(LONGER)
    return np.log(np.concatenate([steps / steps.sum(), shifts / shifts.sum()]) / 2)


LOG_PRIOR: Array = _log_prior()


class Track(NamedTuple):
    """The guard as arrays of any leading shape, last axis the alternatives (`past`: the buckets).

    `block`: each alternative's log gain in the open block; `information`: what it knows of log odds, by kind.
    """

    bets: Array
    block: Array
    information: Array
    past: Array
    opened: Array
    seconds: Array


@dataclass(frozen=True, slots=True)
class HistogramState:
    """The same as plain numbers, and counts that people understand: requests slower than `bound`.

    `bound` (seconds) is what about a twentieth of stable's requests exceeded when betting began.
    """

    bets: tuple[float, ...]
    block: tuple[float, ...] = (0.0,) * _COUNT
    information: tuple[float, ...] = (0.0,) * _KINDS
    past: tuple[float, ...] = ()
    opened: float = 0.0
    seconds: float = 0.0
    log_e: float = 0.0
    log_peak: float = 0.0
    bound: float | None = None
    bad: float = 0.0
    requests: float = 0.0
    stable_bad: float = 0.0
    stable_requests: float = 0.0


def start(past: Sequence[float] = ()) -> HistogramState:
    """Before anything was seen; `past`: stable's counts per bucket from before, in the same buckets."""
    return HistogramState((math.log(betting.AT_ONCE),) * _COUNT, past=tuple(past))


def again(state: HistogramState) -> HistogramState:
    """New bets; what was counted, and the past to bet from, stay."""
    kept = {
        name: getattr(state, name) for name in ("bound", "bad", "requests", "stable_bad", "stable_requests")
    }
    return replace(start(state.past), **kept)


def start_track(shape: tuple[int, ...], buckets: int) -> Track:
    """Fresh guards for as many rollouts as the shape holds."""
    zeros, none = np.zeros(shape), np.zeros((*shape, _COUNT))
    bets = none + math.log(betting.AT_ONCE)
    return Track(bets, none, np.zeros((*shape, _KINDS)), np.zeros((*shape, buckets)), zeros, zeros)


def moved(bounds: Sequence[float], worse_by: float) -> list[int]:
    """For each bucket the lowest one in which its requests could lie if they were so much faster."""
    lower = [0.0, *bounds]
    return [bisect_right(bounds, low / (1 + worse_by)) if low > 0 else 0 for low in lower]


class Before(NamedTuple):
    """Where each bound would have been for each of `LONGER`: the lower of two bounds, the way to the next.

    A row per alternative; a place beyond the outer bounds lies on the line through the nearest two.
    """

    lower: NDArray[np.intp]
    way: Array


def before(bounds: Sequence[float]) -> Before:
    """The same for every scrape of a router."""
    edges = np.log(np.maximum(np.asarray(bounds, dtype=np.float64), 1e-9))
    wanted = edges - np.log(LONGER)[:, None]
    if len(edges) < 2:
        return Before(np.zeros(wanted.shape, dtype=np.intp), wanted - edges)
    lower = np.clip(np.searchsorted(edges, wanted, side="right") - 1, 0, len(edges) - 2)
    return Before(lower, (wanted - edges[lower]) / (edges[lower + 1] - edges[lower]))


@lru_cache(maxsize=64)
def _layout(bounds: tuple[float, ...], worse_by: float) -> tuple[Before, list[int]]:
    """`before` and `moved`: the same for every scrape of a router."""
    return before(bounds), moved(bounds, worse_by)


def _rising(ratio: Array, middle: NDArray[np.intp]) -> Array:
    """Made not to fall, from the middle bucket outwards: what is rare at the ends decides nothing else."""
    place = np.arange(ratio.shape[-1])
    above = np.maximum.accumulate(np.where(place >= middle, ratio, 0.0), axis=-1)
    below = np.minimum.accumulate(np.where(place <= middle, ratio, np.inf)[..., ::-1], axis=-1)[..., ::-1]
    return np.where(place >= middle, above, below)


def _shifted(chance: Array, places: Before) -> Array:
    """log rho of the alternatives in which everything takes longer."""
    faster = np.minimum(np.cumsum(chance, axis=-1)[..., :-1], 1 - 1e-12)
    odds = np.log(faster / (1 - faster))
    upper = np.minimum(places.lower + 1, odds.shape[-1] - 1)
    low, high = odds[..., places.lower], odds[..., upper]
    slope = np.where(upper > places.lower, high - low, 2.0)  # of one bound alone nothing else is known
    then = 1 / (1 + np.exp(-(low + places.way * slope)))
    ends = np.zeros((*then.shape[:-1], 1))
    would = np.maximum(np.diff(np.concatenate([ends, then, ends + 1], axis=-1), axis=-1), 1e-15)
    ratio = _rising(would / chance[..., None, :], (faster < 0.5).sum(axis=-1)[..., None, None])
    return np.asarray(np.log(ratio) - np.log((chance[..., None, :] * ratio).sum(axis=-1))[..., None])


def log_factors(past: Array, places: Before) -> tuple[Array, Array]:
    """log rho by alternative and bucket, and the information on log odds in one request, by kind."""
    buckets = past.shape[-1]
    chance = (past + 1 / buckets) / (past.sum(axis=-1, keepdims=True) + 1)
    tail = 1 - np.cumsum(chance, axis=-1)[..., :-1]
    # The smallest bound with no more than this share beyond it; the last one where there is none.
    below = tail[..., None, :] <= TAILS[:, None]
    edge = np.where(below.any(axis=-1), below.argmax(axis=-1), buckets - 2)
    beyond = np.arange(buckets) > edge[..., None]
    share = (chance[..., None, :] * beyond).sum(axis=-1)
    mean = np.log1p(share[..., _LEVEL] * (_FACTOR - 1))
    steps = beyond[..., _LEVEL, :] * np.log(_FACTOR)[:, None] - mean[..., None]
    shift = np.full((*share.shape[:-1], 1), 1 / REACH**2)
    logs = np.concatenate([steps, _shifted(chance, places)], axis=-2)
    return logs, np.concatenate([share * (1 - share), shift], axis=-1)


def advance(
    track: Track,
    candidate: ArrayLike,
    stable: ArrayLike,
    *,
    places: Before,
    at: ArrayLike,
    seconds: ArrayLike,
    noise: Noise,
) -> Track:
    """The guard after one scrape's counts per bucket. Without a past, or an arm's requests, no bet."""
    x, y = betting.array(candidate), betting.array(stable)
    at, seconds = betting.array(at), betting.array(seconds)
    n, m = x.sum(axis=-1), y.sum(axis=-1)
    speaks = (n > 0) & (m > 0) & (track.past.sum(axis=-1) >= LEAST_PAST)
    share = np.where(speaks, n, 0.0) / np.maximum(n + m, 1e-300)
    logs, known = log_factors(track.past, places)
    k = np.where(speaks[..., None], x + y, 0.0)
    # Sums, not matrix products, so that many rollouts at once have the bits of each alone.
    won = (logs * np.where(speaks[..., None], x, 0.0)[..., None, :]).sum(axis=-1)
    paid = (np.log1p(share[..., None, None] * np.expm1(logs)) * k[..., None, :]).sum(axis=-1)
    over = at - track.opened >= noise.block
    fresh = over[..., None]
    gained, informed = (np.where(fresh, 0.0, part) for part in (track.block, track.information))
    information = informed + (k.sum(axis=-1) * share * (1 - share))[..., None] * known
    known_by = (noise.burst + noise.spread * noise.spread * part for part in (informed, information))
    before, now = ((1 / part)[..., _KIND] for part in known_by)
    counts = (won - paid) * now + np.minimum(gained * (now - before), 0.0)
    block = gained + (won - paid)
    after = track.seconds + seconds
    bets = betting.bet(track.bets, counts, track.seconds, after)
    past = track.past * np.exp2(-seconds / HALF_LIFE)[..., None] + y
    return Track(bets, block, information, past, np.where(over, at, track.opened), after)


def log_evidence(track: Track) -> Array:
    placed = betting.log_sum(track.bets + LOG_PRIOR)
    return np.asarray(np.logaddexp(placed, np.log1p(-betting.spent(track.seconds))))


def update(
    state: HistogramState,
    candidate: Arm,
    stable: Arm,
    *,
    bounds: tuple[float, ...],
    at: float,
    seconds: float,
    worse_by: float,
    noise: Noise,
) -> HistogramState:
    """One rollout's guard after one scrape. Other buckets than before: the past begins anew, bets stay."""
    arms = [arm.buckets or (0.0,) * (len(bounds) + 1) for arm in (candidate, stable)]
    if not bounds or not (candidate.buckets or stable.buckets):
        return state
    track = _track(state, len(bounds) + 1)
    mine = np.zeros(len(bounds) + 1)
    places, lowest = _layout(bounds, worse_by)
    np.add.at(mine, lowest, arms[0])
    after = advance(track, mine, arms[1], places=places, at=at, seconds=seconds, noise=noise)
    bound = state.bound if state.bound in bounds else None
    if bound is None and float(track.past.sum()) >= LEAST_PAST:
        bound = increment.usual_bound(track.past.tolist(), bounds) or bounds[-1]
    slow = [increment.slower(arm, bounds, bound) if bound else None for arm in (candidate, stable)]
    (bad, requests), (stable_bad, stable_requests) = (one or (0.0, 0.0) for one in slow)
    log_e = float(log_evidence(after))
    return HistogramState(
        tuple(after.bets.tolist()),
        tuple(after.block.tolist()),
        tuple(after.information.tolist()),
        tuple(after.past.tolist()),
        float(after.opened),
        float(after.seconds),
        log_e,
        max(state.log_peak, log_e),
        bound,
        state.bad + bad,
        state.requests + requests,
        state.stable_bad + stable_bad,
        state.stable_requests + stable_requests,
    )


def _track(state: HistogramState, buckets: int) -> Track:
    past = state.past if len(state.past) == buckets else (0.0,) * buckets
    known = state.information if len(state.information) == _KINDS else (0.0,) * _KINDS  # of older code
    return Track(
        betting.array(state.bets),
        betting.array(state.block),
        betting.array(known),
        betting.array(past),
        betting.array(state.opened),
        betting.array(state.seconds),
    )
