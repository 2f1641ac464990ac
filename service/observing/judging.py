"""Judges the rollouts of one process: takes intervals in, stores them, tells the engine what guards conclude.

What is taken in waits a few seconds in memory and is stored together, but always before any verdict that
rests on it is told. Who dies meanwhile has told nothing of what is lost; the next one begins a new interval.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from policies.guards import wagers
from policies.guards.betting import in_parts
from policies.guards.heartbeat import Alive
from policies.guards.increment import Gap, Increment
from policies.guards.judge import Judge
from policies.guards.noise import Noise
from policies.guards.plan import History
from policies.release import Release
from service.bootstrap import Parts
from service.errors import Conflict
from service.observing import telling
from service.observing.hearing import Hearing
from service.observing.intervals import interval, stable_alone
from service.observing.judged import UNREADABLE, Judged, rebuilt, resumed
from service.observing.recordings import Recordings
from service.observing.watched import Watched
from service.ports.metrics import NoData, Sample
from service.ports.outcomes import Failed, Gone, PortError, Working
from service.ports.workloads import Serving
from service.store.series import Held, Series
from service.store.series import Judge as StoredJudge

log = structlog.get_logger()
ALIVE_SECONDS = 3.0  # a look at a candidate's process or pods holds so long: it costs as much as a scrape
AGAIN_SECONDS = 60.0  # after which a state that could not be used is tried again
STORE_SECONDS = 5.0  # what was taken in waits so long to be stored with what follows

Past = Callable[[Watched], History | None]  # what stable served before
Learned = Callable[[Watched], dict[str, Noise]]  # the noise of its guards, by name


@dataclass(slots=True)
class Judging:
    """All that are judged by this process. `past` tells what limits are made of, `learned` the noise."""

    parts: Parts
    series: Series
    past: Past
    learned: Learned
    recordings: Recordings
    clock: Callable[[], float] = time.time
    _judged: dict[str, Judged] = field(default_factory=dict)
    _unusable: dict[str, float] = field(default_factory=dict)  # when it was found so
    _hearing: Hearing = field(init=False)

    def __post_init__(self) -> None:
        self._hearing = Hearing(self.parts, self.series, self.recordings, self.clock)

    def keep(self, names: Iterable[str]) -> None:
        """Forget all but these; what waits is not stored, as nobody is told of it any more."""
        kept = frozenset(names)
        for name in self._judged.keys() - kept:
            del self._judged[name]
        self._unusable = {name: at for name, at in self._unusable.items() if name in kept}
        self._hearing.keep(kept)

    def of_stable(self, watched: Iterable[Watched]) -> dict[tuple[str, str], Increment]:
        """What the last interval added for stable by itself, by target and backend, of those where it was
        told beside the candidate: to compare the two readings once is enough. Told once."""
        found = {}
        for one in watched:
            known = self._judged.get(one.release.name)
            if known is None or known.interval is None or one.stable is None:
                continue
            alone, known.interval = stable_alone(known.interval), None
            if alone is not None:
                found[one.release.target, one.stable] = alone
        return found

    def heard(self) -> list[int]:
        """Up to which file of notes each rollout with copies has stored what it heard."""
        return [known.copies.stored for known in self._judged.values() if known.judge.plan.shadows]

    def save(self, held: Held) -> None:
        """Store what waits, and each state as it is: older code goes on from that alone."""
        behind = [known for known in self._judged.values() if known.unsaved or known.state_behind]
        self._store(held, behind, states=True)

    def take_in(
        self, held: Held, watched: Sequence[Watched], before: Sample | None, sample: Sample | NoData
    ) -> bool:
        """One reading for all of these, and what follows. Whether anything was stored under the lease.

        Raises `Conflict` where another observer went on with one of them: what is known here is then old.
        """
        looked = self.clock()
        loaded = [(one, it) for one in watched if (it := self._known(one, looked)) is not None]
        known = [
            pair
            for some in in_parts(len(loaded), wagers.TOGETHER)
            for pair in self._observed(loaded[some], before, sample, looked)
        ]
        news = [(one, it) for one, it in known if telling.is_news(one, it, self.clock())]
        told = {one.release.name for one, _ in news}
        stale = [(one, it) for one, it in known if looked - it.saved_at >= STORE_SECONDS]
        due = news + [pair for pair in stale if pair[0].release.name not in told]
        if due:
            self._store(held, [it for _, it in due])
        if news:
            self._tell(news)
        return bool(due)

    # --- one rollout, in memory --------------------------------------------------------------

    def _known(self, one: Watched, looked: float) -> Judged | None:
        """Its judge. None where what is stored of it cannot be used: the others are judged nevertheless, and
        of this one nothing is told, so its weight stands still."""
        name = one.release.name
        if name not in self._judged and not 0 <= looked - self._unusable.get(name, -math.inf) < AGAIN_SECONDS:
            try:
                self._judged[name] = self._load(one)
            except UNREADABLE:
                self._unusable[name] = looked
                log.exception("release cannot be judged", release=name)
        return self._judged.get(name)

    def _observed(
        self,
        loaded: Sequence[tuple[Watched, Judged]],
        before: Sample | None,
        sample: Sample | NoData,
        looked: float,
    ) -> list[tuple[Watched, Judged]]:
        """These after this reading, judged together, and then what else there is to hear of each."""
        fed = [(one, known, self._heard(one, known, before, sample, looked)) for one, known in loaded]
        states = wagers.settled(
            [known.judge.observing(known.state, what, known.alive) for _, known, what in fed]
        )
        for (one, known, what), state in zip(fed, states, strict=True):
            found = known.state.harm
            known.take(what, state, one.release.epoch)
            self._hearing.hear(one, known, looked, found)
        return [(one, known) for one, known, _ in fed]

    def _heard(
        self, one: Watched, known: Judged, before: Sample | None, sample: Sample | NoData, looked: float
    ) -> Increment | Gap:
        what = interval(one, known, before, sample, self.clock())
        known.interval = what if isinstance(what, Increment) else None
        if known.moment != one.moment:
            # Counting begins anew at each weight, so at once: what was gained is known the sooner.
            known.moment, known.moved, known.counted_at = one.moment, looked, -math.inf
        if not 0 <= looked - known.alive_at < ALIVE_SECONDS:
            known.alive, known.alive_at = self._alive(one), looked
        return what

    def _load(self, one: Watched) -> Judged:
        """The judge with everything fixed at its start; a state that was stored goes on."""
        release = one.release
        stored = self.series.judge(release.name)
        if stored is not None:
            return self._gone_on(release, stored)
        history, noise = self.past(one), self.learned(one)
        judge = Judge.of(release.environment, history=history, noise=noise)
        at, restarts = self.clock(), self._alive(one).restarts
        state = judge.start(at, restarts=restarts)
        return Judged(release.name, judge, history, noise, (at, restarts), state, release.epoch)

    def _gone_on(self, release: Release, stored: StoredJudge) -> Judged:
        """From the stored state; where this code cannot use that, from all increments."""
        try:
            return resumed(release, stored, self.series.increments(release.name, after=stored.sequence))
        except UNREADABLE as error:
            log.warning("stored state not usable", release=release.name, reason=repr(error))
            return rebuilt(release, stored, self.series.increments(release.name))

    def _alive(self, one: Watched) -> Alive:
        try:
            found = self.parts.at(one.release.place).workloads.state(one.release.backend)
        except PortError:
            return Alive()
        match found:
            case Serving():
                return Alive(found.restarts, answers=True, ended=found.ended, unwell=found.unwell)
            case Working(progress=words) | Failed(reason=words):
                return Alive(answers=False, unwell=words)
            case Gone():
                return Alive(answers=False)

    # --- storing and telling -----------------------------------------------------------------

    def _store(self, held: Held, due: Sequence[Judged], *, states: bool = False) -> None:
        """What waits of these; all their `states`, or those that are due."""
        with self.series.change(held) as change:
            if not change.add(*(new for known in due for new in known.unsaved)):
                raise Conflict("an increment of one of these releases is stored already")
            for known in due:
                change.add_pairs(known.name, known.copies.unsaved)
            change.save_judge(*(known.row() for known in due if states or known.state_due))
        now = self.clock()
        for known in due:
            known.saved(now, state=states or known.state_due)

    def _tell(self, news: Sequence[tuple[Watched, Judged]]) -> None:
        telling.tell(self.parts.store, news, self.clock())
