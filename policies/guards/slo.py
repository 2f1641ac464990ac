"""Is the candidate's share of bad requests above an absolute limit? Needs no stable beside it.

This is the guard for the times when all traffic is on one version: bake, blue/green, the watch after
promotion. Where no limit is written, `limit_from_history` takes one from stable's own past; where
there is no past either, nothing can be said, and this module says None rather than a pass.

Formula: the one-sample likelihood ratio of p_g against the limit p0, mixed over p_g, where p_g has
`2^(g/4)` times the odds of p0: `x log r - n log(1 + p0 (r - 1))`, that is label betting with the
limit in the place of the candidate's share (Turner, Ly, Gruenwald 2024), noise-calibrated and with
restarts like the rate guard. A shared incident breaks a limit too: the caller must hold, not blame
the candidate, while stable is above it.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from policies import ramp
from policies.guards import betting
from policies.guards.betting import Array, Urn
from policies.guards.noise import Noise

FACTOR = 2.0  # a quiet hour is not a promise: twice what stable's past cannot exclude
FLOOR = 0.005  # 0.5 %: below it single bad minutes decide; the rate guard is the fine one
CEILING = 0.5  # a limit above this would guard nothing: too little history
_RATIOS: Array = np.concatenate([betting.RATIOS, [1.0]])  # the null last


class Track(NamedTuple):
    """The guard as arrays of any leading shape."""

    bets: Array
    urn: Urn
    seconds: Array


@dataclass(frozen=True, slots=True)
class SloState:
    """The same as plain numbers, with the counts so far; under 1 kB as JSON.

    `untold`: further requests of which nobody said whether they were bad. They are no evidence against the
    candidate, and none that a limit is kept either.
    """

    bets: tuple[float, ...]
    score: float = 0.0
    information: float = 0.0
    opened: float = 0.0
    seconds: float = 0.0
    log_e: float = 0.0
    log_peak: float = 0.0
    bad: float = 0.0
    requests: float = 0.0
    untold: float = 0.0


def limit_from_history(errors: float, requests: float, burst: float = 1.0) -> float | None:
    """A limit where none is written: twice the anytime upper bound of stable's own rate, at least 0.5 %.

    The upper bound, not the rate, so that a short history gives a wide limit; None where even that
    would exceed one half (fewer than about a dozen requests).
    """
    if not requests > 0:
        return None
    limit = max(FACTOR * ramp.upper_bound(errors / burst, requests / burst), FLOOR)
    return limit if limit <= CEILING else None


def start() -> SloState:
    return SloState(tuple(betting.start().tolist()))


def again(state: SloState) -> SloState:
    """New bets; what was counted stays counted."""
    return replace(start(), bad=state.bad, requests=state.requests, untold=state.untold)


def start_track(shape: tuple[int, ...] = ()) -> Track:
    zero = np.zeros(shape)
    bets = np.broadcast_to(betting.start(), (*shape, len(betting.RATIOS)))
    return Track(bets.copy(), Urn(zero, zero, zero), zero)


def advance(
    track: Track,
    bad: ArrayLike,
    requests: ArrayLike,
    *,
    limit: ArrayLike,
    at: ArrayLike,
    seconds: ArrayLike,
    noise: Noise,
) -> Track:
    """The guard after one scrape; no requests, no news."""
    null = betting.array(limit) + 0 * track.seconds  # one limit may be that of all
    odds = (null / (1 - null))[..., None] * _RATIOS
    shares = betting.shares(odds)
    (urn,) = betting.urns_at(track.urn, at=betting.array(at), block=noise.block)
    urn = betting.unlucky(urn)
    base = betting.balls((betting.ALL, urn), null=null, shares=shares, noise=noise)
    logs, *news = betting.draw(base, betting.array(bad), betting.array(requests), null=null, noise=noise)
    after = track.seconds + betting.array(seconds)
    gains = logs[..., :-1] - logs[..., -1:]
    return Track(betting.joined(track.bets, track.seconds, after) + gains, urn.plus(*news), after)


def log_evidence(track: Track) -> Array:
    return betting.log_evidence(track.bets, track.seconds)


def update(
    state: SloState,
    *,
    bad: float,
    requests: float,
    limit: float,
    at: float,
    seconds: float,
    noise: Noise,
    untold: float = 0.0,
) -> SloState:
    """One rollout's guard after one scrape: `advance` on the empty shape."""
    urn = Urn(*map(betting.array, (state.score, state.information, state.opened)))
    track = Track(betting.array(state.bets), urn, betting.array(state.seconds))
    track = advance(track, bad, requests, limit=limit, at=at, seconds=seconds, noise=noise)
    log_e = float(log_evidence(track))
    return SloState(
        tuple(track.bets.tolist()),
        float(track.urn.score),
        float(track.urn.information),
        float(track.urn.opened),
        float(track.seconds),
        log_e,
        max(state.log_peak, log_e),
        state.bad + bad,
        state.requests + requests,
        state.untold + untold,
    )


def at_most(state: SloState) -> float:
    """The candidate's rate is below this, at any time, with 95 %: what nobody told may all have been bad."""
    untold = max(0.0, state.untold)
    return ramp.upper_bound(state.bad + untold, state.requests + untold)
