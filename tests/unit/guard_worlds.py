"""Synthetic traffic for the guards' tests: seeded, small, and only counts."""

from dataclasses import dataclass

import numpy as np

from policies.guards.increment import Arm, Increment
from policies.guards.judge import Judge
from policies.guards.state import JudgeState
from policies.spec.declaration import Environment, Guard, GuardKind

BOUNDS = (0.1, 0.3, 1.2, 5.0)
QUICK = (0.7, 0.25, 0.04, 0.009, 0.001)
GUARDS = (
    Guard("errors", GuardKind.ERRORS),
    Guard("latency", GuardKind.LATENCY),
    Guard("alive", GuardKind.ALIVE),
    Guard("share", GuardKind.SHARE),
)
ENVIRONMENT = Environment(guards=GUARDS)


@dataclass(frozen=True)
class World:
    """Error rates of both versions, all requests per second, the candidate's weight (percent)."""

    stable: float
    candidate: float
    rate: float
    weight: float
    slow: tuple[float, ...] = QUICK


def arm(dice, requests, errors, buckets):
    return Arm(
        float(requests),
        float(dice.binomial(requests, errors)),
        tuple(float(n) for n in dice.multinomial(requests, buckets)),
    )


def intervals(world: World, count: int, seed: int, first: int = 0) -> list[Increment]:
    """One-second scrapes of this world."""
    dice = np.random.default_rng(seed)
    share = world.weight / 100
    found = []
    for number in range(first, first + count):
        candidate = arm(dice, dice.poisson(world.rate * share), world.candidate, world.slow)
        stable = arm(dice, dice.poisson(world.rate * (1 - share)), world.stable, QUICK)
        found.append(
            Increment(
                number,
                float(number + 1),
                1.0,
                world.weight,
                candidate,
                stable if world.weight < 100 else None,
                BOUNDS,
            )
        )
    return found


def judged(judge: Judge, increments, state: JudgeState | None = None) -> JudgeState:
    """The state after these increments, or at the first harm."""
    state = state or judge.start(0.0)
    for increment in increments:
        state = judge.observe(state, increment)
        if state.harm:
            break
    return state
