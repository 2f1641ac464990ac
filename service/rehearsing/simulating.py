"""What a rollout policy would do with traffic of so many requests: how long, how sure, at which cost.

Pure and offline: many rollouts of a declared environment are played in a simulated world, with a version
that is as good as stable and with worse ones. The seed is an argument; nothing is read or stored.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from policies.guards.judge import Judge
from policies.guards.plan import History
from policies.spec.declaration import Environment, GuardKind, Strategy
from policies.spec.support import BOUNDS
from service.worlds.latency import Latency
from service.worlds.many import Many, knows
from service.worlds.panels import OneByOne
from service.worlds.rollouts import Outcome, walk
from service.worlds.traffic import Traffic, World

# (horizon, seconds between two looks): the first in which nearly all good versions end is taken.
SPANS = ((1800.0, 2.0), (7200.0, 10.0), (43_200.0, 60.0), (259_200.0, 360.0), (1_209_600.0, 1800.0))
ENDED = 0.9
SHIFTING = frozenset({Strategy.CANARY, Strategy.BLUEGREEN})  # others shift no traffic by evidence
_FED = frozenset(
    {
        GuardKind.ERRORS, GuardKind.LATENCY, GuardKind.SLO, GuardKind.ALIVE, GuardKind.SHARE,
        GuardKind.THRESHOLD,
    }
)  # fmt: skip
Z = 1.959964


@dataclass(frozen=True, slots=True)
class Expected:
    """Traffic as a person knows it; `history`: seconds that stable has served before the rollout."""

    rate: float
    errors: float
    latency: Latency
    history: float = 86_400.0

    def world(self) -> World:
        return World(self.rate, self.errors, latency=self.latency)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of candidate, in words, and its world. `worse` is 1 where it is as good as stable."""

    words: str
    world: World
    good: bool


@dataclass(frozen=True, slots=True)
class Forecast:
    """A kind of candidate with what became of its rollouts."""

    kind: Kind
    outcome: Outcome
    every: float  # seconds between two looks

    def as_json(self) -> dict[str, Any]:
        """Shares with their 95 % intervals, times in seconds, None for what most did not come to."""
        one = self.outcome
        runs = len(one.back)
        shown: dict[str, Any] = {"kind": self.kind.words, "good": self.kind.good, "runs": runs}
        shown |= {"every": self.every, "simulated_seconds": one.seconds}
        for name, hits in (
            ("rolled_back", np.isfinite(one.back)),
            ("promoted", np.isfinite(one.done)),
            ("undecided", ~np.isfinite(one.back) & ~np.isfinite(one.done)),
            ("not_proven", one.unproven),
        ):
            shown[name] = wilson(int(hits.sum()), runs)
        for name, values in (
            ("seconds_to_100", one.full),
            ("seconds_to_rollback", one.back),
            ("seconds_to_promotion", one.done),
            ("requests", one.requests),
            ("failed", one.failed),
            ("failed_beyond_stable", one.wrong),
        ):
            shown[name] = {"median": _quantile(values, 0.5), "nine_in_ten": _quantile(values, 0.9)}
        return shown


def fed(environment: Environment) -> tuple[Environment, list[str]]:
    """The policy with those guards that a simulated router feeds, and the names of the others."""
    out = [one.name for one in environment.guards if one.kind not in _FED or one.query is not None]
    guards = tuple(one for one in environment.guards if one.name not in out)
    return replace(environment, guards=guards), out


def kinds_of(expected: Expected, worse: tuple[float, ...], slower: tuple[float, ...]) -> list[Kind]:
    """A version as good as stable, one for each factor of its errors, one for each of its durations."""
    world = expected.world()
    return [
        Kind("as good as stable", world, good=True),
        *(
            Kind(f"with {factor:g} times the errors", replace(world, worse=factor), good=False)
            for factor in worse
        ),
        *(Kind(f"that is {100 * more:g} % slower", _slower(world, 1 + more), good=False) for more in slower),
    ]


def _slower(world: World, factor: float) -> World:
    return replace(world, slower=replace(world.latency, slower=factor))


def simulate(
    environment: Environment,
    expected: Expected,
    kinds: list[Kind],
    *,
    runs: int,
    seed: int,
    bounds: tuple[float, ...] = BOUNDS,
    told: Callable[[str, float], None] = lambda _words, _share: None,
) -> list[Forecast]:
    """The forecasts in the order of the kinds, the good one first. `bounds`: of the router's buckets."""
    judge = Judge.of(
        environment,
        history=History(expected.rate * expected.history, expected.rate * expected.history * expected.errors),
    )

    def play(kind: Kind, number: int, horizon: float, every: float) -> Outcome:
        panel = (Many if knows(judge) else OneByOne)([judge] * runs, bounds)
        traffic = Traffic(kind.world, runs, seed + number, bounds=bounds, horizon=horizon)

        def looked(share: float) -> None:
            told(kind.words, share)

        return walk(environment, panel, traffic, every=every, horizon=horizon, looked=looked)

    found: list[Forecast] = []
    spans: tuple[tuple[float, float], ...] = SPANS
    for number, kind in enumerate(kinds):
        for horizon, every in spans:
            outcome = play(kind, number, horizon, every)
            if (np.isfinite(outcome.done) | np.isfinite(outcome.back)).mean() >= ENDED:
                break
        found.append(Forecast(kind, outcome, every))
        if number == 0:  # a worse one is given the good one's time, and one span more
            first = spans.index((horizon, every))
            spans = spans[first : first + 2]
    return found


def wilson(hits: int, of: int) -> dict[str, float]:
    """A share with its 95 % interval."""
    seen = hits / of
    middle = (seen + Z * Z / (2 * of)) / (1 + Z * Z / of)
    half = Z / (1 + Z * Z / of) * float(np.sqrt(seen * (1 - seen) / of + Z * Z / (4 * of * of)))
    return {"share": seen, "low": max(0.0, middle - half), "high": min(1.0, middle + half)}


def _quantile(values: Any, share: float) -> float | None:
    found = float(np.sort(values)[min(len(values) - 1, int(share * len(values)))])
    return found if np.isfinite(found) else None
