"""Is the candidate slower than stable, anywhere in the distribution of durations? From bucket counts.

One bound sees only what crosses it; this guard bets on all buckets at once, so that a shift of
everything and a longer tail are both found early. It needs both arms' counts in the same buckets,
classic or exponential (`native`), each interval once, and no durations of single requests.

Formulas: with the candidate's share `w` of the interval's requests, x_j of the k_j requests in bucket j
and any factors rho_j that do not fall with j and are chosen from the *past*:
`log E += sum_j x_j log rho_j - k_j log(1 + w (rho_j - 1))`. By weighted arithmetic and geometric means
this has expectation at most 1 while the candidate is stochastically no slower, whatever the common
distribution does (blocks of Turner, Ly, Gruenwald 2024). The alternatives that are mixed, also over
restarts, are those of `factors`.

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
from numpy.typing import ArrayLike

from policies.guards import betting, increment
from policies.guards.betting import Array
from policies.guards.factors import COUNT, LOG_PRIOR, Before, before, log_factors
from policies.guards.increment import Arm
from policies.guards.noise import Noise

LEAST_PAST = 100.0  # requests of stable before the first bet
HALF_LIFE = 1800.0  # seconds after which the past counts half


class Track(NamedTuple):
    """The guard as arrays of any leading shape, last axis the alternatives (`past` of stable and the
    candidate's `own`: the buckets).

    `block`: each alternative's log gain in the open block; `information`: what was there to be known of luck.
    """

    bets: Array
    block: Array
    information: Array
    past: Array
    own: Array
    opened: Array
    seconds: Array


@dataclass(frozen=True, slots=True)
class HistogramState:
    """The same as plain numbers, and counts that people understand: requests slower than `bound`.

    `bound` (seconds) is what about a twentieth of stable's requests exceeded when betting began; `past`
    and `own` are stable's counts per bucket and the candidate's, and fade.
    """

    bets: tuple[float, ...]
    block: tuple[float, ...] = (0.0,) * COUNT
    information: tuple[float, ...] = (0.0,) * COUNT
    past: tuple[float, ...] = ()
    own: tuple[float, ...] = ()
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
    return HistogramState((math.log(betting.AT_ONCE),) * COUNT, past=tuple(past))


def again(state: HistogramState) -> HistogramState:
    """New bets; what was counted, and the past to bet from, stay."""
    kept = {
        name: getattr(state, name) for name in ("bound", "bad", "requests", "stable_bad", "stable_requests")
    }
    return replace(start(state.past), **kept)


def start_track(shape: tuple[int, ...], buckets: int) -> Track:
    """Fresh guards for as many rollouts as the shape holds."""
    zeros, none, counts = np.zeros(shape), np.zeros((*shape, COUNT)), np.zeros((*shape, buckets))
    bets = none + math.log(betting.AT_ONCE)
    return Track(bets, none, none, counts, counts, zeros, zeros)


def moved(bounds: Sequence[float], worse_by: float) -> list[int]:
    """For each bucket the lowest one in which its requests could lie if they were so much faster."""
    lower = [0.0, *bounds]
    return [bisect_right(bounds, low / (1 + worse_by)) if low > 0 else 0 for low in lower]


@lru_cache(maxsize=64)
def _layout(bounds: tuple[float, ...], worse_by: float) -> tuple[Before, list[int]]:
    """`before` and `moved`: the same for every scrape of a router."""
    return before(bounds), moved(bounds, worse_by)


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
    n, m = np.add.reduce(x, axis=-1), np.add.reduce(y, axis=-1)
    speaks = (n > 0) & (m > 0) & (np.add.reduce(track.past, axis=-1) >= LEAST_PAST)
    share = np.where(speaks, n, 0.0) / np.maximum(n + m, 1e-300)
    logs, known = log_factors(track.past, track.own, places)
    k = np.where(speaks[..., None], x + y, 0.0)
    # Sums, not matrix products, so that many rollouts at once have the bits of each alone.
    won = np.add.reduce(logs * np.where(speaks[..., None], x, 0.0)[..., None, :], axis=-1)
    paid = np.add.reduce(np.log1p(share[..., None, None] * np.expm1(logs)) * k[..., None, :], axis=-1)
    gain = won - paid
    over = at - track.opened >= noise.block
    fresh = over[..., None]
    gained, informed = np.where(fresh, 0.0, track.block), np.where(fresh, 0.0, track.information)
    information = informed + (np.add.reduce(k, axis=-1) * share * (1 - share))[..., None] * known
    variance = noise.spread * noise.spread
    before, now = 1 / (noise.burst + variance * informed), 1 / (noise.burst + variance * information)
    counts = gain * now + np.minimum(gained * (now - before), 0.0)
    block = gained + gain
    after = track.seconds + seconds
    bets = betting.joined(track.bets, track.seconds, after) + counts
    fades = np.exp2(-seconds / HALF_LIFE)[..., None]
    past, own = track.past * fades + y, track.own * fades + x
    return Track(bets, block, information, past, own, np.where(over, at, track.opened), after)


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
    if bound is None and float(np.add.reduce(track.past)) >= LEAST_PAST:
        bound = increment.usual_bound(track.past.tolist(), bounds) or bounds[-1]
    slow = [increment.slower(arm, bounds, bound) if bound else None for arm in (candidate, stable)]
    (bad, requests), (stable_bad, stable_requests) = (one or (0.0, 0.0) for one in slow)
    log_e = float(log_evidence(after))
    return HistogramState(
        tuple(after.bets.tolist()),
        tuple(after.block.tolist()),
        tuple(after.information.tolist()),
        tuple(after.past.tolist()),
        tuple(after.own.tolist()),
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
    past, own = (row if len(row) == buckets else (0.0,) * buckets for row in (state.past, state.own))
    known = state if len(state.bets) == COUNT else _dealt(state)
    return Track(
        betting.array(known.bets),
        betting.array(known.block),
        betting.array(known.information),
        betting.array(past),
        betting.array(own),
        betting.array(state.opened),
        betting.array(state.seconds),
    )


def _dealt(state: HistogramState) -> HistogramState:
    """A state of older code, which had other alternatives: what they won is dealt anew, and no more."""
    kept = math.log1p(-float(betting.spent(betting.array(state.seconds))))
    won = state.log_e + math.log(max(-math.expm1(kept - state.log_e), 1e-300))
    return HistogramState((won,) * COUNT)
