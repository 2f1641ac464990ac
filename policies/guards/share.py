"""Does the router really split as it was told? A mismatch makes every comparison doubtful.

Two one-sided tests of the realised share of requests against the weight, plus and minus a tolerance.
It can only raise an alarm that holds the weight (`suspect`): a wrong split is not the candidate's
fault, so it never says harm and is outside the budget of false rollbacks. At weight 0 and 100 there
is no split to test. Every change of weight starts the test anew. Where users are kept on a version, a
weight is the share of new users only: those of stable stay when it grows, so the candidate may have less.

Formula: `slo.advance` on requests instead of bad requests (sequential sample-ratio mismatch, after
Lindon & Malek 2022), for the share and for its complement at once; E is the mean of the two.
"""

import math
from dataclasses import dataclass

import numpy as np

from policies.guards import betting, slo
from policies.guards.betting import Urn
from policies.guards.noise import Noise

ALARM = math.log(1000)  # it restarts at every step, so each test must be rarely wrong
ROUTING = Noise(burst=2.0, spread=0.1, provisional=False, block=60.0)  # keep-alive, sticky sessions


@dataclass(frozen=True, slots=True)
class ShareState:
    """The two tests (share too high, too low) and the weight (percent) they are about."""

    weight: float
    bets: tuple[float, ...]  # of the first test, then of the second
    score: tuple[float, ...] = (0.0, 0.0)
    information: tuple[float, ...] = (0.0, 0.0)
    opened: float = 0.0
    seconds: float = 0.0
    log_e: float = 0.0
    requests: float = 0.0
    total: float = 0.0


def start(weight: float = 0.0) -> ShareState:
    return ShareState(weight, tuple(betting.start().tolist()) * 2)


def margin(weight: float, tolerance: float) -> float:
    """The tolerance in effect: never more than half of the smaller side, or 0 % of 5 % would pass."""
    share = weight / 100
    return min(tolerance, min(share, 1 - share) / 2)


def update(
    state: ShareState,
    *,
    requests: float,
    stable_requests: float,
    weight: float,
    tolerance: float,
    at: float,
    seconds: float,
    kept: bool = False,
) -> ShareState:
    """After one scrape. The first one at a new weight is not counted: it still holds old requests.

    `kept`: users stay on their version, so that only more than the weight is wrong.
    """
    if weight != state.weight:
        return start(weight)
    if not 0 < weight < 100:
        return state
    total = requests + stable_requests
    room, share = margin(weight, tolerance), weight / 100
    most, other = share + room, 1 - share + room
    track = slo.advance(
        _track(state),
        [requests, requests if kept else stable_requests],
        [total, total],
        limit=[most, most if kept else other],
        at=[at, at],
        seconds=seconds,
        noise=ROUTING,
    )
    high, low = slo.log_evidence(track).tolist()
    return ShareState(
        weight,
        tuple(track.bets.ravel().tolist()),
        tuple(track.urn.score.tolist()),
        tuple(track.urn.information.tolist()),
        float(track.urn.opened[0]),
        float(track.seconds[0]),
        float(np.logaddexp(high, low)) - math.log(2),
        state.requests + requests,
        state.total + total,
    )


def _track(state: ShareState) -> slo.Track:
    urn = Urn(
        betting.array(state.score),
        betting.array(state.information),
        np.full(2, state.opened),
    )
    return slo.Track(betting.array(state.bets).reshape(2, -1), urn, np.full(2, state.seconds))


def alarmed(state: ShareState) -> bool:
    return state.log_e >= ALARM
