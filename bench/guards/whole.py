"""Whole rollouts: each controller moves its own weights through the same kind of world.

Segue has its own defaults, a look each second as in production, and the noise of four hours of stable. Argo
Rollouts and Flagger go as their examples do (`thresholds`); Kayenta judges an hour at 10 % every twenty
minutes, then all is shifted.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.guards import fixed, kayenta, learned, thresholds
from policies.guards.plan import History
from policies.spec.declaration import WARM_UP, Environment, Guard, GuardKind
from policies.spec.support import BOUNDS
from service.worlds.many import Many
from service.worlds.rollouts import walk
from service.worlds.traffic import Traffic, World

HORIZON = 4 * 3600.0
SEGUE, ARGO, FLAGGER, KAYENTA = "Segue", "Argo Rollouts", "Flagger", "Kayenta, 60 min"
DEFAULTS = Environment(
    guards=(
        Guard("errors", GuardKind.ERRORS),
        Guard("latency", GuardKind.LATENCY),
        Guard("alive", GuardKind.ALIVE),
        Guard("share", GuardKind.SHARE),
    ),
    warm_up=WARM_UP,
)
BESIDE = 400.0  # seconds beside stable, before all traffic
HISTORY_SECONDS = 86_400.0  # of stable's, before the rollout


@dataclass(frozen=True, slots=True)
class Trip:
    """One rollout's world, and how long a look takes (production's default is a second)."""

    name: str
    world: World
    good: bool
    every: float = 1.0


TRIPS = (
    Trip("good, 10/s", World(10, 0.001), good=True, every=10.0),
    Trip("good, 100/s", World(100, 0.001), good=True, every=2.0),
    Trip("good, 1000/s", World(1000, 0.001), good=True),
    Trip("5 % errors, 10/s", World(10, 0.001, worse=50), good=False),
    Trip("5 % errors, 100/s", World(100, 0.001, worse=50), good=False),
    Trip("5 % errors, 1000/s", World(1000, 0.001, worse=50), good=False),
    Trip("0.2 % instead of 0.1 %, 100/s", World(100, 0.001, worse=2), good=False, every=2.0),
    Trip("2 % from the fifth minute, 100/s", World(100, 0.001, worse=20, onset=240), good=False),
)


@dataclass(frozen=True, slots=True)
class Went:
    """Some rollouts of one controller; times in seconds, inf where it did not happen."""

    back: np.ndarray
    full: np.ndarray
    requests: np.ndarray
    wrong: np.ndarray  # failures of the candidate beyond what stable would have had
    failed: np.ndarray

    def plus(self, other: "Went") -> "Went":
        return Went(
            *(
                np.concatenate([getattr(self, name), getattr(other, name)])
                for name in ("back", "full", "requests", "wrong", "failed")
            )
        )


def run(trip: Trip, runs: int, seed: int) -> dict[str, Went]:
    """So many rollouts under every controller."""
    return {
        SEGUE: segue(trip, runs, seed),
        ARGO: _loop(trip, runs, seed, _argo),
        FLAGGER: _loop(trip, runs, seed, _flagger),
        KAYENTA: _kayenta(trip, runs, seed),
    }


def segue(trip: Trip, runs: int, seed: int) -> Went:
    """So many rollouts under Segue alone."""
    world = trip.world
    past = History(world.rate * HISTORY_SECONDS, world.rate * world.errors * HISTORY_SECONDS)
    panel = Many(learned.judges(DEFAULTS, world, runs, seed, BOUNDS, past=past), BOUNDS)
    traffic = Traffic(world, runs, seed, bounds=BOUNDS, horizon=HORIZON)
    went = walk(DEFAULTS, panel, traffic, every=trip.every, horizon=HORIZON)
    return Went(went.back, went.full, went.requests, went.wrong, went.failed)


class _Loop:
    """Rollouts that are looked at once a minute."""

    def __init__(self, runs: int) -> None:
        self.back, self.full = np.full(runs, np.inf), np.full(runs, np.inf)
        self.weights = np.full(runs, 10.0)
        self.failures, self.since = np.zeros(runs, dtype=int), np.zeros(runs)

    @property
    def open(self) -> np.ndarray:
        return np.isinf(self.back) & np.isinf(self.full)


def _loop(
    trip: Trip, runs: int, seed: int, move: Callable[[_Loop, np.ndarray, np.ndarray, float], None]
) -> Went:
    loop, sums = _Loop(runs), np.zeros((3, runs))
    traffic = Traffic(trip.world, runs, seed, bounds=BOUNDS, horizon=HORIZON)
    while loop.open.any() and traffic.at < HORIZON:
        who = np.flatnonzero(loop.open)
        tick = traffic.step(who, loop.weights[who], thresholds.MINUTE)
        arms = tick.candidate
        sums[:, who] += [arms.requests, tick.wrong, arms.errors]
        bad = thresholds.bad(arms.requests, arms.errors, thresholds.quantile(arms.buckets, BOUNDS))
        loop.failures[who] += bad
        over = who[loop.failures[who] >= thresholds.FAILURES]
        loop.back[over] = tick.at
        move(loop, who, bad, tick.at)
    return Went(loop.back, loop.full, sums[0], sums[1], sums[2])


def _argo(loop: _Loop, who: np.ndarray, bad: np.ndarray, at: float) -> None:  # noqa: ARG001
    for run in who[np.isinf(loop.back[who])]:
        index = [weight for weight, _ in thresholds.ARGO].index(loop.weights[run])
        if at - loop.since[run] < thresholds.ARGO[index][1]:
            continue
        loop.since[run] = at
        if index + 1 == len(thresholds.ARGO):
            loop.full[run] = at
        else:
            loop.weights[run] = thresholds.ARGO[index + 1][0]


def _flagger(loop: _Loop, who: np.ndarray, bad: np.ndarray, at: float) -> None:
    for run in who[~bad & np.isinf(loop.back[who])]:
        if loop.weights[run] >= thresholds.FLAGGER_MOST:
            loop.full[run] = at
        else:
            loop.weights[run] += thresholds.FLAGGER_STEP


def _kayenta(trip: Trip, runs: int, seed: int) -> Went:
    traffic = Traffic(trip.world, runs, seed, bounds=BOUNDS, horizon=HORIZON)
    dice, everyone = np.random.default_rng((seed, 3)), np.arange(runs)
    ours, theirs = [], []
    sums = np.zeros((3, 61, runs))
    for minute in range(1, 61):
        tick = traffic.step(everyone, np.full(runs, 10.0), 60.0)
        sums[:, minute] = sums[:, minute - 1] + [tick.candidate.requests, tick.wrong, tick.candidate.errors]
        ours.append(fixed.points(tick.candidate, BOUNDS))
        theirs.append(fixed.points(fixed.thinned(tick.stable, 1 / 9, dice), BOUNDS))
    canary, baseline = np.array(ours), np.array(theirs)
    ends = [kayenta.first_failure(canary[:, 2:, r].T, baseline[:, 2:, r].T, every=20) for r in everyone]
    back = np.array([np.inf if end is None else end * 60.0 for end in ends])
    last = np.array([end or 60 for end in ends])
    full = np.where(np.isinf(back), 3600.0, np.inf)
    return Went(back, full, *(part[last, everyone] for part in sums))


def after_promotion(runs: int, seed: int) -> np.ndarray:
    """Failed requests until a version that has all traffic and whose errors rose from 0.1 to 2 % is taken
    back; inf where it was not within the watch."""
    world = World(100, 0.001, worse=20, onset=BESIDE)
    past = History(world.rate * HISTORY_SECONDS, world.rate * world.errors * HISTORY_SECONDS)
    panel = Many(learned.judges(DEFAULTS, world, runs, seed, BOUNDS, past=past), BOUNDS)
    traffic, everyone = Traffic(world, runs, seed, bounds=BOUNDS), np.arange(runs)
    failed, over = np.zeros(runs), np.zeros(runs, dtype=bool)
    while traffic.at < BESIDE:
        panel.observe(everyone, traffic.step(everyone, np.full(runs, 10.0), 10.0), np.full(runs, 10.0))
    while traffic.at < BESIDE + DEFAULTS.watch and not over.all():
        tick = traffic.step(everyone, np.full(runs, 100.0), 1.0)
        panel.observe(everyone, tick, np.full(runs, 100.0))
        failed += np.where(over, 0.0, tick.candidate.errors)
        over |= panel.harmful(everyone)
    return np.where(over, failed, np.inf)
