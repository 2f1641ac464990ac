"""How near harm a comparison of rates is: by what was counted, and by what may still fail.

No bet is made here, and no state is changed.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from policies.guards import abreast, rate
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


class Ask(NamedTuple):
    """How many more bad requests of the candidate alone would bring one rollout's E to `log_e`?

    `share`: hers of all requests; of more than `most` nobody needs to know how many.
    """

    state: RateState
    log_e: float
    share: float
    worse_by: float
    noise: Noise
    most: int = 64

    @property
    def alike(self) -> tuple[object, ...]:
        """Those where it is the same are settled together."""
        return Ask, self.worse_by, self.most, len(self.state.fits)


def failures_to(state: RateState, log_e: float, **given: Any) -> int | None:
    """One rollout's answer to an `Ask`; None if above `most`."""
    return settled([Ask(state, log_e, **given)])[0]


def settled(asks: Sequence[Ask]) -> list[int | None]:
    """Each rollout's answer; all `asks` are alike."""
    found: list[int | None] = [None] * len(asks)
    left = [number for number, one in enumerate(asks) if 0 < one.share < 1]
    if not left:
        return found
    # Each failure more speaks for harm: so a look at every eighth says among which seven others it is.
    coarse = np.arange(_STEP, asks[0].most + _STEP, _STEP, dtype=np.float64)
    last = _first(asks, left, np.tile(coarse, (len(left), 1)))
    left = [number for number in left if number in last]
    if left:
        below = np.array([[last[number]] for number in left]) - np.arange(_STEP - 1.0, 0.0, -1.0)
        sooner = _first(asks, left, below)
        for number in left:
            fewest = int(sooner.get(number, last[number]))
            found[number] = fewest if fewest <= asks[number].most else None
    return found


def _first(asks: Sequence[Ask], which: Sequence[int], more: Array) -> dict[int, float]:
    """The first of each one's numbers (a row for each) with which E is there, of those that have one."""
    goals = np.array([[asks[number].log_e] for number in which])
    enough = _ahead([asks[number] for number in which], more) >= goals
    return {
        number: float(row[there.argmax()])
        for number, row, there in zip(which, more, enough, strict=True)
        if there.any()
    }


def _ahead(asks: Sequence[Ask], more: Array) -> Array:
    """log E after so many more bad requests of the candidate alone, for each one's row of them."""
    count, times = more.shape
    one = rate.tracks([ask.state for ask in asks])

    def each(part: Array) -> Array:
        return np.repeat(part[None] if count == 1 else part, times, axis=0)

    urn, flat = Urn(*map(each, one.urn)), more.ravel()
    track = rate.Track(
        each(one.bets),
        np.zeros((len(flat), 0)),
        urn,
        each(one.seconds),
        np.zeros((len(flat), 4)),
        urn,
    )
    share = np.repeat([ask.share for ask in asks], times)
    # At once, as if all of them came in one interval with as many requests as their share says.
    scale = np.maximum(flat, rate.LEAST) / share
    ahead = rate.advance(
        track,
        flat,
        scale * share,
        0.0 * flat,
        scale * (1 - share),
        at=urn.opened,
        seconds=0.0,
        worse_by=asks[0].worse_by,
        noise=abreast.noise([ask.noise for ask in asks for _ in range(times)]),
    )
    return rate.log_evidence(ahead).reshape(count, times)
