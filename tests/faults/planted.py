"""Faults to be planted: what somebody could have written instead. Each changes a process that ends with it.

A function with an argument is run in each forked body before it begins, one without in the world's process.
"""

import os
import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy import update

from policies import queueing
from service import work
from service.adapters import routes
from service.adapters.kubernetes import records
from service.arrivals import receiving, watching
from service.performing import dispatch, evaluating, images
from service.performing.outcomes import Done
from service.store import due, inbox, owners, queue, store
from service.store.change import Change
from service.store.database import writing
from service.store.inbox import Inbox, Stored
from service.store.queue import Work
from service.store.tables import work as work_table


def names_by_chance(_harness):
    """Builds and jobs are named anew by each process."""
    named = images.job_name
    images.job_name = evaluating.job_name = lambda version: f"{named(version)}-{os.getpid()}"


def acknowledged_before_it_is_stored(_harness):
    """Intake answers 202 and stores afterwards."""
    real = Inbox.store

    def store_later(self, new):
        def late():
            time.sleep(0.2)
            real(self, new)

        threading.Thread(target=late, daemon=True).start()
        return Stored(self.newest() + 1, duplicate=False)

    Inbox.store = store_later


def nothing_is_superseded(_harness):
    """A release may take its turn although a newer one has held the target."""
    real = queueing.take_turn

    def take(release, target, *when, **asked):
        decision = real(release, replace(target, newest=0), *when, **asked)
        newest = max(decision.target.newest, target.newest if decision.target.newest == 0 else 0)
        return replace(decision, target=replace(decision.target, newest=newest))

    queueing.take_turn = take


def a_late_answer_is_believed(_harness):
    """What a source answered is compared with nothing that others saw meanwhile."""

    def look(parts, source):
        last, values = parts.inbox.newest(), watching.present(parts, source)
        found = parts.store.decide(lambda change: watching.observe(change, source, values))
        parts.looked[source.name] = last
        return found

    watching.look = look


def the_router_compares_no_epoch():
    """Any write is taken, however old."""
    routes.check_order = lambda *_arguments: None


def the_queue_compares_no_epoch(_harness):
    """Work may be finished by who had it once."""
    queue._held = lambda mine: work_table.c.id == mine.id


def states_and_effects_in_two_transactions(_harness):
    """A crash in between leaves a state that waits for ever."""
    store.Store.change = _two_transactions


@contextmanager
def _two_transactions(self):
    with writing(self.engine) as connection:
        change = Change(connection, self._now(connection), self.limits)
        yield change
    time.sleep(0.01)
    with writing(self.engine) as connection:
        change.connection = connection
        change.flush()


def done_before_it_is_done(_harness):
    """Work is marked done, then performed: whoever dies in between loses it."""

    def effect(parts, in_hand):
        with parts.store.change() as change:
            change.finish(in_hand)
        value, began = work.EFFECT.load(in_hand.body), parts.store.now()
        while not isinstance(outcome := dispatch.perform(parts, value, parts.store.now(), began), Done):
            time.sleep(0.01)

        def keep(deciding):
            if outcome.answer is not None:
                work._tell(deciding, in_hand.subject, outcome.answer)

        work.decide(parts.store, keep)

    work._effect = effect


def attempts_are_not_counted(_harness):
    """What ends its worker each time is tried for ever."""
    real = queue._take

    def take(connection, number, *more):
        taken = real(connection, number, *more)
        connection.execute(update(work_table).where(work_table.c.id == number).values(attempts=0))
        return None if taken is None else replace(taken, attempts=1)

    queue._take = take


def a_lease_never_ends(_harness):
    """What a dead process held stays its."""
    real = due.conditions

    def conditions(now):
        return [*real(now), work_table.c.state != "running"]

    due.conditions, owners.gone = conditions, lambda _owners: []
    due._ids.cache_clear()
    due.next_one.cache_clear()


def keys_by_chance(_harness):
    """The same delivery is work of another key each time."""

    def keyed(lane, kind, key, *more):
        return Work(lane, kind, f"{key}:{uuid.uuid4()}", *more)

    receiving.Work = keyed


def a_failed_write_counts_as_stored(_harness):
    """Intake's writer answers that it stored whatever the database says."""

    def write(self, batch):
        try:
            with writing(self._engine) as connection:
                stored = inbox._insert(connection, [waiting.delivery for waiting in batch])
        except Exception:  # noqa: BLE001
            stored = [Stored(self.newest() + 1, duplicate=False)] * len(batch)
        for waiting, result in zip(batch, stored, strict=True):
            waiting.stored = result
            waiting.done.set()

    Inbox._write = write


def the_route_compares_no_epoch(monkeypatch):
    """A cluster's route is replaced whoever wrote it last."""
    monkeypatch.setattr(records, "check", lambda *_arguments: None)
