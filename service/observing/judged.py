"""One rollout's judge as a process knows it; all of it can be loaded again.

Increments are stored before anything that rests on them is told. The state follows from them, so it is stored
with few of them only: whoever loads it judges what came behind it once more, which gives the same bits.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from policies.evidence import Evidence
from policies.guards import fixed
from policies.guards import state as states
from policies.guards.fed import Fed, to_json
from policies.guards.heartbeat import Alive
from policies.guards.increment import Increment
from policies.guards.judge import Judge
from policies.guards.noise import Noise
from policies.guards.plan import History
from policies.guards.state import JudgeState
from policies.release import Release
from policies.seen_share import SeenShare
from service.observing.copies import Copies
from service.store import recorded, series
from service.store.states import number_of

EACH_STATE = 8  # increments from one stored state to the next: at most as many are judged anew
# What stored values of other code may raise.
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, struct.error)
_KINDS = (
    "comparisons",
    "distributions",
    "qualities",
    "drifts",
    "limits",
    "stable_limits",
    "hearts",
    "shares",
    "thresholds",
    "asked",
    "shadows",
)


@dataclass(slots=True)
class Judged:
    """The judge with everything fixed at its start, its state, and what waits to be stored."""

    name: str  # of the release
    judge: Judge
    history: History | None
    noise: dict[str, Noise]  # as it was known when it began; it is not learned anew amid a rollout
    started: tuple[float, int]  # when it began, with how many restarts: what `Judge.start` was given
    state: JudgeState
    epoch: int  # of the target, at the last increment
    moment: tuple[int, int, float, bool] | None = None
    moved: float = 0.0  # since when this process has seen that moment
    interval: Increment | None = None  # of the last reading, until it is told; None where that was a gap
    told: Evidence | None = None
    told_at: float = 0.0
    needs_at: float = -math.inf  # when it was last worked out what would change what was told
    alive: Alive = field(default_factory=Alive)
    alive_at: float = -math.inf
    labelled_at: float = -math.inf
    counted_at: float = -math.inf
    unsaved: list[series.Increment] = field(default_factory=list)
    saved_at: float = -math.inf
    state_stored: float = -math.inf  # the sequence of the state that is
    share: SeenShare = field(default_factory=SeenShare)  # of one whose traffic somebody else shifts
    copies: Copies = field(default_factory=Copies)

    @property
    def state_due(self) -> bool:
        """Whether the state is to be stored with what waits; what was heard of copies is in it alone."""
        return self.judge.plan.shadows != () or self.state.sequence - self.state_stored >= EACH_STATE

    @property
    def state_behind(self) -> bool:
        """Whether the stored state is not that of the last increment."""
        return self.state.sequence > max(self.state_stored, -1)

    def feed(self, what: Fed, epoch: int) -> None:
        """Judge what was heard, at this epoch of the target; it waits to be stored."""
        self.take(what, self.judge.observe(self.state, what, self.alive), epoch)

    def take(self, what: Fed, state: JudgeState, epoch: int) -> None:
        """What was heard, which waits to be stored, and the state after it."""
        self.state, self.epoch = state, epoch
        seen = to_json(what) | recorded.of_health(self.alive)
        self.unsaved.append(series.Increment(self.name, what.sequence, epoch, seen))

    def row(self) -> series.Judge:
        """The state as it is to be stored."""
        body = fixed.to_json(self.history, self.noise)
        body |= {"started": list(self.started), "guards": states.to_json(self.state)}
        if self.judge.plan.shadows:
            body["copies"] = self.copies.row()
        return series.Judge(self.name, body, self.state.sequence, self.epoch)

    def saved(self, now: float, *, state: bool) -> None:
        """All that waited is stored, and with it the state or not."""
        if state:
            # The first of each at another distance, so that thousands are not stored at one look.
            apart = number_of(self.name) % EACH_STATE if math.isinf(self.state_stored) else 0
            self.state_stored = self.state.sequence - apart
        self.unsaved, self.saved_at = [], now
        self.copies.saved()


def resumed(release: Release, stored: series.Judge, behind: Sequence[series.Increment]) -> Judged:
    """As it was stored, with the increments behind that judged once more."""
    state = states.from_json(stored.state["guards"])
    return _known(release, stored, state, behind, stored.sequence)


def rebuilt(release: Release, stored: series.Judge, every: Sequence[series.Increment]) -> Judged:
    """The same without the state itself, which other code may have written in another form: what followed
    from all increments since the start. Raises `ValueError` where some of them are not there."""
    if [one.sequence for one in every] != list(range(len(every))) or len(every) <= stored.sequence:
        raise ValueError("not all of its increments are stored")
    return _known(release, stored, None, every, -math.inf)


def _known(
    release: Release,
    stored: series.Judge,
    state: JudgeState | None,
    behind: Sequence[series.Increment],
    sequence: float,
) -> Judged:
    """What follows from that state, or from the start without one. Raises `ValueError` where the state is not
    one of the release's guards."""
    history, noise = fixed.from_json(stored.state)
    judge = Judge.of(release.environment, history=history, noise=noise)
    seen = [recorded.seen(one.body) for one in behind]
    first = seen[0][0].at if seen and state is None else 0.0
    at, restarts = stored.state.get("started", (first, 0))  # older code did not store it
    fresh = judge.start(at, restarts=restarts)
    state = fresh if state is None else state
    if _form(state) != _form(fresh):
        raise ValueError("it is of other guards")
    for what, alive in seen:
        state = judge.observe(state, what, alive)
    share, copies = SeenShare(state.weight), Copies.of(stored.state.get("copies", {}))
    epoch, begun = (behind[-1] if behind else stored).epoch, (at, restarts)
    known = Judged(release.name, judge, history, noise, begun, state, epoch, share=share, copies=copies)
    known.state_stored = sequence
    return known


def _form(state: JudgeState) -> list[int]:
    """How many guards of each kind it is of."""
    return [len(getattr(state, name)) for name in _KINDS]
