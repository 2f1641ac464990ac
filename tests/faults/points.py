"""The moments at which a process may die: before and after each commit and each call of the world, by name.

The product has no hooks for this. A child wraps the seams when it begins: the store's transactions by the
kind of work in hand, the queue's own, intake's inbox, the observer's series, and every method of an adapter.
A point is armed through memory that all processes share; who comes to it first kills or stops itself.
"""

import fcntl
import mmap
import os
import signal
import struct
import threading
import weakref
from contextlib import contextmanager
from functools import partial

import structlog

from policies import effects
from service import reconciler, work
from service.arrivals import receiving, redelivering
from service.observing import judging
from service.performing import dispatch
from service.store import adding, inbox, queue, series, store
from service.store.change import Change

BEFORE, AFTER = 0, 1
WHEN = ("before", "after")
KINDS = (
    "delivery", "event", "look", "declare", "join", "redeliver", "evidence", "command", "Wake", "Build",
    "CheckImage", "RunEvaluation", "CheckAuthority", "StartWorkload", "CheckPreview", "SetTraffic", "StopWorkload",
    "ReportCommit", "ReportDeployment", "Adopt", "HandBack", "Settle", "WriteComment", "TellChat", "Notify",
    "MoveAlias", "TagVersion", "KeepCheckpoint", "SendLineage", "drift", "housekeeping",
)  # fmt: skip
# `Follow` only looks at what others shift: there are no others here. No model here has an error budget, and nobody
# a calendar: `budget`, `calendar`.
LEFT_OUT = ("Follow", "budget", "calendar")
HOUSEKEEPING = 20.0  # seconds of the shared clock between two, in place of an hour
LOST = 40.0  # the same between two searches for lost deliveries, in place of five minutes
EFFECTS = tuple(kind for kind in KINDS if hasattr(effects, kind))
CALLS = (
    "git.refs", "git.tree", "git.file", "git.changed", "git.report", "git.default_branch", "git.author",
    "builder.start", "builder.state", "jobs.start", "jobs.state", "workloads.start", "workloads.state",
    "workloads.stop", "router.set", "router.get", "router.address", "metrics.sample",
    "people.delivery", "people.acknowledged", "router.drift", "router.remove", "deployment.found",
    "deployment.start", "deployment.state", "deployment.stop", "deployment.restore", "deployment.clear",
    "registry.aliases", "registry.version", "registry.set_alias", "registry.set_tags", "registry.describe",
    "forge.refs", "forge.may", "forge.comment", "forge.deploy", "forge.redeliver", "chat.room", "chat.put",
    "receiver.tell", "organisation.repositories", "organisation.repository", "organisation.declares",
    "organisation.redeliver", "joined.refs", "joined.default_branch", "signatures.found", "signatures.add",
    "archive.put", "lineage.send",
)  # fmt: skip
# Between the two ends of a transaction: everything else waits for whoever stands still there.
INSIDE = (
    *(f"rows of {kind}" for kind in KINDS),
    "rows of an inbox batch", "queue.claim", "queue.renew", "queue.finish", "queue.again", "queue.add",
    "series.add", "series.save_judge",
)  # fmt: skip
NAMES = (
    *(f"work {kind}" for kind in KINDS),
    *(f"commit of {kind}" for kind in KINDS),
    *(f"perform {kind}" for kind in EFFECTS),
    *CALLS,
    "inbox batch", "inbox.store", "store.claim", "store.renew", "store.again", "store.retry", "store.free",
    "reconciler.take", "reconciler.sweep", "series.acquire", "series.change", "observer.tell",
    *INSIDE,
)  # fmt: skip
_IDLE = -1
_ARMED = struct.Struct("iiii")  # which point, before or after, the signal, and at which work
_ONCE, _FIRST = -1, -2
log = structlog.get_logger()


class Points:
    """Which point is armed, shared by all processes."""

    def __init__(self):
        self._renewing, self._deciding = threading.RLock(), threading.Lock()
        self._lock = os.memfd_create("points")
        weakref.finalize(self, os.close, self._lock)
        self._memory = mmap.mmap(-1, _ARMED.size)
        self.disarm()

    def arm(self, name, when, signal_=signal.SIGKILL):
        """The next process that comes there does this to itself, once."""
        self._set(NAMES.index(name), when, signal_, _ONCE)

    def poison(self, name):
        """Whoever comes there with the piece of work that is the first to come there ends, each time."""
        self._set(NAMES.index(name), BEFORE, signal.SIGKILL, _FIRST)

    def disarm(self):
        """Let everybody pass; False where somebody has come to a point already, and will end there."""
        with self._alone():
            armed = _ARMED.unpack(self._memory[: _ARMED.size])[0] != _IDLE
            self._set(_IDLE, 0, 0, _ONCE)
        return armed

    def pass_by(self, name, when):
        """Called at every point."""
        if not self._armed(name, when):
            return
        with self._alone():  # two may come there at once
            signal_ = self._taken(name, when)
        if signal_ is not None:
            log.info("ends here", point=name)
            with self._renewing:
                os.kill(os.getpid(), signal_)

    def _armed(self, name, when):
        at, wanted, _, _ = _ARMED.unpack(self._memory[: _ARMED.size])
        return at != _IDLE and NAMES[at] == name and wanted == when

    def _taken(self, name, when):
        """The signal for who has come there; None where it is for somebody else."""
        at, _, signal_, victim = _ARMED.unpack(self._memory[: _ARMED.size])
        mine = structlog.contextvars.get_contextvars().get("work", _FIRST)
        if not self._armed(name, when) or victim not in {_ONCE, _FIRST, mine}:
            return None
        if victim == _ONCE:
            self._set(_IDLE, 0, 0, _ONCE)
        else:
            self._set(at, when, signal_, mine)
        return signal_

    @contextmanager
    def _alone(self):
        """One process and thread at a time; whoever is killed meanwhile lets go."""
        with self._deciding:
            fcntl.lockf(self._lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._lock, fcntl.LOCK_UN)

    def _set(self, *armed):
        self._memory[: _ARMED.size] = _ARMED.pack(*armed)

    def install(self, harness):
        """Wrap the seams of this process, which ends with them wrapped."""
        current = _Current(self)
        work._attempt = current.around(work._attempt)
        work._together = current.around(work._together)
        dispatch.perform = self._perform(dispatch.perform)
        store.Store.change = _around_change(store.Store.change, self, current)
        Change.flush = current.inside(Change.flush)
        inbox._insert = self.around("rows of an inbox batch", inbox._insert)
        inbox.Inbox._write = self.around("inbox batch", inbox.Inbox._write)
        inbox.Inbox.store = self.around("inbox.store", inbox.Inbox.store)
        store.Store.renew = self._apart(store.Store.renew)
        store.Store.claim_together = self.around("store.claim", store.Store.claim_together)
        for name in ("renew", "again", "retry", "free"):
            setattr(store.Store, name, self.around(f"store.{name}", getattr(store.Store, name)))
        for name in ("claim", "renew", "finish", "again"):
            setattr(queue, name, self.around(f"queue.{name}", getattr(queue, name)))
        adding.add = self.around("queue.add", adding.add)
        reconciler.EVERY_SECONDS, redelivering.EVERY_SECONDS = HOUSEKEEPING, LOST
        receiving.take = self.around("reconciler.take", receiving.take)
        rounds = reconciler.Reconciler
        rounds.sweep = self.around("reconciler.sweep", rounds.sweep)
        series.Series.acquire = self.around("series.acquire", series.Series.acquire)
        series.Series.change = _around_series(series.Series.change, self)
        for name in ("add", "save_judge"):
            setattr(series.Writing, name, self.around(f"series.{name}", getattr(series.Writing, name)))
        judging.Judging._tell = self.around("observer.tell", judging.Judging._tell)
        harness.passing(self.pass_by)

    def _apart(self, renew):
        """Who stands still outside of a transaction must not do so within one of its own thread that keeps leases."""

        def wrapped(*arguments, **more):
            with self._renewing:
                return renew(*arguments, **more)

        return wrapped

    def around(self, name, function):
        """The function with the two points of that name."""

        def wrapped(*arguments, **more):
            self.pass_by(name, BEFORE)
            result = function(*arguments, **more)
            self.pass_by(name, AFTER)
            return result

        return wrapped

    def _perform(self, perform):
        def wrapped(parts, effect, now, since):
            return self.around(f"perform {type(effect).__name__}", perform)(parts, effect, now, since)

        return wrapped


class _Current:
    """The kind of work in hand names what is stored meanwhile."""

    def __init__(self, points):
        self.points, self.kind = points, ""

    def around(self, attempt):
        def wrapped(parts, in_hand):
            self.kind = in_hand[0].kind if isinstance(in_hand, list) else in_hand.kind
            try:
                return self.points.around(f"work {self.kind}", attempt)(parts, in_hand)
            finally:
                self.kind = ""

        return wrapped

    def inside(self, flush):
        def wrapped(change):
            self.points.around(f"rows of {self.kind}", partial(flush, change))()

        return wrapped


def _around_change(change, points, current):
    @contextmanager
    def wrapped(self):
        kind = current.kind
        points.pass_by(f"commit of {kind}", BEFORE)
        with change(self) as made:
            yield made
        points.pass_by(f"commit of {kind}", AFTER)

    return wrapped


def _around_series(change, points):
    @contextmanager
    def wrapped(self, held):
        points.pass_by("series.change", BEFORE)
        with change(self, held) as made:
            yield made
        points.pass_by("series.change", AFTER)

    return wrapped
