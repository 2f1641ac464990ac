"""Work that takes longer than a lease stays whose it is, for as long as its process goes on."""

import threading

import pytest

from service.engine import keeping
from service.store.queue import LEASE_SECONDS, Lost, Work


def claimed(store, kind="event"):
    with store.change() as change:
        change.add_work(Work("event:git:main", kind, "k", "git"))
    return store.claim("slow")


def test_a_lease_is_kept_while_its_work_is_done_and_no_longer(store, clock, monkeypatch):
    work, renewed = claimed(store), threading.Event()
    renew = store.renew

    def told(kept):
        renew(kept)
        renewed.set()

    monkeypatch.setattr(store, "renew", told)
    with keeping.kept(store, work, every=0.01):
        for _ in range(3):
            clock.now += LEASE_SECONDS - 1
            for _ in range(2):  # the one that was under way when the clock moved, and the next
                renewed.clear()
                assert renewed.wait(30)
            assert store.claim("other") is None
    for thread in threading.enumerate():
        if thread.name == "keep":  # one renewal may be under way
            thread.join(30)
    clock.now += LEASE_SECONDS
    assert store.claim("other") is not None


def test_who_lost_its_lease_does_not_take_it_back(store, clock, monkeypatch):
    work, tried = claimed(store), threading.Event()
    clock.now += LEASE_SECONDS
    other = store.claim("other")
    renew = store.renew

    def told(kept):
        try:
            renew(kept)
        finally:
            tried.set()

    monkeypatch.setattr(store, "renew", told)
    with keeping.kept(store, work, every=0.01):
        assert tried.wait(30)
    with pytest.raises(Lost):
        renew(work)
    renew(other)


def test_what_calls_nobody_needs_nobody_who_keeps_it(store):
    work, before = claimed(store, kind="evidence"), threading.active_count()
    with keeping.kept(store, work, every=0.01):
        assert threading.active_count() == before
