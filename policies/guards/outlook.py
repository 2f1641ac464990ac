"""How near harm a comparison of rates is: by what was counted, and by what may still fail.

No bet is made here, and no state is changed.
"""

import math
from functools import partial

import numpy as np

from policies.guards import rate
from policies.guards.betting import Array, Urn
from policies.guards.noise import Noise
from policies.guards.rate import RateState

_STEP = 8  # failures between two looks ahead


def concentration(state: RateState, worse_by: float) -> float:
    """How much all counts speak for a higher rate, taken as one sample; 0 or above.

    It is -log of a bound on the chance of so many bad ones being the candidate's by luck: Chernoff's, `n
    KL(x/n, share)`. It pools and waits for nothing, so it tells where harm is that a bet has found, and is
    no reason to find harm: who looks again and again would find it by luck.
    """
    bad, share = state.bad + state.stable_bad, _null_share(state, worse_by)
    if not (bad > 0 and 0 < share < 1 and state.bad > bad * share):
        return 0.0
    found = state.bad / bad
    rest = (1 - found) * math.log((1 - found) / (1 - share)) if found < 1 else 0.0
    return bad * (found * math.log(found / share) + rest)


def _null_share(state: RateState, worse_by: float) -> float:
    """The candidate's share of bad ones where it is as good as stable, but for what is tolerated."""
    mine = (1 + worse_by) * state.requests
    return mine / (mine + state.stable_requests) if mine > 0 else 0.0


def failures_to(
    state: RateState, log_e: float, *, share: float, worse_by: float, noise: Noise, most: int = 64
) -> int | None:
    """How many more bad requests of the candidate alone would bring E there; None if above `most`."""
    if not 0 < share < 1:
        return None
    ahead = partial(_ahead, state, share=share, worse_by=worse_by, noise=noise)
    # Each failure more speaks for harm: so a look at every eighth says among which seven others it is.
    coarse = np.arange(_STEP, most + _STEP, _STEP, dtype=np.float64)
    enough = np.flatnonzero(ahead(coarse) >= log_e)
    if not len(enough):
        return None
    last = coarse[enough[0]]
    below = last - np.arange(_STEP - 1, 0, -1, dtype=np.float64)
    sooner = np.flatnonzero(ahead(below) >= log_e)
    found = int(below[sooner[0]] if len(sooner) else last)
    return found if found <= most else None


def _ahead(state: RateState, more: Array, *, share: float, worse_by: float, noise: Noise) -> Array:
    """log E after so many more bad requests of the candidate alone, for each number of them."""
    one, shape = rate.track_of(state), more.shape
    urn = Urn(*(np.broadcast_to(part, shape) for part in one.urn))
    track = rate.Track(
        np.broadcast_to(one.bets, (*shape, one.bets.shape[-1])),
        np.zeros((*shape, 0)),
        urn,
        np.broadcast_to(one.seconds, shape),
        np.zeros((*shape, 4)),
        urn,
    )
    # At once, as if all of them came in one interval with as many requests as their share says.
    scale = np.maximum(more, rate.LEAST) / share
    ahead = rate.advance(
        track,
        more,
        scale * share,
        0.0 * more,
        scale * (1 - share),
        at=state.opened,
        seconds=0.0,
        worse_by=worse_by,
        noise=noise,
    )
    return rate.log_evidence(ahead)
