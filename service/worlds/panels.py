"""Judges for many runs at once: what a rollout's walk asks them, and the plain way to answer.

`OneByOne` is production's own judge, a state for each run: exact by definition, and slow.
`many.Many` gives the same answers in arrays. Neither moves any weight.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from policies.evidence import Verdict
from policies.guards.betting import Array
from policies.guards.increment import Arm, Increment
from policies.guards.judge import Judge
from policies.guards.state import JudgeState
from service.worlds.traffic import Arms, Runs, Tick

Truths = NDArray[np.bool_]


class Verdicts(NamedTuple):
    """A row per run: its verdict, how far its weight may go, and the share of requests that was seen
    (percent, NaN before any)."""

    harm: Truths
    suspect: Truths
    cleared: Truths
    allowed: Array
    share: Array


class Panel(Protocol):
    """The judges of so many runs."""

    def observe(self, who: Runs, tick: Tick, weights: Array) -> None:
        """One interval of the runs `who`, at their weights (percent)."""

    def harmful(self, who: Runs) -> Truths:
        """Which of them were found harmful, ever."""

    def verdicts(self, who: Runs) -> Verdicts:
        """All that is said of them now."""


class OneByOne:
    """A production judge and its state for each run."""

    def __init__(self, judges: Sequence[Judge], bounds: tuple[float, ...]) -> None:
        self._judges, self._bounds = judges, bounds
        self.states: list[JudgeState] = [judge.start(0.0) for judge in judges]

    def observe(self, who: Runs, tick: Tick, weights: Array) -> None:
        for row, run in enumerate(who):
            state = self.states[run]
            weight = float(weights[row])
            self.states[run] = self._judges[run].observe(
                state, increment_of(tick, row, weight, state.sequence + 1, self._bounds)
            )

    def harmful(self, who: Runs) -> Truths:
        return np.array([bool(self.states[run].harm) for run in who])

    def verdicts(self, who: Runs) -> Verdicts:
        said = [self._judges[run].evidence(self.states[run], epoch=1, needs=False) for run in who]
        return Verdicts(
            np.array([one.verdict is Verdict.HARM for one in said], dtype=bool),
            np.array([one.verdict is Verdict.SUSPECT for one in said], dtype=bool),
            np.array([one.verdict is Verdict.CLEARED for one in said], dtype=bool),
            np.array([one.allowed for one in said], dtype=float),
            np.array([np.nan if one.share is None else one.share for one in said], dtype=float),
        )


def increment_of(tick: Tick, row: int, weight: float, sequence: int, bounds: tuple[float, ...]) -> Increment:
    """One run's interval as the observer would hand it on."""

    def arm(arms: Arms) -> Arm:
        return Arm(
            float(arms.requests[row]), float(arms.errors[row]), tuple(float(n) for n in arms.buckets[row])
        )

    stable = arm(tick.stable) if weight < 100 else None
    return Increment(sequence, tick.at, tick.seconds, weight, arm(tick.candidate), stable, bounds)
