"""Judges the rollouts of one process: takes intervals in, stores them, tells the engine what guards conclude.

What is taken in waits a few seconds in memory and is stored together, but always before any verdict that
rests on it is told. Who dies meanwhile has told nothing of what is lost; the next one begins a new interval.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import structlog

from policies import seen_share, shifting
from policies.events import EvidenceChanged
from policies.evidence import Evidence, completed
from policies.guards import wagers
from policies.guards.betting import in_parts
from policies.guards.fed import Fed, to_json
from policies.guards.heartbeat import Alive
from policies.guards.increment import Gap, Increment, difference
from policies.guards.judge import Judge
from policies.guards.noise import Noise
from policies.guards.plan import History
from policies.guards.state import JudgeState
from policies.guards.wagers import Betting
from policies.release import Release
from service.bootstrap import Parts
from service.errors import Conflict
from service.machine import meters
from service.observing import counting, late_labels
from service.observing.counting import Counting
from service.observing.judged import UNREADABLE, Judged, rebuilt, resumed
from service.observing.recordings import Recordings
from service.observing.watched import Watched
from service.ports.metrics import NoData, Sample
from service.ports.outcomes import Failed, Gone, PortError, Working
from service.ports.recordings import Noted
from service.ports.workloads import Serving
from service.store import advisory, recorded, series
from service.store.queue import Work
from service.store.series import Held, Series
from service.store.series import Judge as StoredJudge
from service.store.states import EVIDENCE

log = structlog.get_logger()
ALIVE_SECONDS = 3.0  # a look at a candidate's process or pods holds so long: it costs as much as a scrape
TELL_SECONDS = (
    7.0  # unchanged evidence is told again after so long, before half of what it is good for is over
)
NEEDS_SECONDS = 60.0  # what would change a verdict is worked out anew after so long, or another failure
LABELS_SECONDS = 30.0  # between two looks for labels; they come late anyway
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
    _counting: Counting = field(init=False)

    def __post_init__(self) -> None:
        self._counting = Counting(self.parts, self.clock)

    def keep(self, names: Iterable[str]) -> None:
        """Forget all but these; what waits is not stored, as nobody is told of it any more."""
        kept = frozenset(names)
        for name in self._judged.keys() - kept:
            del self._judged[name]
        self._unusable = {name: at for name, at in self._unusable.items() if name in kept}
        self._counting.keep(kept)

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
        news = [(one, it) for one, it in known if self._is_news(one, it)]
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
            _take(one, known, what, state)
            self._hear_the_rest(one, known, looked, found)
        return [(one, known) for one, known, _ in fed]

    def _heard(
        self, one: Watched, known: Judged, before: Sample | None, sample: Sample | NoData, looked: float
    ) -> Increment | Gap:
        what = self._interval(one, known, before, sample)
        known.interval = what if isinstance(what, Increment) else None
        if known.moment != one.moment:
            # Counting begins anew at each weight, so at once: what was gained is known the sooner.
            known.moment, known.moved, known.counted_at = one.moment, looked, -math.inf
        if not 0 <= looked - known.alive_at < ALIVE_SECONDS:
            known.alive, known.alive_at = self._alive(one), looked
        return what

    def _hear_the_rest(self, one: Watched, known: Judged, looked: float, found: tuple[str, ...]) -> None:
        """What comes from elsewhere. `found`: the harm that there was before this look."""
        plan = known.judge.plan
        if plan.shadows:
            self._hear_copies(one, known, looked)
        if plan.qualities and not 0 <= looked - known.labelled_at < LABELS_SECONDS:
            known.labelled_at = looked
            self._hear_labels(one, known)
        harmed = known.state.harm != found  # then it is also told where, before anybody acts on it
        due = not 0 <= looked - known.counted_at < counting.SECONDS
        if (plan.asked or plan.drifts) and (due or harmed):
            fresh = harmed or math.isinf(known.counted_at)
            known.counted_at = looked
            self._hear_counters(one, known, fresh=fresh)

    def _hear_copies(self, one: Watched, known: Judged, now: float) -> None:
        plan, sequence = known.judge.plan, known.state.sequence + 1
        notes = known.copies.collect(self.recordings, self._noted(one), one)
        for what in known.copies.hear(notes, one, plan, sequence, now):
            _feed(one, known, what)

    def _hear_labels(self, one: Watched, known: Judged) -> None:
        """By the store's clock: labels came by that one, and so did the release."""
        late_labels.say_who_answered(self.parts.store, self.series, one)
        plan = known.judge.plan
        with self.parts.store.read() as read:
            found = late_labels.news(read, one, plan, known.state, read.now)
            truths = late_labels.truths(read, one, plan.qualities)
        for what in found:
            _feed(one, known, what)
        key = self._key(one)
        for guard, labels in truths.items() if key is not None else ():
            pairs = self.series.pairs(one.release.name, list(labels))
            judged = late_labels.judged(labels, pairs, key or b"")
            paired = late_labels.paired_news(plan.qualities, known.state, guard, judged, self.clock())
            if paired is not None:
                _feed(one, known, paired)

    def _noted(self, one: Watched) -> Noted | None:
        """Who is asked what was noted of its answers; nobody where that is in files of this machine."""
        if one.release.place.cluster is None:
            return None
        try:
            return self.parts.at(one.release.place).noted
        except PortError:  # the cluster is not connected any more
            return None

    def _key(self, one: Watched) -> bytes | None:
        """Of the digests that are kept in the place of its answers; None where nobody can say it."""
        if one.release.place.cluster is None:
            return self.recordings.secret()
        noted = self._noted(one)
        if noted is None or one.stable is None:
            return None
        return noted.key(one.release.target, (one.stable, one.release.backend))

    def _hear_counters(self, one: Watched, known: Judged, *, fresh: bool) -> None:
        guards = counting.asked(one.release.environment.guards)
        found = self._counting.news(one, guards, moved=known.moved, after=known.state.sequence, fresh=fresh)
        for what in found:
            _feed(one, known, what)

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

    def _interval(
        self, one: Watched, known: Judged, before: Sample | None, sample: Sample | NoData
    ) -> Increment | Gap:
        """What happened since the last reading, or why it says nothing."""
        sequence = known.state.sequence + 1
        if isinstance(sample, NoData):
            return Gap(sequence, self.clock(), sample.reason, silent=True)
        if one.release.only_watched:
            return self._shifted_by_others(one, known, before, sample, sequence)
        if known.moment != one.moment or one.release.wanted != one.release.observed:
            return Gap(sequence, sample.at, "the weight was moving", silent=False)
        if before is not None and before.at < known.moved:  # a Prometheus tells what it counted a while ago
            return Gap(sequence, sample.at, "it was counted before the weight moved", silent=False)
        return difference(
            before,
            sample,
            candidate=one.release.backend,
            stable=one.stable,
            weight=one.release.observed,
            sequence=sequence,
        )

    def _shifted_by_others(
        self, one: Watched, known: Judged, before: Sample | None, sample: Sample, sequence: int
    ) -> Increment | Gap:
        """The same at whatever weight the counters show: nobody says when it moves."""
        backend, stable = one.release.backend, one.stable
        what = difference(
            before, sample, candidate=backend, stable=stable, weight=known.share.weight, sequence=sequence
        )
        if isinstance(what, Gap):
            return what
        known.share = seen_share.after(known.share, what)
        return replace(what, weight=known.share.weight)

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

    def _is_news(self, one: Watched, known: Judged) -> bool:
        """Whether something changed, or what the engine knows will soon be stale."""
        now = self.clock()
        if known.told is None or not 0 <= now - known.told_at < TELL_SECONDS:
            return True
        seen = known.judge.evidence(known.state, epoch=one.release.epoch, at=now, needs=False)
        return differs(one.release, known.told, seen)

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
        """Evidence for the engine; all of it rests on what is stored."""
        for first in range(0, len(news), advisory.TOGETHER):
            self._tell_some(news[first : first + advisory.TOGETHER])

    def _tell_some(self, news: Sequence[tuple[Watched, Judged]]) -> None:
        now = self.clock()
        found_of_all = wagers.settled([_found(one, known, now) for one, known in news])
        evidence = [
            (one.release.name, known, found) for (one, known), found in zip(news, found_of_all, strict=True)
        ]
        with self.parts.store.change() as change:
            for name, _, found in evidence:
                # Its age will be told by the store's clock, so it begins by that one.
                body = EVIDENCE.dump(EvidenceChanged(found, change.now))
                key = f"evidence:{name}:{found.epoch}:{found.sequence}"
                change.add_work(Work(f"evidence:{name}", "evidence", key, name, body))
        for _, known, found in evidence:
            meters.VERDICTS.labels(found.verdict.value).inc()
            known.told, known.told_at = found, now


def _feed(one: Watched, known: Judged, what: Fed) -> None:
    _take(one, known, what, known.judge.observe(known.state, what, known.alive))


def _take(one: Watched, known: Judged, what: Fed, state: JudgeState) -> None:
    """What was heard, to be stored, and the state after it."""
    known.state, known.epoch = state, one.release.epoch
    seen = to_json(what) | recorded.of_health(known.alive)
    known.unsaved.append(series.Increment(known.name, what.sequence, known.epoch, seen))


def _found(one: Watched, known: Judged, now: float) -> Betting[Evidence]:
    """The evidence with what would change it, which takes as long as all else: known for a while."""
    epoch, told = one.release.epoch, known.told
    if told is not None and 0 <= now - known.needs_at < NEEDS_SECONDS:
        seen = yield from known.judge.saying(known.state, epoch=epoch, at=now, needs=False)
        found = completed(seen, told)
        if found is not None:
            return found
    known.needs_at = now
    return (yield from known.judge.saying(known.state, epoch=epoch, at=now))


def stable_alone(what: Increment) -> Increment | None:
    """What it would be with stable in the candidate's place; None where its bounds may not be stable's."""
    if what.stable is None or not what.stable.buckets:
        return None
    return Increment(0, what.at, what.seconds, 100.0, what.stable, None, what.bounds)


def differs(release: Release, told: Evidence, now: Evidence) -> bool:
    """Whether a decision could come out otherwise than with what was told."""
    return (
        (told.verdict, told.allowed, told.weight) != (now.verdict, now.allowed, now.weight)
        or told.epoch != now.epoch
        or (told.share is None) != (now.share is None)
        or (release.only_watched and told.current != now.current)
        or shifting.shared(release, told) != shifting.shared(release, now)
    )
