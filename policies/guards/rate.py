"""Is the candidate's rate of bad requests higher than stable's, by more than tolerated?

One scrape gives two arms' increments; the realised share of requests, not the configured weight, is
the null's share of bad events. Valid while the common rate drifts and while the weight changes, even
by this guard's own evidence. It must be fed the same interval of both arms and each interval once.
Where the candidate gets a request now and then, an interval that holds one shows a share that is far above
the true one, so intervals are pooled until she has `LEAST` requests: when, only requests decide, never what
became of them.

Formulas: null share `w psi0 / (1 - w + w psi0)` with `psi0 = 1 + worse_by`; alternatives
`psi0 * 2^(g/4)`, g = 1..28, weighted 1/ratio; gain per scrape: the log ratio of beta-binomial
probabilities (`betting.draw`); E mixes them with restarts (`betting.joined`). `ratios` tells the ratio.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from policies.guards import abreast, betting, overshoot, ratios
from policies.guards.betting import Array, Urn
from policies.guards.noise import Noise
from policies.guards.ratios import GRID, TOLERATED

LEAST = 5.0  # requests of the candidate in what is bet on at once
EMPTY = (0.0,) * 4  # a pool
_BETS = len(betting.RATIOS)
_BET: Array = np.concatenate([[1.0], betting.RATIOS])  # the null, and what is bet on
_SHOWN: Array = np.concatenate([GRID, _BET])


class Track(NamedTuple):
    """The guard as arrays of any leading shape; a single rollout has the empty shape.

    `fits` may have no columns: then the interval that people read is not kept, and all else is the same.
    `pool` waits for more requests: bad ones and all of the candidate, then of stable. Bets are drawn from
    `urn`, which remembers bad luck alone; `whole` remembers all, for the interval.
    """

    bets: Array
    fits: Array
    urn: Urn
    seconds: Array
    pool: Array
    whole: Urn


@dataclass(frozen=True, slots=True)
class RateState:
    """The same as plain numbers, with the counts so far; about 1.5 kB as JSON.

    `tolerated`: the ratio that the grid of `fits` is relative to.
    """

    bets: tuple[float, ...]
    fits: tuple[float, ...]
    score: float = 0.0
    information: float = 0.0
    opened: float = 0.0
    seconds: float = 0.0
    log_e: float = 0.0
    log_peak: float = 0.0
    bad: float = 0.0
    requests: float = 0.0
    stable_bad: float = 0.0
    stable_requests: float = 0.0
    pool: tuple[float, ...] = EMPTY
    tolerated: float = 1.0
    whole_score: float = 0.0
    whole_information: float = 0.0


def start(*, interval: bool = True) -> RateState:
    """Before anything was seen; without an `interval` none is kept."""
    return RateState(tuple(betting.start().tolist()), (0.0,) * (len(GRID) if interval else 0))


def again(state: RateState) -> RateState:
    """New bets; what was counted stays counted."""
    return replace(
        start(interval=bool(state.fits)),
        bad=state.bad,
        requests=state.requests,
        stable_bad=state.stable_bad,
        stable_requests=state.stable_requests,
    )


def ended(state: RateState) -> RateState:
    """What stays of a guard that is not fed any more: what it counted and concluded."""
    return replace(state, bets=(), fits=(), pool=EMPTY)


def start_track(shape: tuple[int, ...] = ()) -> Track:
    """Fresh guards for as many rollouts as the shape holds."""
    zero = np.zeros(shape)
    bets = np.broadcast_to(betting.start(), (*shape, _BETS))
    fits = np.zeros((*shape, len(GRID)))
    urn = Urn(zero, zero, zero)
    return Track(bets.copy(), fits, urn, zero, np.zeros((*shape, 4)), urn)


@lru_cache(maxsize=64)
def _ratios(worse_by: float, *, shown: bool) -> Array:
    """The null's and those bet on; before them what only people read."""
    return np.asarray((1.0 + worse_by) * (_SHOWN if shown else _BET))


def advance(
    track: Track,
    bad: ArrayLike,
    requests: ArrayLike,
    stable_bad: ArrayLike,
    stable_requests: ArrayLike,
    *,
    at: ArrayLike,
    seconds: ArrayLike,
    worse_by: float,
    noise: Noise,
    goal: ArrayLike = math.inf,
) -> Track:
    """The guard after one scrape. What has no request of stable says nothing yet.

    `goal`: the log E that means harm by itself; what an interval could win beyond it is bet on reaching it.
    """
    rows: Any = [bad, requests, stable_bad, stable_requests]
    pool = track.pool + betting.array(rows).T
    _, mine, _, theirs = pool.T
    nothing = 1.0 - ((mine >= LEAST) & (theirs > 0))
    waits = pool * nothing[..., None]
    x, n, y, m = (pool - waits).T
    # The odds are those of one request each where nothing is bet on.
    odds = ((n + nothing) / (m + nothing))[..., None]
    null = track.fits.shape[-1]  # its place
    odds = odds * _ratios(worse_by, shown=null > 0)
    shares = betting.shares(odds)
    share = shares[0, ..., null][()]
    urn, whole = betting.urns_at(track.urn, track.whole, at=betting.array(at), block=noise.block)
    urn = betting.unlucky(urn)
    urns = (slice(null, None), urn), (slice(null), whole)
    base = betting.balls(*urns[: 2 if null else 1], null=share, shares=shares, noise=noise)
    after, goal = track.seconds + betting.array(seconds), betting.array(goal)
    bets, total = betting.joined(track.bets, track.seconds, after), x + y
    factor = overshoot.factors(
        overshoot.Stand(bets, after),
        goal,
        base[..., null:],
        total,
        odds=odds[..., null],
        noise=noise,
    )
    logs, *news = betting.draw(base, x, total, null=share, noise=noise)
    gains = logs[..., null + 1 :] - logs[..., null, None]
    bets = overshoot.lifted(bets + gains, after, goal, factor)
    fits = track.fits + (logs[..., :null] - logs[..., TOLERATED, None])
    return Track(bets, fits, urn.plus(*news), after, waits, whole.plus(*news))


def log_evidence(track: Track) -> Array:
    return betting.log_evidence(track.bets, track.seconds)


class Bet(NamedTuple):
    """What one rollout's guard is told of an interval."""

    state: RateState
    bad: float
    requests: float
    stable_bad: float
    stable_requests: float
    at: float
    seconds: float
    worse_by: float
    noise: Noise
    goal: float = math.inf

    @property
    def alike(self) -> tuple[object, ...]:
        """Those where it is the same are settled together."""
        return Bet, self.worse_by, len(self.state.fits)


def update(state: RateState, **told: Any) -> RateState:
    """One rollout's guard after one scrape, of what a `Bet` is made of."""
    return settled([Bet(state, **told)])[0]


def settled(bets: Sequence[Bet]) -> list[RateState]:
    """Each rollout's guard after its interval; all `bets` are alike."""
    states, *counts, at, seconds, tolerances, noises, goals = zip(*bets, strict=True)
    worse_by = tolerances[0]
    states = tuple(_known(one, 1.0 + worse_by) for one in states)
    track = advance(
        tracks(states),
        *map(abreast.column, counts),
        at=abreast.column(at),
        seconds=abreast.column(seconds),
        worse_by=worse_by,
        noise=abreast.noise(noises),
        goal=abreast.column(goals),
    )
    urn, whole = track.urn, track.whole
    columns = (
        track.bets, track.fits, urn.score, urn.information, urn.opened, track.seconds, log_evidence(track),
        track.pool, whole.score, whole.information,
    )  # fmt: skip
    rows = abreast.rows(columns, len(bets))
    return [_after(bet, 1.0 + worse_by, row) for bet, row in zip(bets, rows, strict=True)]


def _after(bet: Bet, tolerated: float, row: Sequence[Any]) -> RateState:
    before = bet.state
    bets, fits, score, information, opened, seconds, log_e, pool, whole_score, whole_information = row
    return RateState(
        tuple(bets),
        tuple(fits),
        score,
        information,
        opened,
        seconds,
        log_e,
        max(before.log_peak, log_e),
        before.bad + bet.bad,
        before.requests + bet.requests,
        before.stable_bad + bet.stable_bad,
        before.stable_requests + bet.stable_requests,
        tuple(pool),
        tolerated,
        whole_score,
        whole_information,
    )


def _known(state: RateState, tolerated: float) -> RateState:
    """Older code's grid for people was relative to stable's rate: that begins anew."""
    if state.tolerated == tolerated:
        return state
    return replace(state, fits=(0.0,) * len(state.fits), tolerated=tolerated)


def tracks(states: Sequence[RateState]) -> Track:
    """The guards of these rollouts; of one alone with the empty shape."""
    numbers = [
        (one.score, one.information, one.opened, one.whole_score, one.whole_information, one.seconds)
        for one in states
    ]
    score, information, opened, whole_score, whole_information, seconds = abreast.array(numbers).T
    return Track(
        abreast.array([one.bets for one in states]),
        ratios.known(abreast.column([one.fits for one in states])),
        Urn(score, information, opened),
        seconds,
        abreast.array([one.pool for one in states]),
        Urn(whole_score, whole_information, opened),
    )
