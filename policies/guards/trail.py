"""What a judge saw from its start on, and its way through it: the same steps, the same states, bit for bit.

Used to explain a rollout afterwards, and to try another policy on what was recorded. It must not
decide anything by itself: each state comes from `Judge.observe`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from policies.guards.fed import Fed
from policies.guards.heartbeat import Alive
from policies.guards.judge import Judge
from policies.guards.noise import Noise
from policies.guards.plan import History
from policies.guards.state import JudgeState

Seen = tuple[Fed, Alive]


@dataclass(frozen=True, slots=True)
class Recorded:
    """All that one rollout's judge was given: stable's history, when it began (seconds) with how many
    restarts, each interval in order, with what was known then of the candidate's health, and its noise."""

    history: History | None
    at: float
    restarts: int
    seen: tuple[Seen, ...]
    noise: Mapping[str, Noise] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """One interval, and the judge's state after it."""

    what: Fed
    state: JudgeState


def follow(judge: Judge, recorded: Recorded) -> Iterator[Look]:
    """Each interval with the state that it leads to."""
    state = judge.start(recorded.at, restarts=recorded.restarts)
    for what, alive in recorded.seen:
        state = judge.observe(state, what, alive)
        yield Look(what, state)
