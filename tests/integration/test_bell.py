"""The bell beside a store: who waits hears of what was stored, and only after it can be read."""

import threading

import pytest

from service import reconciler
from service.settings import Settings
from service.store.bell import Ear, ring
from service.store.inbox import Delivery, Inbox
from service.store.queue import Work
from service.store.store import Store
from tests.running import wait_until

PATIENCE = 20.0


@pytest.fixture
def store(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path / 'engine.db'}")
    yield store
    store.close()


@pytest.fixture
def listening():
    """`listening(bell)`: an ear, closed at the end."""
    ears = []

    def listen(*bells):
        ears.append(Ear(bells))
        return ears[-1]

    yield listen
    for ear in ears:
        ear.close()


def heard(ear, seconds=0.3):
    """Whether a bell has rung, or rings within that time."""
    return ear.wait(threading.Event(), seconds)


def add(store, key="one"):
    with store.change() as change:
        change.add_work(Work("lane", "Wake", key, "rel-1"))


def test_work_that_was_stored_before_anybody_waited_is_heard_and_then_not_again(store, listening):
    ear = listening(store.bell)
    assert not heard(ear)
    add(store)
    add(store, "two")
    assert heard(ear)
    assert not heard(ear)


def test_work_that_is_heard_of_can_be_claimed(store, listening):
    """A bell that rang before the commit would be answered by a look that finds nothing."""
    ear, found = listening(store.bell), []

    def listen():
        for number in range(50):
            ear.wait(threading.Event(), PATIENCE)
            found.append(store.claim("me", number=number + 1))

    thread = threading.Thread(target=listen)
    thread.start()
    for number in range(50):
        wait_until(lambda number=number: len(found) == number, PATIENCE)
        with store.change() as change:
            change.add_work(Work(f"lane-{number}", "Wake", str(number), "rel-1"))
    thread.join(PATIENCE)
    assert len(found) == 50
    assert all(found)


def test_a_change_that_is_not_stored_rings_nothing(store, listening):
    ear = listening(store.bell)

    def fail():
        with store.change() as change:
            change.add_work(Work("lane", "Wake", "one", "rel-1"))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not heard(ear)


def test_a_delivery_rings_the_inboxs_bell_and_not_the_engines(store, tmp_path, listening):
    inbox = Inbox.open(f"sqlite:///{tmp_path / 'inbox.db'}")
    ours, others = listening(inbox.bell), listening(store.bell)
    inbox.store(Delivery("git", "1", {}, b"{}", 1.0))
    assert heard(ours)
    assert not heard(others)
    inbox.close()


def test_all_who_wait_hear_one_ring(store, listening):
    ears = [listening(store.bell) for _ in range(3)]
    add(store)
    assert [heard(ear) for ear in ears] == [True] * 3


def test_who_is_told_to_stop_waits_no_longer(store, listening):
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    assert not listening(store.bell).wait(stop, PATIENCE)


def test_without_a_bell_one_looks_often(listening):
    ear = listening(None)
    assert ear.deaf
    ring(None)
    assert heard(ear, PATIENCE)


def test_work_is_waited_for_until_it_is_due(tmp_path):
    now = [100.0]
    store = Store.open(f"sqlite:///{tmp_path / 'engine.db'}", clock=lambda: now[0])
    kinds = ("Wake",)
    assert store.until_due(kinds) == float("inf")
    with store.change() as change:
        change.add_work(Work("lane", "Wake", "first", "rel-1", not_before=130.0))
        change.add_work(Work("lane", "Wake", "second", "rel-1"))  # behind the first in its lane
        change.add_work(Work("other", "Build", "third", "rel-1"))
    assert store.until_due(kinds) == 30.0
    assert store.until_due(("Build",)) == 0.0
    now[0] = 131.0
    assert store.until_due(kinds) == 0.0
    held = store.claim("me", kinds=kinds, seconds=20.0)
    assert store.until_due(kinds) == 20.0  # until whoever has it may be taken for dead
    store.again(held, not_before=140.0)
    assert store.until_due(kinds) == 9.0
    store.close()


def test_a_bell_that_has_rung_is_told_once_without_a_wait(store, listening):
    ear = listening(store.bell)
    assert not ear.rung()
    add(store)
    assert ear.rung()
    assert not ear.rung()
    assert not heard(ear)
    assert listening(None).rung(), "who can hear nothing has to look"


def test_a_delivery_that_rang_no_bell_is_taken_all_the_same(tmp_path, store, monkeypatch):
    """Its intake was killed between the commit and the bell."""
    monkeypatch.setattr(reconciler, "TAKE_SECONDS", 0.1)
    inbox = Inbox.open(f"sqlite:///{tmp_path / 'inbox.db'}")
    rounds = reconciler.Reconciler(Settings(home=tmp_path), store, inbox, None)
    stop = threading.Event()
    thread = threading.Thread(target=reconciler.run, args=(rounds, stop))
    thread.start()
    try:
        wait_until(lambda: store.unfinished("housekeeping"), PATIENCE)  # the first round is over
        silent = Inbox.open(f"sqlite:///{tmp_path / 'inbox.db'}")
        silent.bell = None
        silent.store(Delivery("git", "1", {}, b"{}", 1.0))
        wait_until(lambda: store.unfinished("delivery"), PATIENCE)
        silent.close()
    finally:
        stop.set()
        thread.join(PATIENCE)
        inbox.close()
