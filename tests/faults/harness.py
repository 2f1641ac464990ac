"""Runs the bodies of Segue's processes as forks of a warm parent, and kills or stops them.

The bodies are the product's plain functions, without Celery and HTTP servers: intake's application and
inbox, a worker's `work_once`, the reconciler's `round`, the observer's `look`. Stores are real ones, set as in
production. The parent opens no database while it forks: a child that inherits an open SQLite file breaks it.
"""

import faulthandler
import gc
import os
import random
import signal
import sys
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

import structlog

from policies.roles import OWNER
from service import keys
from service.arrivals import organisations
from service.bootstrap import Parts, Site
from service.engine import trusting
from service.identity import tokens
from service.identity.callers import Caller
from service.intake import Door, create_intake
from service.observer import Observer
from service.reconciler import Reconciler
from service.settings import Settings
from service.store import database, owners
from service.store.inbox import INBOX, Inbox
from service.store.series import Series
from service.store.store import Store
from service.work import PATIENT, URGENT, work_once
from tests.faults import beside, outside
from tests.faults.outside import KINDS, LONGEST_STEP, SECRET, Far, SharedClock

SLOTS = ("intake", "urgent", "urgent", "patient", "patient", "reconciler", "observer")
# These look when the clock has moved, the others also when somebody did something.
BY_TIME = ("reconciler", "observer")
MOST_AT_ONCE = 4  # kills in a step of the clock
SOURCES = {
    "git": beside.GIT,
    "registry": beside.REGISTRY,
    "forge": beside.FORGE,
    "organisation": beside.ACME,
    "chat": beside.CHAT,
    "receiver": beside.RECEIVER,
}  # by adapter
NAMED = ("git", "registry", "forge")  # those that name what starts releases
# Work in somebody's hand is not due, and a release may still come of it.
TAKEN_IN = ("delivery", "event", "command")
ANN = Caller("ann", OWNER, ("token:ann",))  # who gives all commands
SETTLED = 3  # looks in a row that must find everything ended


def seed_of_this_run():
    """Given as SEGUE_FAULTS_SEED, else a new one; every harness prints it."""
    return int(os.environ.get("SEGUE_FAULTS_SEED") or random.SystemRandom().randrange(1 << 31))


WHOLE = os.environ.get("SEGUE_FAULTS") == "whole"


def scaled(slice_, whole):
    """How much of it: a slice, or on demand the whole."""
    return whole if WHOLE else slice_


# Seconds of the machine's clock for one installation; less than its test may take.
LONGEST = scaled(840, 6600)


def told(name, **facts):
    """Print what a harness did and saw, on a line of its own; not to stdout, which a process beside others has none of."""
    line = f"{name}: " + ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in facts.items())
    print(line, file=sys.stderr, flush=True)
    with Path(os.environ.get("SEGUE_FAULTS_REPORT", os.devnull)).open("a") as report:
        report.write(line + "\n")


class Harness:
    """One installation: stores in a folder or a database, the world outside, and its processes."""

    def __init__(
        self,
        folder,
        seed,
        *,
        database=None,
        models=4,
        trouble=0.0,
        wide=False,
        longest=None,
        mutate=None,
        mutate_world=None,
    ):
        folder.mkdir(parents=True, exist_ok=True)
        self.dice, self.clock, self.mutate = random.Random(seed), SharedClock(), mutate
        self.wide = wide
        more = beside.SETTINGS if wide else {}
        self.settings = Settings(home=folder, database=database, sweep_seconds=30.0, **more)
        if wide:
            (folder / "secrets").mkdir()
            (folder / "secrets" / trusting.KEY).write_bytes(keys.new())
        self.address = folder / "world"
        self.log = folder / "bodies.log"
        self.children = {}  # pid: slot
        self.slots = {}  # pid: the slot that it had
        self.failed = []  # bodies that ended by themselves
        self._ends, self._first = time.monotonic() + (longest or LONGEST), self.clock()
        self._world = outside.begin(
            self.address, self.clock, seed, models, trouble, wide=wide, mutate=mutate_world
        )
        self.people, self.world = Far(self.address, "people"), Far(self.address, "world")
        self._printed = self.log.open("a")
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(self._printed))
        try:
            self.parts = self._parts()
            self._warm()
        except BaseException:
            self._end_world()
            raise

    def _parts(self):
        store = Store.open(self.settings.store_url("engine"), self.clock)
        with database.writing(engine := database.open_database(self.settings.store_url("inbox"))) as first:
            INBOX.create_all(first)
        self.series = Series.open(self.settings.store_url("series"), self.clock)
        far = {
            name: Far(self.address, name) for name in ("builder", "jobs", "workloads", "router", "metrics")
        }
        parts = Parts(self.settings, store, Inbox(engine), open_source=None, ask_preview=_asked, **far)
        self._reach(parts, lambda name: Far(self.address, name))
        return parts

    def _reach(self, parts, far):
        """Sources and the cluster, each by its name out there."""
        hosts = {source.name: far(name) for name, source in SOURCES.items()}
        there, joined = far("deployment"), far("joined")
        parts.open_source, parts._opened, parts._sites = (
            (lambda source: joined if source.member else hosts[source.name]),
            {},
            {},
        )
        signatures, archive, lineage = far("signatures"), far("archive"), far("lineage")
        parts.open_signatures, parts.open_archive = (lambda _: signatures), (lambda _: archive)
        parts.open_lineage = lambda: lineage
        parts.open_site = lambda _cluster, _place: Site(
            there, parts.jobs, parts.router, parts.metrics, _asked, there
        )

    def _warm(self):
        """Connect, and let the first versions serve: what follows is compiled once and not in each child."""
        with self.parts.store.change() as change:
            for source in SOURCES.values() if self.wide else [beside.GIT]:
                change.save_source(source)
            if self.wide:
                change.save_cluster(beside.CLUSTER)
                organisations.connect(change, beside.ACME, Far(self.address, "organisation").repositories())
        tokens.take(self.parts.store, ANN.name, "ann")
        self.people.begin()
        self.by_hand(self.settled)
        self.round_of("intake")
        self.let_go()
        gc.collect()
        gc.freeze()

    def by_hand(self, until):
        """Let every body do its rounds here, one after another, until that holds."""
        rounds = iter(range(500))
        bodies = [self.round_of(slot) for slot in ("reconciler", "patient", "urgent", "observer")]
        while not until():
            assert next(rounds, None) is not None, self.releases()
            for once in bodies:
                for _ in range(20):  # more than one in a second, as bodies of their own do
                    if not once():
                        break
            self.clock.move(1.0)

    def let_go(self):
        """Close every connection to the stores: only then may be forked."""
        for engine in self.engines():
            engine.dispose()

    def engines(self):
        return self.parts.store.engine, self.parts.inbox._engine, self.series.engine

    def passing(self, told):
        """In a child: `told(name, when)` before (0) and after (1) each call of the world."""
        parts = self.parts
        for name in ("builder", "jobs", "workloads", "router", "metrics"):
            setattr(parts, name, Told(self.address, name, told))
        self.people = Told(self.address, "people", told)
        self._reach(parts, lambda name: Told(self.address, name, told))

    def patient(self, awaited):
        """Called while something is waited for. Raises `AssertionError`, with the reason, where that is in vain."""
        if os.waitpid(self._world, os.WNOHANG)[0]:
            self._world = None
            raise AssertionError(f"the world outside ended while {awaited} was waited for; it printed why")
        if time.monotonic() > self._ends:
            raise AssertionError(f"the time was over while {awaited} was waited for: {self._silence()}")

    def _silence(self):
        """Who does not get on, and where each of them is."""
        before = self.clock.beats()
        time.sleep(3 * LONGEST_STEP)
        silent = {kind for kind, a, b in zip(KINDS, before, self.clock.beats(), strict=True) if a == b}
        asked = {pid: slot for pid, slot in self.children.items() if slot in silent}
        for pid in asked:
            os.kill(pid, signal.SIGUSR1)
        time.sleep(1.0)
        went = f"the clock went {self.clock() - self._first:.0f} s"
        if not silent:
            return f"{went}; everybody gets on, so the machine has little time for us"
        return f"{went}; {sorted(silent)} do not get on ({asked}):\n{self.log.read_text()[-8000:]}"

    # --- bodies ------------------------------------------------------------------------------

    def round_of(self, slot):
        """A body's one round, as a function: whether it found something to do."""
        parts, kinds = self.parts, {"urgent": URGENT, "patient": PATIENT}.get(slot)
        owner = owners.name_of_this_process(slot)
        if kinds is not None:
            due = lambda: parts.untold or parts.store.due(limit=1, kinds=kinds)  # noqa: E731
            return lambda: due() and work_once(parts, owner, kinds=kinds)
        if slot == "reconciler":
            reconciler = Reconciler(self.settings, parts.store, parts.inbox, None)
            return lambda: reconciler.round() or False
        if slot == "observer":
            observer, seen = Observer(parts, self.series, owner, self.clock), [0.0]
            return lambda: _each_second(self.clock, seen, observer.look)
        return self._intake()

    def _intake(self):
        inbox = Inbox(self.parts.inbox._engine)
        doors = {"git": Door("bare", (SECRET,)), "forge": Door("github", (beside.SECRET,))}
        app = create_intake(
            self.settings, inbox, doors.get, {"Bearer ann": ANN}.get, self.clock
        ).test_client()

        def once():
            sent = self.people.delivery()
            if sent is None:
                return False
            name, path, headers, body = sent
            answer = app.post(path, data=body, headers=headers)
            if answer.status_code == 202:
                self.people.acknowledged(name, answer.json["delivery"], body)
            else:
                self.people.refused(name, answer.status_code)
            return True

        return once

    def fork(self, slot, before=None):
        """Start a body; its process id. `before` runs in it first."""
        pid = os.fork()
        if pid:
            self.children[pid] = slot
            return pid
        try:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            faulthandler.register(signal.SIGUSR1, self._printed)
            if self.mutate is not None:
                self.mutate(self)
            if before is not None:
                before(self)
            once, parent = self.round_of(slot), os.getppid()
            while os.getppid() == parent:
                before = self.clock.now()
                try:
                    busy = once()
                    self.clock.beat(slot, did=busy)
                    if not busy:
                        self.clock.idle(before, time_only=slot in BY_TIME)
                except Exception:  # noqa: BLE001
                    structlog.get_logger().exception("round failed")  # as each process's own loop does
                    time.sleep(0.1)
        except BaseException:  # noqa: BLE001  a fork must not go on as its parent
            traceback.print_exc(file=sys.stderr)
        finally:
            os._exit(70)

    def kill(self, pid):
        """SIGKILL, and wait until it is gone; the slot that is free now."""
        os.kill(pid, signal.SIGKILL)
        return self._gone(pid, os.waitpid(pid, 0)[1])

    def _gone(self, pid, status):
        slot = self.slots[pid] = self.children.pop(pid)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            self.failed.append(f"{slot} ended by itself: {os.waitstatus_to_exitcode(status)}")
        return slot

    def kill_at_random(self, times, step, density, meanwhile=None):
        """So many kills of bodies chosen by the dice, each replaced at once; `density` of them in a step of the
        clock, on average, at any moments of it. The clock waits for the kills as it does for the bodies."""
        for slot in SLOTS:
            self.fork(slot)
        self.clock.run(0.0)
        number, lasted = 0, 0.0
        while number < times:
            began = time.monotonic()
            count = sum(self.dice.random() < density / MOST_AT_ONCE for _ in range(MOST_AT_ONCE))
            for moment in sorted(self.dice.uniform(0.0, lasted) for _ in range(min(count, times - number))):
                time.sleep(max(0.0, began + moment - time.monotonic()))
                if meanwhile is not None:
                    meanwhile(self, number)
                self.fork(self.kill(self.dice.choice(sorted(self.children))))
                number += 1
            while not self.clock.go_on(step):
                self.patient(f"kill {number}")
                time.sleep(0.002)
            lasted = time.monotonic() - began
        self.clock.run(step)

    def fallen(self, seconds, how=os.WIFSIGNALED):
        """The process that was killed or stopped within so many seconds of the shared clock, or None."""
        ends = self.clock() + seconds
        while self.clock() < ends:
            for pid in sorted(self.children):
                found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
                if not found:
                    continue
                if os.WIFSTOPPED(status) and how is os.WIFSTOPPED:
                    return pid
                self._gone(pid, status)
                return pid
            self.patient("whoever comes to a point")
            time.sleep(0.002)
        return None

    def wait(self, seconds):
        """So many seconds of the shared clock."""
        ends = self.clock() + seconds
        while self.clock() < ends:
            self.patient("time to pass")
            time.sleep(0.002)

    def settle(self, seconds):
        """Let everything end undisturbed, within so many seconds of the shared clock; whether it did.

        Nobody is forked after that.
        """
        self.people.go_on(False)
        self.world.mend()
        ends, in_a_row = self.clock() + seconds, 0
        while in_a_row < SETTLED:
            if self.clock() > ends:
                return False
            self.patient("the end of all releases")
            time.sleep(0.2)
            in_a_row = in_a_row + 1 if self.settled() else 0
        return True

    def settled(self):
        """Whether every release has ended, nothing waits, and what is pushed is known."""
        try:
            with self.parts.store.read() as read:
                opened, due = read.releases(final=False), read.due()
                in_hand = [one for kind in TAKEN_IN for one in read.unfinished(kind)]
                cursors = [cursor for name in NAMED for cursor in read.cursors(SOURCES[name].name)]
        except Exception:  # noqa: BLE001  the database was killed: not settled
            return False
        seen = {(one.source, one.reference): one.value for one in cursors if one.value is not None}
        known = bool(seen) and seen == self.world.names()
        return known and not (opened or due or in_hand or self.people.delivery())

    def writing(self):
        """Whether traffic is being shifted now. Asked while nobody is forked any more."""
        return any(row.phase == "shifting" for row in self.parts.store.releases(final=False))

    def count(self, phase):
        """How many releases have got there. Asked while nobody is forked any more."""
        return sum(row.phase == phase for row in self.releases())

    def releases(self):
        return self.parts.store.releases(limit=100_000)

    def end(self):
        """End every process."""
        for pid in list(self.children):
            self.kill(pid)
        self.let_go()
        self._end_world()
        gc.unfreeze()

    def _end_world(self):
        if self._world is not None:
            os.kill(self._world, signal.SIGKILL)
            os.waitpid(self._world, 0)
        structlog.reset_defaults()
        self._printed.close()


class Told(Far):
    """An adapter that says what it is going to ask, and what it has asked."""

    def __init__(self, address, name, told):
        super().__init__(address, name)
        self._told = told

    def __getattr__(self, method):
        ask, point = super().__getattr__(method), f"{self._name}.{method}"

        def wrapped(*arguments):
            self._told(point, 0)
            result = ask(*arguments)
            self._told(point, 1)
            return result

        return wrapped


def _asked(_url, _address, _backend, health):
    return f"{health} answers 200"


def _each_second(clock, seen, look):
    if 0 <= clock() - seen[0] < 1.0:
        return False
    seen[0] = clock()
    look()
    return True


@contextmanager
def running(folder, seed, **options):
    """A harness that is ended whatever happens."""
    made = Harness(folder, seed, **options)
    try:
        yield made
    finally:
        made.end()
