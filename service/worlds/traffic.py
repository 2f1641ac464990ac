"""Synthetic traffic: what a router would have counted for both versions, for many runs at once.

Purely a function of the world, the seed and the weights that were asked for: the same arguments give
the same counts. What happens to both versions alike (waves of the day, an incident, errors that rise)
and what happens to one alone (luck of its pods, a cold start, being bad) are kept apart, because the
first must never look like the second. Nothing is judged here.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from policies.guards.betting import Array
from service.worlds.latency import Latency

Runs = NDArray[np.intp]  # which runs are meant
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class World:
    """What a rollout meets. `rate` is requests per second of both versions together, `errors` the share
    of stable's that fail; `worse` multiplies it for the candidate from `onset` seconds on, and its
    latency is `slower` from then on.

    For both versions: `waves` is the relative height of the day's wave, an `incident` multiplies the
    errors for some minutes, `rising` is their multiple after two hours. For one alone: failed requests
    come in `bursts` of this mean size (clients that retry), `luck` is the standard deviation of
    log(rate of one arm / rate of the other) and lasts about `luck_seconds`; a candidate is `cold` (its
    errors times this) for `cold_seconds`.
    """

    rate: float
    errors: float
    worse: float = 1.0
    slower: Latency | None = None
    onset: float = 0.0
    waves: float = 0.0
    incident: float = 1.0
    incident_seconds: float = 480.0
    rising: float = 1.0
    bursts: float = 1.0
    luck: float = 0.0
    luck_seconds: float = 240.0
    cold: float = 1.0
    cold_seconds: float = 240.0
    latency: Latency = field(default_factory=Latency)


class Arms(NamedTuple):
    """One version's counts in one interval, a row per run; `buckets` has no columns where none are timed."""

    requests: Array
    errors: Array
    buckets: Array


class Tick(NamedTuple):
    """One interval of `seconds` that ends `at`; `wrong` is the candidate's failures beyond stable's rate."""

    at: float
    seconds: float
    candidate: Arms
    stable: Arms
    wrong: Array


class Traffic:
    """So many runs of one world. `horizon` is the time within which an incident begins."""

    def __init__(
        self, world: World, runs: int, seed: int, *, bounds: tuple[float, ...] = (), horizon: float = 7200.0
    ) -> None:
        self.world, self.runs, self.bounds = world, runs, bounds
        self.at = 0.0
        self._dice = np.random.default_rng(seed)
        self._phase = self._dice.uniform(0, 2 * np.pi, runs)
        self._incident = self._dice.uniform(0, horizon, runs)
        self._luck = self._dice.normal(0, 1, (2, runs))
        self._timed = world.latency.shares(bounds) if bounds else np.zeros(0)
        self._slower = (world.slower or world.latency).shares(bounds) if bounds else np.zeros(0)

    def step(self, who: Runs, weights: Array, seconds: float) -> Tick:
        """The next interval of the runs `who`, at their weights (percent)."""
        world = self.world
        middle = self.at + seconds / 2
        self.at += seconds
        wave = 1 + world.waves * np.sin(2 * np.pi * middle / DAY + self._phase[who])
        common = self._common(who, middle) * wave
        luck = self._lucks(who, seconds)
        bad = middle >= world.onset
        excess = (world.worse if bad else 1.0) * (world.cold if middle < world.cold_seconds else 1.0)
        expected = world.rate * seconds * wave
        share = weights / 100
        stable_rate = np.clip(world.errors * common * luck[1], 0.0, 1.0)
        own_rate = np.clip(world.errors * common * luck[0] * excess, 0.0, 1.0)
        candidate = self._arm(expected * share, own_rate, self._slower if bad else self._timed)
        stable = self._arm(expected * (1 - share), stable_rate, self._timed)
        usual = np.clip(world.errors * common, 0.0, 1.0)
        return Tick(self.at, seconds, candidate, stable, candidate.errors - candidate.requests * usual)

    def _common(self, who: Runs, at: float) -> Array:
        """What multiplies the errors of both versions."""
        world = self.world
        begun = self._incident[who]
        inside = (at >= begun) & (at < begun + world.incident_seconds)
        rising = 1 + (world.rising - 1) * at / 7200.0
        return np.asarray(np.where(inside, world.incident, 1.0) * max(rising, 0.0))

    def _lucks(self, who: Runs, seconds: float) -> Array:
        """Each arm's own factor, of mean 1: a slow random walk that returns (Ornstein-Uhlenbeck)."""
        world = self.world
        if world.luck == 0:
            return np.ones((2, len(who)))
        keeps = np.exp(-seconds / world.luck_seconds)
        fresh = self._dice.normal(0, 1, (2, len(who)))
        self._luck[:, who] = keeps * self._luck[:, who] + np.sqrt(1 - keeps**2) * fresh
        spread = world.luck / np.sqrt(2)
        return np.asarray(np.exp(spread * self._luck[:, who] - spread**2 / 2))

    def _arm(self, expected: Array, rate: Array, shares: Array) -> Arms:
        requests = self._dice.poisson(expected)
        bursts = self.world.bursts
        errors = self._dice.binomial(requests, rate / bursts)
        if bursts > 1:  # each failure is tried again until it is given up: bunches of geometric size
            again = self._dice.negative_binomial(np.maximum(errors, 1), 1 / bursts)
            again = np.where(errors > 0, again, 0)
            requests, errors = requests + again, errors + again
        buckets = self._dice.multinomial(requests, shares) if len(shares) else np.zeros((len(requests), 0))
        return Arms(requests.astype(float), errors.astype(float), buckets.astype(float))
