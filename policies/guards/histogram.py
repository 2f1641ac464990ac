"""Is the candidate slower than stable, anywhere in the distribution of durations? From bucket counts.

One bound sees only what crosses it; this guard bets on all buckets at once, so that a shift of
everything and a longer tail are both found early. It needs both arms' counts in the same buckets,
classic or exponential (`native`), each interval once, and no durations of single requests.

Formulas: with the candidate's share `w` of the interval's requests, x_j of the k_j requests in bucket j
and any factors rho_j that do not fall with j and are chosen from the *past*:
`log E += sum_j x_j log rho_j - k_j log(1 + w (rho_j - 1))`. By weighted arithmetic and geometric means
this has expectation at most 1 while the candidate is stochastically no slower, whatever the common
distribution does (blocks of Turner, Ly, Gruenwald 2024). The alternatives that are mixed, also over
restarts, are those of `factors`; they are made anew when a part of what they would be made of is new, which
only the past decides.

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
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from policies.guards import abreast, betting, increment
from policies.guards.betting import Array
from policies.guards.factors import (
    COUNT,
    LOG_PRIOR,
    TRUST,
    Before,
    Factors,
    before,
    factors,
    remember,
    remembered,
)
from policies.guards.increment import Arm
from policies.guards.noise import Noise

LEAST_PAST = 100.0  # requests of stable before the first bet
HALF_LIFE = 1800.0  # seconds after which the past counts half
NEWS = 0.2  # the part of what factors are made of that has come since, above which they are made anew
_BESIDE: Array = np.array([0.0, TRUST])  # what they are made of beside stable's requests and the candidate's


class Track(NamedTuple):
    """The guard of one rollout or a row of them; last axis the alternatives (of counts and `logs`: buckets).

    `block`: each alternative's log gain in the open block; `information`: what was there to be known of luck;
    `counts` of stable and of the candidate, which fade. `logs`, `above` and `known` are `factors` of the
    counts `made`, as they were after `made_at` observed seconds.
    """

    bets: Array
    block: Array
    information: Array
    counts: Array
    opened: Array
    seconds: Array
    made: Array
    made_at: Array
    logs: Array
    above: Array
    known: Array


@dataclass(frozen=True, slots=True)
class HistogramState:
    """The same as plain numbers, and counts that people understand: requests slower than `bound`.

    `bound` (seconds) is what about a twentieth of stable's requests exceeded when betting began; `past`
    and `own` are stable's counts per bucket and the candidate's, and fade. `made` are those, one after the
    other, that the factors were made of after `made_at` observed seconds.
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
    made: tuple[float, ...] = ()
    made_at: float = 0.0


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
    zeros, none, counts = np.zeros(shape), np.zeros((*shape, COUNT)), np.zeros((*shape, 2, buckets))
    bets, logs = none + math.log(betting.AT_ONCE), np.zeros((*shape, COUNT, buckets))
    return Track(bets, none, none, counts, zeros, zeros, counts.copy(), zeros, logs, logs, none)


def moved(bounds: Sequence[float], worse_by: float) -> list[int]:
    """For each bucket the lowest one in which its requests could lie if they were so much faster."""
    lower = [0.0, *bounds]
    return [bisect_right(bounds, low / (1 + worse_by)) if low > 0 else 0 for low in lower]


@lru_cache(maxsize=64)
def _lowest(bounds: tuple[float, ...], worse_by: float) -> NDArray[np.intp]:
    """`moved`: the same for every scrape of a router."""
    return np.array(moved(bounds, worse_by))


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
    track, counted = _renewed(track, places)
    now = np.empty((*x.shape[:-1], 2, x.shape[-1]))
    now[..., 0, :], now[..., 1, :] = y, x
    requests = np.add.reduce(now, axis=-1)
    m, n = requests[..., 0], requests[..., 1]
    speaks = (n > 0) & (m > 0) & (counted[..., 0] >= LEAST_PAST)
    share = n * speaks / np.maximum(n + m, 1e-300)
    gain = _gains(track.logs, track.above, now * speaks[..., None, None], share)
    goes_on = at - track.opened < noise.block
    still = goes_on[..., None]
    gained, informed = track.block * still, track.information * still
    information = informed + ((n + m) * share * (1 - share))[..., None] * track.known
    variance = noise.spread * noise.spread
    before, after = 1 / (noise.burst + variance * informed), 1 / (noise.burst + variance * information)
    won = gain * after + np.minimum(gained * (after - before), 0.0)
    total = track.seconds + seconds
    return track._replace(
        bets=betting.joined(track.bets, track.seconds, total) + won,
        block=gained + gain,
        information=information,
        counts=track.counts * np.exp2(-seconds / HALF_LIFE)[..., None, None] + now,
        opened=track.opened * goes_on + at * (1 - goes_on),
        seconds=total,
    )


def _renewed(track: Track, places: Before) -> tuple[Track, Array]:
    """With new factors where enough has come since they were made; and how many requests of stable and of the
    candidate there are to make them of."""
    counted = np.add.reduce(track.counts, axis=-1)
    fades = np.exp2((track.made_at - track.seconds) / HALF_LIFE)
    new = counted - np.add.reduce(track.made, axis=-1) * fades[..., None]
    enough = new > NEWS * (counted + _BESIDE)
    due = (enough[..., 0] | enough[..., 1]) & (counted[..., 0] >= LEAST_PAST)
    if not np.count_nonzero(due):
        return track, counted
    made_at = np.where(due, track.seconds, track.made_at)
    if due.ndim == 0:
        those = remembered(track.counts, places)._asdict()
        return track._replace(made=track.counts, made_at=made_at, **those), counted
    made, kept = track.made.copy(), Factors(track.logs.copy(), track.above.copy(), track.known.copy())
    made[due] = track.counts[due]
    some = np.flatnonzero(due)
    for part in betting.in_parts(len(some)):
        rows = some[part]
        kept.logs[rows], kept.above[rows], kept.known[rows] = factors(made[rows], places)
    return track._replace(made=made, made_at=made_at, **kept._asdict()), counted


def _gains(logs: Array, above: Array, counts: Array, share: Array) -> Array:
    """Each alternative's log gain from counts of stable and of the candidate."""
    if share.size > betting.AT_A_TIME:
        parts = betting.in_parts(len(share))
        return np.concatenate([_gains(logs[rows], above[rows], counts[rows], share[rows]) for rows in parts])
    x = counts[..., 1, :]
    k = (counts[..., 0, :] + x)[..., None, :]
    paid = above * share[..., None, None]
    paid += 1
    np.log(paid, out=paid)
    paid *= k
    # Sums, not matrix products, so that many rollouts at once have the bits of each alone.
    won = logs * x[..., None, :]
    won -= paid
    return np.asarray(np.add.reduce(won, axis=-1))


def log_evidence(track: Track) -> Array:
    placed = betting.log_sum(track.bets + LOG_PRIOR)
    return np.asarray(np.logaddexp(placed, np.log1p(-betting.spent(track.seconds))))


class Bet(NamedTuple):
    """What one rollout's guard is told of an interval. Other buckets than before: the past begins anew, bets
    stay."""

    state: HistogramState
    candidate: Arm
    stable: Arm
    bounds: tuple[float, ...]
    at: float
    seconds: float
    worse_by: float
    noise: Noise

    @property
    def alike(self) -> tuple[object, ...]:
        """Those where it is the same are settled together."""
        return Bet, self.worse_by, self.bounds, self.told

    @property
    def told(self) -> bool:
        """Whether there are durations."""
        return bool(self.bounds and (self.candidate.buckets or self.stable.buckets))


def update(state: HistogramState, candidate: Arm, stable: Arm, **told: Any) -> HistogramState:
    """One rollout's guard after one scrape, of what a `Bet` is made of."""
    return settled([Bet(state, candidate, stable, **told)])[0]


def settled(bets: Sequence[Bet]) -> list[HistogramState]:
    """Each rollout's guard after its interval; all `bets` are alike. Without durations nothing is new."""
    worse_by, bounds = bets[0].worse_by, bets[0].bounds
    if not bets[0].told:
        return [bet.state for bet in bets]
    states, candidates, stables, _, at, seconds, _, noises = zip(*bets, strict=True)
    places = before(bounds)
    track, lowest = _tracks(states, places), _lowest(bounds, worse_by)
    mine = [np.bincount(lowest, _buckets(arm, bounds), len(bounds) + 1) for arm in candidates]
    after = advance(
        track,
        abreast.column(mine),
        abreast.column([_buckets(arm, bounds) for arm in stables]),
        places=places,
        at=abreast.column(at),
        seconds=abreast.column(seconds),
        noise=abreast.noise(noises, columns=True),
    )
    if len(bets) > 1:
        for row in np.flatnonzero(after.made_at != track.made_at):
            those = Factors(after.logs[row], after.above[row], after.known[row])
            remember(after.made[row], places, those)
    columns = (*after[: -len(Factors._fields)], log_evidence(after))
    rows = abreast.rows(columns, len(bets))
    return [_after(bet, row) for bet, row in zip(bets, rows, strict=True)]


def _buckets(arm: Arm, bounds: tuple[float, ...]) -> tuple[float, ...]:
    return arm.buckets or (0.0,) * (len(bounds) + 1)


def _after(bet: Bet, row: Sequence[Any]) -> HistogramState:
    state, bounds = bet.state, bet.bounds
    bets, block, information, (past, own), opened, seconds, made, made_at, log_e = row
    bound = state.bound if state.bound in bounds else None
    if bound is None and len(state.past) == len(bounds) + 1 and sum(state.past) >= LEAST_PAST:
        bound = increment.usual_bound(state.past, bounds) or bounds[-1]
    slow = [increment.slower(arm, bounds, bound) if bound else None for arm in (bet.candidate, bet.stable)]
    (bad, requests), (stable_bad, stable_requests) = (one or (0.0, 0.0) for one in slow)
    return HistogramState(
        tuple(bets),
        tuple(block),
        tuple(information),
        tuple(past),
        tuple(own),
        opened,
        seconds,
        log_e,
        max(state.log_peak, log_e),
        bound,
        state.bad + bad,
        state.requests + requests,
        state.stable_bad + stable_bad,
        state.stable_requests + stable_requests,
        (*made[0], *made[1]),
        made_at,
    )


def _tracks(states: Sequence[HistogramState], places: Before) -> Track:
    buckets = len(places.bounds) + 1
    none = (0.0,) * buckets
    counts = [[row if len(row) == buckets else none for row in (one.past, one.own)] for one in states]
    known = [one if len(one.bets) == COUNT else _dealt(one) for one in states]
    made = [np.array(one.made if len(one.made) == 2 * buckets else none * 2) for one in states]
    made = [one.reshape(2, buckets) for one in made]
    parts = zip(*(remembered(one, places) for one in made), strict=True)
    bets, block, information = abreast.array(
        [(one.bets, one.block, one.information) for one in known]
    ).swapaxes(0, -2)
    opened, seconds, made_at = abreast.array([(one.opened, one.seconds, one.made_at) for one in states]).T
    return Track(
        bets,
        block,
        information,
        abreast.array(counts),
        opened,
        seconds,
        abreast.array(made),
        made_at,
        *map(abreast.array, parts),
    )


def _dealt(state: HistogramState) -> HistogramState:
    """A state of older code, which had other alternatives: what they won is dealt anew, and no more."""
    kept = math.log1p(-float(betting.spent(betting.array(state.seconds))))
    won = state.log_e + math.log(max(-math.expm1(kept - state.log_e), 1e-300))
    return HistogramState((won,) * COUNT)
