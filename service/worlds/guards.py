"""The guards of many runs in arrays, a row each: the numbers of each run's state, fed hundreds at a time.

The arithmetic is the guards' own, which takes rows of rollouts as it takes one. Which guard is fed when is
`many`'s to decide.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from policies.guards import abreast, betting, factors, histogram, increment, rate
from policies.guards.betting import Array, Urn
from policies.guards.histogram import LEAST_PAST
from policies.guards.judge import Judge
from policies.guards.noise import Noise
from service.worlds.traffic import Runs, Tick

_COUNTS = histogram.Track._fields.index("counts")
UNKNOWN = -1  # a bound that was not chosen yet


@dataclass(slots=True)
class Bets:
    """One guard of all runs: a row each."""

    bets: Array
    urn: Urn
    seconds: Array
    log_e: Array
    peak: Array

    @classmethod
    def fresh(cls, runs: int, *tests: int) -> "Bets":
        shape = (runs, *tests)
        bets = np.broadcast_to(betting.start(), (*shape, len(betting.RATIOS))).copy()
        urn = Urn(np.zeros(shape), np.zeros(shape), np.zeros(shape))
        return cls(bets, urn, np.zeros(shape), np.zeros(shape), np.zeros(shape))

    def again(self, who: Runs) -> None:
        """New bets."""
        new = self.fresh(len(who), *self.seconds.shape[1:])
        self.put(who, new.bets, new.urn, new.seconds)
        self.log_e[who] = self.peak[who] = 0.0

    def at(self, who: Runs) -> tuple[Array, Urn, Array]:
        return self.bets[who], Urn(*(part[who] for part in self.urn)), self.seconds[who]

    def put(self, who: Runs, bets: Array, urn: Urn, seconds: Array) -> None:
        self.bets[who], self.seconds[who] = bets, seconds
        for mine, theirs in zip(self.urn, urn, strict=True):
            mine[who] = theirs
        self.log_e[who] = betting.log_evidence(bets, seconds)
        self.peak[who] = np.maximum(self.peak[who], self.log_e[who])


@dataclass(slots=True)
class Rates(Bets):
    """A guard that compares rates, with the requests that wait for more."""

    pool: Array

    @classmethod
    def fresh(cls, runs: int, *tests: int) -> "Rates":
        found = Bets.fresh(runs, *tests)
        return cls(found.bets, found.urn, found.seconds, found.log_e, found.peak, np.zeros((runs, 4)))

    def feed(
        self,
        who: Runs,
        counts: Array,
        tick: Tick,
        *,
        worse_by: float,
        noise: Noise,
        goal: float = np.inf,
    ) -> None:
        before, urn, seconds = self.at(who)
        track = rate.advance(
            rate.Track(before, np.zeros((len(who), 0)), urn, seconds, self.pool[who], urn),
            *counts,
            at=np.full(len(who), tick.at),
            seconds=tick.seconds,
            worse_by=worse_by,
            noise=noise,
            goal=goal,
        )
        self.put(who, track.bets, track.urn, track.seconds)
        self.pool[who] = track.pool

    def again(self, who: Runs) -> None:
        Bets.again(self, who)
        self.pool[who] = 0.0


class Durations:
    """A guard on all durations, of all runs: as `histogram.update` keeps it for one."""

    def __init__(self, judges: Sequence[Judge], index: int, bounds: tuple[float, ...]) -> None:
        guards = [judge.plan.distributions[index] for judge in judges]
        runs, buckets = len(judges), len(bounds) + 1
        fresh = histogram.start_track((runs,), buckets)
        self._parts = [np.array(part) for part in fresh]
        for run, guard in enumerate(guards):
            if len(guard.past) == buckets:
                self._parts[_COUNTS][run, 0] = guard.past
        self.noises, self._bounds = [guard.noise for guard in guards], bounds
        self._moved = histogram.moved(bounds, guards[0].worse_by)
        self._places = factors.before(bounds)
        self._bound = np.full(runs, UNKNOWN)
        self.log_e, self.peak, self.seen = np.zeros(runs), np.zeros(runs), np.zeros((4, runs))
        self._buckets = buckets

    def feed(self, who: Runs, tick: Tick) -> None:
        arms = (tick.candidate.buckets, tick.stable.buckets)
        mine = np.zeros_like(arms[0])
        np.add.at(mine.T, self._moved, arms[0].T)
        track = histogram.Track(*(part[who] for part in self._parts))
        after = histogram.advance(
            track,
            mine,
            arms[1],
            places=self._places,
            at=np.full(len(who), tick.at),
            seconds=np.full(len(who), tick.seconds),
            noise=abreast.noise([self.noises[run] for run in who], columns=True),
        )
        pasts = track.counts[:, 0]
        enough = pasts.sum(axis=-1) >= LEAST_PAST
        for run, past in zip(who[enough], pasts[enough], strict=True):
            if self._bound[run] == UNKNOWN:
                chosen = increment.usual_bound(past.tolist(), self._bounds) or self._bounds[-1]
                self._bound[run] = self._bounds.index(chosen)
        bound = self._bound[who]
        beyond = np.arange(len(self._bounds) + 1) > bound[:, None]
        counts = [n for a in arms for n in ((a * beyond).sum(axis=-1), a.sum(axis=-1))]
        self.seen[:, who] += np.where(bound == UNKNOWN, 0.0, np.stack(counts))
        for part, new in zip(self._parts, after, strict=True):
            part[who] = new
        self.log_e[who] = histogram.log_evidence(after)
        self.peak[who] = np.maximum(self.peak[who], self.log_e[who])

    def again(self, who: Runs) -> None:
        """New bets from the same past."""
        fresh = histogram.start_track((len(who),), self._buckets)
        fresh.counts[:, 0] = self._parts[_COUNTS][who, 0]
        for part, new in zip(self._parts, fresh, strict=True):
            part[who] = new
        self.log_e[who] = self.peak[who] = 0.0

    def forget(self, who: Runs) -> None:
        """What was counted, and the bound by which it was."""
        self.seen[:, who] = 0.0
        self._bound[who] = UNKNOWN
