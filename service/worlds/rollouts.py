"""Whole rollouts in a simulated world: weights move as the release machine would move them.

The rules are those of `policies.shifting` for a declared environment, for many runs at once and with a
router that does at once what it is told; a test holds them beside the machine itself. A step that waits
for a person (`hold: manual`) is gone on from at once, because nobody knows how long people take.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from policies import strategy
from policies.guards.betting import Array
from policies.shifting import SHARE_TOLERANCE
from policies.spec.declaration import Environment, WhenUndecided
from policies.strategy import Shift, Watch
from service.worlds.panels import Panel, Truths, Verdicts
from service.worlds.traffic import Runs, Traffic

NEVER = np.inf


class Rung(NamedTuple):
    """One weight (percent), the least seconds at it, and the rung up to which evidence may go from here.

    `guarded`: the way to the next weight needs evidence; `watched`: all weights are behind it.
    """

    weight: float
    dwell: float
    last: int
    guarded: bool
    watched: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of each run; times in seconds, `inf` where it did not happen within the horizon.

    `requests` and `failed` are the candidate's, `wrong` its failures beyond what stable would have had.
    """

    back: Array
    full: Array
    done: Array
    requests: Array
    failed: Array
    wrong: Array
    unproven: Truths
    seconds: float  # the horizon


def rungs_of(environment: Environment) -> tuple[Rung, ...]:
    """The weights of a rollout beside a stable version, one after the other."""
    found: list[Rung] = []
    steps = strategy.plan(environment, first=False)
    for index, step in enumerate(steps):
        match step:
            case Shift():
                last = len(found) + len(step.weights) - 1
                following = steps[index + 1] if index + 1 < len(steps) else None
                ahead = isinstance(following, Shift)
                for place, weight in enumerate(step.weights):
                    ends = place == len(step.weights) - 1
                    guarded = following.guarded if ends and isinstance(following, Shift) else step.guarded
                    reach = last + (1 if ends and ahead else 0)
                    found.append(Rung(float(weight), step.dwell or 0.0, reach, guarded))
            case Watch():
                found.append(Rung(found[-1].weight, step.seconds, len(found), step.guarded, watched=True))
    return tuple(found)


def walk(
    environment: Environment,
    panel: Panel,
    traffic: Traffic,
    *,
    every: float,
    horizon: float,
    looked: Callable[[float], None] = lambda _: None,
) -> Outcome:
    """All runs of `traffic` from the first request to their end, or to `horizon` (seconds).

    `every`: seconds between two looks; `looked` is told the share of the horizon that is over.
    """
    rungs = rungs_of(environment)
    walks = _Walks(rungs, environment, traffic.runs)
    while traffic.at < horizon and walks.open.any():
        who = np.flatnonzero(walks.open)
        weights = walks.weights[who]
        tick = traffic.step(who, weights, every)
        panel.observe(who, tick, weights)
        walks.count(who, tick.candidate.requests, tick.candidate.errors, tick.wrong)
        walks.end(who[panel.harmful(who)], tick.at, back=True)
        waiting = np.flatnonzero(walks.open & (tick.at >= walks.since + walks.dwells))
        if len(waiting):
            walks.go_on(waiting, panel.verdicts(waiting), tick.at)
        looked(traffic.at / horizon)
    return walks.outcome(horizon)


class _Walks:
    """Where each run is."""

    def __init__(self, rungs: tuple[Rung, ...], environment: Environment, runs: int) -> None:
        self._rungs, self._environment = rungs, environment
        self._weights = np.array([rung.weight for rung in rungs])
        self._dwells = np.array([rung.dwell for rung in rungs])
        self.place = np.zeros(runs, dtype=int)
        self.since = np.zeros(runs)
        self.open = np.ones(runs, dtype=bool)
        self._back, self._full, self._done = (np.full(runs, NEVER) for _ in range(3))
        self._sums = np.zeros((3, runs))
        self._unproven = np.zeros(runs, dtype=bool)
        self._full[self._weights[self.place] == 100] = 0.0

    @property
    def weights(self) -> Array:
        return self._weights[self.place]

    @property
    def dwells(self) -> Array:
        return self._dwells[self.place]

    def count(self, who: Runs, requests: Array, failed: Array, wrong: Array) -> None:
        self._sums[:, who] += [requests, failed, wrong]

    def end(self, who: Runs | int, at: float, *, back: bool) -> None:
        self.open[who] = False
        (self._back if back else self._done)[who] = at

    def go_on(self, who: Runs, said: Verdicts, at: float) -> None:
        """Move those whose time at their weight is over as far as the evidence allows."""
        for row, run in enumerate(who):
            place = self._next(run, said, row, at)
            if place == len(self._rungs):
                self.end(run, at, back=False)
            elif place != self.place[run]:
                self.place[run], self.since[run] = place, at
                if self._rungs[place].weight == 100:
                    self._full[run] = min(self._full[run], at)

    def _next(self, run: int, said: Verdicts, row: int, at: float) -> int:
        place = int(self.place[run])
        rung = self._rungs[place]
        shared = bool(abs(said.share[row] - rung.weight) <= SHARE_TOLERANCE)
        if self._environment.sticky != "none" and rung.weight < 100:
            shared = bool(0 < said.share[row] <= rung.weight + SHARE_TOLERANCE)
        cleared = bool(said.cleared[row]) and shared
        following = place + 1
        if following == len(self._rungs) and not rung.watched:  # what was held back went over
            return following
        if rung.watched:  # its end
            passes = cleared or not (rung.guarded or said.suspect[row] or said.harm[row])
        elif self._rungs[following].watched or not rung.guarded:
            return following
        else:
            ahead = range(following, rung.last + 1)
            reachable = [p for p in ahead if cleared and self._rungs[p].weight <= said.allowed[row]]
            if reachable:
                return reachable[-1]
            passes = False
        late = at >= self.since[run] + rung.dwell + self._environment.patience
        if not passes and late and not said.suspect[row]:
            passes = self._environment.when_undecided is WhenUndecided.FINISH
            self._unproven[run] |= passes
        return following if passes else place

    def outcome(self, horizon: float) -> Outcome:
        requests, failed, wrong = self._sums
        return Outcome(self._back, self._full, self._done, requests, failed, wrong, self._unproven, horizon)
