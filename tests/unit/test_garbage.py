"""Garbage of a process that keeps much is looked for once a minute, and then all of it."""

import gc
import weakref
from types import SimpleNamespace

import pytest

from service.machine import garbage


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(garbage, "time", SimpleNamespace(monotonic=lambda: now[0]))
    yield now
    gc.enable()
    gc.unfreeze()


class Round:
    def __init__(self):
        self.itself = self


def test_what_refers_to_itself_goes_when_it_is_looked_for_and_a_minute_has_passed(clock):
    seldom = garbage.Seldom()
    assert not gc.isenabled()
    left = weakref.ref(Round())
    clock[0] += garbage.EVERY_SECONDS - 1
    seldom.look()
    assert left() is not None
    clock[0] += 1
    seldom.look()
    assert left() is None
    left = weakref.ref(Round())
    clock[0] += garbage.EVERY_SECONDS - 1
    seldom.look()
    assert left() is not None
