"""The observer: one scrape per interval for all rollouts of a place, under a lease; never writes traffic.

Each increment is stored before any verdict that rests on it, so that two observers never bet on the same
interval. What is concluded are events for the engine.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from policies.guards.increment import came_late
from policies.place import Place
from service.bootstrap import Parts
from service.engine.housekeeping import DAY, EVERY_SECONDS
from service.errors import Conflict
from service.machine import meters
from service.machine.garbage import Seldom
from service.observing.judging import Judging
from service.observing.overheard import Overheard
from service.observing.recorded_requests import RecordedRequests
from service.observing.recordings import Recordings
from service.observing.served import ServedSoFar
from service.observing.watched import Scene, Scenes
from service.ports.metrics import NoData, Sample
from service.ports.outcomes import PortError
from service.store.bell import Ear
from service.store.recorded_rows import Assignment
from service.store.series import Held, Series
from service.store.states import number_of

log = structlog.get_logger()
LEASE = "observer"
LEASE_SECONDS = 12.0  # whoever died on this host is known to be gone; others are waited for
KEEP_SECONDS = 6.0  # after which a lease under which nothing was written is renewed
SELDOM_SECONDS = 10.0  # between two scrapes of a place where nothing is judged


@dataclass(slots=True)
class Observer:
    """One process's readings. `owner` names it in the lease."""

    parts: Parts
    series: Series
    owner: str
    clock: Callable[[], float] = time.time
    judging: Judging = field(init=False)
    served: ServedSoFar = field(init=False)
    recordings: Recordings = field(init=False)
    overheard: Overheard = field(init=False)
    recorded_requests: RecordedRequests = field(init=False)
    _scenes: Scenes = field(default_factory=Scenes)
    _known: tuple[float, list[Scene]] | None = None  # as it was read, and when
    _before: dict[str | None, Sample] = field(default_factory=dict)  # by cluster; None: this machine
    _scraped: dict[str | None, float] = field(default_factory=dict)
    _held: tuple[Held, float] | None = None
    _forgot: float = 0.0

    def __post_init__(self) -> None:
        self.served = ServedSoFar(self.series)
        past, learned = self.served.history, self.served.noise
        self.recordings = Recordings(self.parts.settings.home)
        self.overheard = Overheard(self.parts)
        self.recorded_requests = RecordedRequests(self.parts, self.series)
        self.judging = Judging(self.parts, self.series, past, learned, self.recordings, self.clock)

    @property
    def watching(self) -> bool:
        """Whether a rollout was judged at the last look."""
        return self._known is not None and any(scene.watched for scene in self._known[1])

    def look(self, *, changed: bool = True) -> None:
        """One scrape of each place where something is judged, and everything that follows from it.

        Where nothing is, a scrape now and then: what was served makes the limits of the next rollout.
        `changed`: whether the engine's store may tell something else than at the last look.
        """
        held = self._hold()
        if held is None:
            self._keep(frozenset())
            self._before.clear()
            self._known = None
            return
        looked = self.clock()
        self._take_notes(held)
        for scene in self._read(looked, changed=changed):
            cluster = scene.place.cluster
            if scene.watched or not 0 <= looked - self._scraped.get(cluster, -math.inf) < SELDOM_SECONDS:
                self._scraped[cluster] = looked
                self._ask_who_answered(held, scene, looked)
                self.recorded_requests.ask(held, scene, looked)
                self._look_at(held, scene)
        self.recordings.tidy(self.judging.heard(), looked)
        if self.clock() - self._forgot >= EVERY_SECONDS:
            self._forget(held)

    def close(self) -> None:
        """Store what waits, and let the next observer begin."""
        if self._held is not None:
            self.judging.save(self._held[0])
            self.series.let_go(self._held[0])
            self._held = None

    def _hold(self) -> Held | None:
        """The lease, where it is ours. Whatever is written under it is checked against it once more."""
        now = self.clock()
        if self._held is None or not 0 <= now - self._held[1] < KEEP_SECONDS:
            held = self.series.acquire(LEASE, self.owner, LEASE_SECONDS)
            self._held = None if held is None else (held, now)
        return None if self._held is None else self._held[0]

    def _read(self, now: float, *, changed: bool) -> list[Scene]:
        """What is judged and served, read where it may have changed, or the last time was long ago."""
        if changed or self._known is None or not 0 <= now - self._known[0] < SELDOM_SECONDS:
            with self.parts.store.read() as read:
                self._known = (now, self._scenes.read(read))
            self._keep(frozenset(one.release.name for scene in self._known[1] for one in scene.watched))
        return self._known[1]

    def _keep(self, releases: frozenset[str]) -> None:
        """Forget all but these."""
        self.judging.keep(releases)
        self.recorded_requests.keep(releases)

    def _look_at(self, held: Held, scene: Scene) -> None:
        """One scrape for all targets of this machine or a cluster."""
        sample = self._sample(scene.place)
        meters.SCRAPES.labels("data" if isinstance(sample, Sample) else "no data").inc()
        # Before anything can fail: what was taken in of this interval must not be counted in the next.
        before = self._before.get(scene.place.cluster)
        if isinstance(sample, Sample) and (before is None or not came_late(before, sample)):
            self._before[scene.place.cluster] = sample
        try:
            if self.judging.take_in(held, scene.watched, before, sample):
                self._held = (held, self.clock())
        except Conflict:
            # Somebody else went on with it: what is known here is old.
            self._keep(frozenset())
            self._held = None
            log.warning("another observer was faster", cluster=scene.place.cluster)
        if isinstance(sample, Sample):
            self.served.add(held, scene, before, sample, self.judging.of_stable(scene.watched))

    def _take_notes(self, held: Held) -> None:
        """What the recorder noted since: who answered is stored before anything is judged by it."""
        assigned = [Assignment(n.target, n.request, n.backend, n.at) for n in self.recordings.look()]
        if assigned:
            with self.series.change(held) as change:
                change.assign(assigned)

    def _ask_who_answered(self, held: Held, scene: Scene, now: float) -> None:
        """The same of the recorders of a cluster, which forget what is stored."""
        for place in self.overheard.due(scene, now):
            answered, marks = self.overheard.ask(place, scene, now)
            if answered:
                with self.series.change(held) as change:
                    change.assign(answered)
            self.overheard.stored(place, marks)

    def _sample(self, place: Place) -> Sample | NoData:
        try:
            return self.parts.at(place).metrics.sample()
        except PortError as reason:
            return NoData(str(reason))

    def _forget(self, held: Held) -> None:
        """Remove the increments of releases that ended long ago; what was concluded stays in the record.
        What versions answered goes once their release has ended."""
        before = self.clock() - self.parts.settings.keep_days * DAY
        for name in self.series.releases():
            row = self.parts.store.release(number_of(name))
            with self.series.change(held) as change:
                if row is None or (row.final and row.changed < before):
                    change.forget(name)
                elif row.final:
                    change.forget_pairs(name)
        with self.series.change(held) as change:
            change.forget_assignments(before)
        self._forgot = self.clock()


def run(observer: Observer, stop: threading.Event, seconds: float, garbage: Seldom) -> None:
    """Look once per interval until told to stop; an interval that fails is told, and says nothing.

    While nothing is judged the next look waits until something is stored, or it is time for the history.
    """
    ear, due, changed = Ear([observer.parts.store.bell]), time.monotonic(), True
    while not stop.is_set():
        failed = False
        try:
            observer.look(changed=changed)
        except Exception:  # whatever went wrong with one look, the next may go well: nobody else looks
            log.exception("look failed")
            failed = True
        garbage.look()
        due = max(due + seconds, time.monotonic())
        stop.wait(due - time.monotonic())
        waits = not observer.watching and not ear.deaf
        heard = waits and ear.wait(stop, SELDOM_SECONDS - seconds)
        changed = heard or ear.rung() or failed
    observer.close()
