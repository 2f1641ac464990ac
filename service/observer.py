"""The observer: one scrape per interval for all rollouts; keeps guard states; tells what guards conclude.

It never writes traffic. Each increment is stored before any verdict that rests on it, under a lease,
so that two observers never bet on the same interval. What it tells are events for the engine.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from policies.events import EvidenceChanged
from policies.evidence import Evidence
from policies.guards import state as states
from policies.guards.heartbeat import Alive
from policies.guards.increment import Gap, Increment, difference, to_json
from policies.guards.judge import Judge
from policies.guards.plan import History
from policies.guards.state import JudgeState
from policies.place import Place
from policies.release import Phase, Release, Target
from service import meters, series
from service.bell import Ear
from service.bootstrap import Parts
from service.errors import Conflict
from service.housekeeping import DAY, EVERY_SECONDS
from service.ports.metrics import Counters, NoData, Sample
from service.ports.outcomes import PortError
from service.ports.workloads import Serving
from service.queue import Work
from service.series import Held, Series, Served
from service.states import EVIDENCE, number_of, release_of, target_of

log = structlog.get_logger()
LEASE = "observer"
LEASE_SECONDS = 4.0
KEEP_SECONDS = 2.0  # after which a lease under which nothing was written is renewed
ALIVE_SECONDS = 3.0  # a look at a candidate's process or pods holds so long: it costs as much as a scrape
TELL_SECONDS = 5.0  # unchanged evidence is told again after so long: it goes stale otherwise
HISTORY_SECONDS = 10.0
HISTORY_SPAN = 3600.0  # what is served within it is one row
HISTORY_KEPT = 14 * 86_400.0
JUDGED = frozenset({Phase.SHIFTING, Phase.WATCHING})


@dataclass(frozen=True, slots=True)
class Watched:
    """A rollout at one moment, with the target that it holds."""

    release: Release
    target: Target

    @property
    def moment(self) -> tuple[int, int, float, bool]:
        """Equal at both ends of an interval in which no weight moved."""
        one = self.release
        return one.epoch, one.attempt, one.observed, one.wanted == one.observed

    @property
    def stable(self) -> str | None:
        """The backend that the candidate is compared with."""
        serving = self.target.stable
        return None if serving is None or serving.backend == self.release.backend else serving.backend


@dataclass(slots=True)
class Judged:
    """A rollout's judge as this process knows it; all of it can be loaded again."""

    judge: Judge
    history: History | None
    started: tuple[float, int]  # when it began, with how many restarts: what `Judge.start` was given
    state: JudgeState
    moment: tuple[int, int, float, bool] | None = None
    moved: float = 0.0  # since when this process has seen that moment
    told: Evidence | None = None
    told_at: float = 0.0
    alive: Alive = field(default_factory=Alive)
    alive_at: float = -math.inf


@dataclass(slots=True)
class Observer:
    """One process's readings. `owner` names it in the lease."""

    parts: Parts
    series: Series
    owner: str
    clock: Callable[[], float] = time.time
    _before: dict[str | None, Sample] = field(default_factory=dict)  # by cluster; None: this machine
    _judged: dict[str, Judged] = field(default_factory=dict)
    _served: dict[tuple[str, str], Counters] = field(default_factory=dict)
    _held: tuple[Held, float] | None = None
    _known: tuple[float, list[Target], list[Watched]] | None = None  # as it was read, and when
    _scraped: dict[str | None, float] = field(default_factory=dict)
    _watching: bool = False
    _looked: float = 0.0
    _flushed: float = 0.0
    _forgot: float = 0.0

    def look(self, *, changed: bool = True) -> None:
        """One scrape of each place where something is judged, and everything that follows from it.

        Where nothing is, a scrape now and then: what was served makes the limits of the next rollout.
        `changed`: whether the engine's store may tell something else than at the last look.
        """
        held = self._hold()
        if held is None:
            self._judged.clear()
            self._before.clear()
            self._known = None
            return
        self._looked = self.clock()
        if changed or self._known is None or not 0 <= self._looked - self._known[0] < HISTORY_SECONDS:
            self._known = (self._looked, *self._read())
        _, targets, watched = self._known
        places = {t.place.cluster: t.place for t in targets} | {
            o.release.place.cluster: o.release.place for o in watched
        }
        self._watching = bool(watched)
        for cluster, place in places.items():
            there = [t for t in targets if t.place.cluster == cluster]
            judged = [o for o in watched if o.release.place.cluster == cluster]
            rested = self._looked - self._scraped.get(cluster, -math.inf)
            if judged or not 0 <= rested < HISTORY_SECONDS:
                self._scraped[cluster] = self._looked
                self._look_at(held, place, there, judged)
        for name in self._judged.keys() - {one.release.name for one in watched}:
            del self._judged[name]
        if self.clock() - self._forgot >= EVERY_SECONDS:
            self._forget(held)

    @property
    def watching(self) -> bool:
        """Whether a rollout was judged at the last look."""
        return self._watching

    def _hold(self) -> Held | None:
        """The lease, where it is ours. Whatever is written under it is checked against it once more."""
        now = self.clock()
        if self._held is None or not 0 <= now - self._held[1] < KEEP_SECONDS:
            held = self.series.acquire(LEASE, self.owner, LEASE_SECONDS)
            self._held = None if held is None else (held, now)
        return None if self._held is None else self._held[0]

    def _look_at(self, held: Held, place: Place, targets: list[Target], watched: list[Watched]) -> None:
        """One scrape for all targets of this machine or a cluster."""
        sample = self._sample(place)
        meters.SCRAPES.labels("data" if isinstance(sample, Sample) else "no data").inc()
        # Before anything can fail: what was stored of this interval must not be counted in the next.
        before = self._before.get(place.cluster)
        if isinstance(sample, Sample):
            self._before[place.cluster] = sample
        for one in watched:
            try:
                self._judge(held, one, before, sample)
            except Conflict:
                # Somebody else went on with it: what is known here is old.
                self._judged.pop(one.release.name, None)
                self._held = None
                log.warning("another observer was faster", release=one.release.name)
        if isinstance(sample, Sample):
            self._remember(held, targets, watched, before, sample)

    def _sample(self, place: Place) -> Sample | NoData:
        try:
            return self.parts.at(place).metrics.sample()
        except PortError as reason:
            return NoData(str(reason))

    def _read(self) -> tuple[list[Target], list[Watched]]:
        with self.parts.store.read() as read:
            targets = {row.name: target_of(row, row.name) for row in read.targets()}
            opened = [release_of(row) for row in read.releases(final=False)]
        holding = [r for r in opened if r.phase in JUDGED and r.target in targets]
        watched = [Watched(r, targets[r.target]) for r in holding if targets[r.target].holder == r.name]
        return list(targets.values()), watched

    # --- one rollout -------------------------------------------------------------------------

    def _judge(self, held: Held, one: Watched, before: Sample | None, sample: Sample | NoData) -> None:
        name = one.release.name
        known = self._judged.get(name)
        if known is None:
            known = self._judged[name] = self._load(one)
        what = self._interval(one, known, before, sample)
        if known.moment != one.moment:
            known.moment, known.moved = one.moment, self._looked
        if not 0 <= self._looked - known.alive_at < ALIVE_SECONDS:
            known.alive, known.alive_at = self._alive(one), self._looked
        state = known.judge.observe(known.state, what, known.alive)
        self._store(held, one, known, what, state)
        known.state = state
        self._tell(one, known)

    def _load(self, one: Watched) -> Judged:
        """The judge with everything fixed at its start; a state that was stored goes on."""
        release = one.release
        stored = self.series.judge(release.name)
        if stored is not None:
            past = stored.state["history"]
            history = None if past is None else History(*past)
            judge = Judge.of(release.environment, history=history)
            at, restarts = stored.state.get("started", (0.0, 0))  # older code did not store it
            return Judged(judge, history, (at, restarts), states.from_json(stored.state["guards"]))
        history = self._history(one)
        judge = Judge.of(release.environment, history=history)
        at, restarts = self.clock(), self._alive(one).restarts
        return Judged(judge, history, (at, restarts), judge.start(at, restarts=restarts))

    def _history(self, one: Watched) -> History | None:
        """What stable served on this target so far; None for a first release."""
        if one.stable is None:
            return None
        served = self.series.history(one.release.target, one.stable)
        fresh = self._served.get((one.release.target, one.stable), Counters(0.0, 0.0))
        requests = fresh.requests + sum(s.requests for s in served)
        return History(requests, fresh.errors + sum(s.errors for s in served)) if requests > 0 else None

    def _interval(
        self, one: Watched, known: Judged, before: Sample | None, sample: Sample | NoData
    ) -> Increment | Gap:
        """What happened since the last reading, or why it says nothing."""
        sequence = known.state.sequence + 1
        if isinstance(sample, NoData):
            return Gap(sequence, self.clock(), sample.reason, silent=True)
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

    def _alive(self, one: Watched) -> Alive:
        try:
            found = self.parts.at(one.release.place).workloads.state(one.release.backend)
        except PortError:
            return Alive()
        if isinstance(found, Serving):
            return Alive(found.restarts, answers=True)
        return Alive(answers=False)

    def _store(
        self, held: Held, one: Watched, known: Judged, what: Increment | Gap, state: JudgeState
    ) -> None:
        release = one.release
        past = None if known.history is None else [known.history.requests, known.history.errors]
        body = {"history": past, "started": list(known.started), "guards": states.to_json(state)}
        seen = to_json(what) | {"alive": [known.alive.restarts, known.alive.answers]}
        new = series.Increment(release.name, what.sequence, release.epoch, seen)
        with self.series.change(held) as change:
            if not change.add(new):
                raise Conflict(f"increment {what.sequence} of {release.name} is stored already")
            change.save_judge(series.Judge(release.name, body, what.sequence, release.epoch))
        self._held = (held, self.clock())

    def _tell(self, one: Watched, known: Judged) -> None:
        """Tell the engine where something changed, or before what it knows grows stale."""
        now, epoch = self.clock(), one.release.epoch
        if known.told is not None and now - known.told_at < TELL_SECONDS:
            seen = known.judge.evidence(known.state, epoch=epoch, at=now, needs=False)
            if not _news(known.told, seen):
                return
        evidence = known.judge.evidence(known.state, epoch=epoch, at=now)
        name = one.release.name
        key = f"evidence:{name}:{evidence.epoch}:{evidence.sequence}"
        with self.parts.store.change() as change:
            # Its age will be told by the store's clock, so it begins by that one.
            body = EVIDENCE.dump(EvidenceChanged(evidence, change.now))
            change.add_work(Work(f"evidence:{name}", "evidence", key, name, body))
        meters.VERDICTS.labels(evidence.verdict.value).inc()
        known.told, known.told_at = evidence, now

    # --- what was served ---------------------------------------------------------------------

    def _remember(
        self,
        held: Held,
        targets: list[Target],
        watched: list[Watched],
        before: Sample | None,
        sample: Sample,
    ) -> None:
        """Add up what each version served, and store it now and then: history makes the limits."""
        if before is None or before.started != sample.started:
            return
        backends = {(t.name, t.stable.backend) for t in targets if t.stable is not None}
        backends |= {(one.release.target, one.release.backend) for one in watched}
        past_counts, counts = dict(before.backends), dict(sample.backends)
        for target, backend in backends:
            gained = _gained(past_counts.get(backend), counts.get(backend))
            if gained is not None and gained.requests > 0:
                past = self._served.get((target, backend), Counters(0.0, 0.0))
                self._served[target, backend] = replace(
                    past, requests=past.requests + gained.requests, errors=past.errors + gained.errors
                )
        if sample.at - self._flushed >= HISTORY_SECONDS:
            self._flush(held, sample.at)

    def _flush(self, held: Held, at: float) -> None:
        self._flushed = at
        if not self._served:
            return
        with self.series.change(held) as change:
            for (target, backend), counts in self._served.items():
                hour = at - at % HISTORY_SPAN
                change.add_history(Served(target, backend, hour, counts.requests, counts.errors))
            change.forget_history(at - HISTORY_KEPT)
        self._served.clear()

    def _forget(self, held: Held) -> None:
        """Remove the increments of releases that ended long ago; what was concluded stays in the record."""
        before = self.clock() - self.parts.settings.keep_days * DAY
        for name in self.series.releases():
            row = self.parts.store.release(number_of(name))
            if row is None or (row.final and row.changed < before):
                with self.series.change(held) as change:
                    change.forget(name)
        self._forgot = self.clock()


def _news(told: Evidence, now: Evidence) -> bool:
    """Whether a decision could come out otherwise than with what was told."""
    return (
        (told.verdict, told.allowed, told.weight) != (now.verdict, now.allowed, now.weight)
        or told.epoch != now.epoch
        or (told.share is None) != (now.share is None)
    )


def _gained(before: Counters | None, after: Counters | None) -> Counters | None:
    """The difference of two readings; None where it makes no sense."""
    if after is None:
        return None
    past = before or Counters(0.0, 0.0)
    requests, errors = after.requests - past.requests, after.errors - past.errors
    return Counters(requests, errors) if requests >= errors >= 0 else None


def run(observer: Observer, stop: threading.Event, seconds: float) -> None:
    """Look once per interval until told to stop; an interval that fails is told, and says nothing.

    While nothing is judged the next look waits until something is stored, or it is time for the history.
    """
    ear, due, changed = Ear([observer.parts.store.bell]), time.monotonic(), True
    while not stop.is_set():
        failed = False
        try:
            observer.look(changed=changed)
        except Exception:
            log.exception("look failed")
            failed = True
        due = max(due + seconds, time.monotonic())
        stop.wait(due - time.monotonic())
        waits = not observer.watching and not ear.deaf
        heard = waits and ear.wait(stop, HISTORY_SECONDS - seconds)
        changed = heard or ear.rung() or failed
