"""Judges that know the noise of a world, as an installation learns it: from hours of one version.

Every ten runs know the same history, and no run sees the requests that its judge learned from.
"""

from dataclasses import replace

import numpy as np

from policies.guards import learning, stretch
from policies.guards.increment import Arm, Increment
from policies.guards.judge import Judge
from policies.guards.noise import BLOCK
from policies.guards.plan import History
from policies.guards.stretch import Stretch
from policies.spec.declaration import Environment
from service.worlds.traffic import Arms, Traffic, World

HOURS = 4
SHARED = 10  # runs that know the same history
EVERY = 10.0  # seconds between two readings while nothing is judged, as the observer takes them


def judges(
    environment: Environment,
    world: World,
    runs: int,
    seed: int,
    bounds: tuple[float, ...],
    *,
    past: History,
    hours: float = HOURS,
) -> list[Judge]:
    """A judge for each run, with the noise of so many hours."""
    equal = replace(world, worse=1.0, slower=None, cold=1.0, onset=0.0)
    histories = max(1, runs // SHARED)
    found = [
        _judge(environment, past, one) for one in _histories(equal, histories, seed, bounds, hours=hours)
    ]
    return [found[run % histories] for run in range(runs)]


def _judge(environment: Environment, past: History, known: list[Stretch]) -> Judge:
    """As the observer makes it: the noise of all, and how long requests took in the last hour."""
    buckets, bounds = stretch.pooled(known[-int(3600 / BLOCK) :])
    history = replace(past, buckets=buckets, bounds=bounds)
    return Judge.of(environment, history=history, noise=learning.learn(environment.guards, alone=[known]))


def _histories(
    world: World, histories: int, seed: int, bounds: tuple[float, ...], *, hours: float
) -> list[list[Stretch]]:
    """What the observer keeps of so many times the same version."""
    traffic = Traffic(world, histories, seed + 1, bounds=bounds, horizon=hours * 3600)
    everyone, all_of = np.arange(histories), np.full(histories, 100.0)
    open_ = [stretch.start(0.0) for _ in everyone]
    ended: list[list[Stretch]] = [[] for _ in everyone]
    for _ in range(int(hours * 3600 / EVERY)):
        tick = traffic.step(everyone, all_of, EVERY)
        for one in everyone:
            what = Increment(0, tick.at, EVERY, 100.0, _arm(tick.candidate, one), None, bounds)
            open_[one], block = stretch.gather(open_[one], what)
            ended[one] += [block] if block is not None else []
    return ended


def _arm(arms: Arms, one: int) -> Arm:
    return Arm(float(arms.requests[one]), float(arms.errors[one]), tuple(arms.buckets[one].tolist()))
