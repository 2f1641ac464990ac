"""What came in and what became of it, put together from both stores on each database."""

import pytest
from sqlalchemy.event import listen

from policies.events import RefChanged
from service.arrivals import receiving
from service.engine import happened, replaying
from service.engine.happened import State
from service.store import queued
from service.store.inbox import Delivery, Inbox
from service.store.queue import Work
from service.store.states import SOURCE_EVENT


@pytest.fixture
def inbox(database_url):
    inbox = Inbox.open(database_url)
    yield inbox
    inbox.close()


def deliver(inbox, *names, source="git", at=1000.0):
    return [inbox.store(Delivery(source, name, {"X-A": "1"}, b"{}", at)).id for name in names]


def event(ref, at):
    return SOURCE_EVENT.dump(RefChanged("git", ref, None, "a" * 40, None, at))


def listed(store, inbox, **more):
    given = {"source": None, "failed": False, "before": None} | more
    return happened.page(store, inbox, **given)


def test_each_state_of_a_delivery_is_told_as_it_goes(store, inbox, clock):
    (number,) = deliver(inbox, "one")
    name = str(number)
    assert happened.one(store, inbox, name).state is State.STORED
    receiving.take(store, inbox)
    assert happened.one(store, inbox, name).state is State.WAITING
    work = store.claim("test", kinds=["delivery"])
    store.retry(work, clock.now + 5, "git is away")
    shown = happened.one(store, inbox, name)
    assert (shown.state, shown.text, shown.tries) == (State.WAITING, "git is away", 1)
    clock.now += 10
    work = store.claim("test", kinds=["delivery"])
    with store.change() as change:
        change.add_work(Work("event:git:refs/heads/a", "event", "event:1", "git", event("refs/heads/a", 1.0)))
        change.save_answer(f"work-{work.id}", {"ok": True, "text": "asked", "events": ["event:1", "gone"]})
        change.finish(work)
    shown, seen = happened.one(store, inbox, name), listed(store, inbox, source="git").events[0]
    assert (shown.state, shown.text, shown.led) == (State.DONE, "asked", (seen.id,))
    assert (seen.kind, seen.what) == ("event", "refs/heads/a is now aaaaaaaaaaaa")


def test_what_was_given_up_is_listed_alone_and_of_one_source(store, inbox):
    deliver(inbox, "one", "two")
    deliver(inbox, "three", source="other")
    deliver(inbox, "four")
    receiving.take(store, inbox)
    while (work := store.claim("test", kinds=["delivery"])) is not None:
        with store.change() as change:
            if work.subject == "4":
                change.finish(work)
            else:
                change.fail(work, "no reason")
    assert {one.state for one in listed(store, inbox, failed=True).events} == {State.DEAD}
    counts = {
        source: len(listed(store, inbox, failed=True, source=source).events) for source in ("git", "other")
    }
    assert counts == {"git": 2, "other": 1}
    assert len(listed(store, inbox).events) == 4


LANES = (
    "delivery:git", "delivery:git2", "look:git", "event:git:refs/heads/a", "event:git", "order:git:1", "order:g_t:1",
    "event:git2:a", "order:other:1", "release:git", "eventual:git", "delivery",
)  # fmt: skip


@pytest.mark.parametrize("source", ["git", "g_t", "other", "rel-1"])
def test_the_database_finds_of_a_source_what_is_told_to_be_its_own(store, source):
    with store.change() as change:
        for subject in ("git", "rel-1"):
            for lane in LANES:
                change.add_work(Work(lane, "event", f"{lane} {subject}", subject))
    with store.read() as read:
        everything = queued.newest(read.connection, limit=100)
        found = queued.newest(read.connection, of=source, limit=100)
    assert found == [work for work in everything if queued.source_of(work) == source] != []


def test_what_was_given_up_of_one_source_is_found_below_any_number_of_others(store, inbox):
    with store.change() as change:
        change.add_work(Work("look:git", "look", "one", "git"))
        for number in range(30):
            change.add_work(Work(f"look:other-{number}", "look", f"other {number}", f"other-{number}"))
    while (work := store.claim("test", kinds=["look"])) is not None:
        with store.change() as change:
            change.fail(work, "no reason")
    asked = []
    with store.read() as read:
        listen(read.connection.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    assert [one.source for one in listed(store, inbox, failed=True, source="git", limit=1).events] == ["git"]
    assert len([query for query in asked if "work.state = " in query]) == 1


def test_pages_hold_all_of_both_stores_once_also_where_all_times_are_the_same(store, inbox):
    names = [str(number) for number in deliver(inbox, *map(str, range(120)))]
    with store.change() as change:
        for number in range(120):
            ref = f"refs/heads/{number}"
            change.add_work(Work(f"event:git:{ref}", "event", f"event:{ref}", "git", event(ref, 1.0)))
    seen, before = [], None
    while True:
        page = listed(store, inbox, before=before)
        seen += [one.id for one in page.events]
        if page.next is None:
            break
        before = page.next
    assert len(seen) == len(set(seen)) == 240
    assert set(names) <= set(seen)


def test_old_answers_go_with_the_work_that_they_are_about(store, inbox, clock):
    with store.change() as change:
        change.save_answer("work-1", {"text": "old"})
    clock.now += 100
    with store.change() as change:
        change.save_answer("work-2", {"text": "new"})
    store.forget_work(clock.now - 50)
    assert store.answer("work-1") is None
    assert store.answer("work-2") == {"text": "new"}
    assert inbox.newest() == 0


@pytest.mark.parametrize("name", ["99", "999999999", "9999999999", "work-9999999999", "work-0"])
def test_an_id_that_was_never_given_is_nothing_on_each_database(store, inbox, name):
    assert happened.one(store, inbox, name) is None
    with store.change() as change:
        assert not replaying.replay(change, name, 1.0)[0]
