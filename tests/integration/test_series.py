"""Evidence is stored once, by the holder of the lease only, and can be replayed in order."""

import time

import pytest

from service.errors import Conflict
from service.store.series import Increment, Judge, Series, Served


@pytest.fixture
def series(database_url, clock):
    series = Series.open(database_url, clock)
    yield series
    series.close()


def increment(sequence, release="rel-1"):
    return Increment(release, sequence, 3, {"requests": [1.0, 2.0], "n": sequence})


def test_an_increment_is_stored_once(series):
    held = series.acquire("observer", "a")
    with series.change(held) as change:
        assert change.add(increment(2))
        assert change.add(increment(1))
        assert not change.add(Increment("rel-1", 2, 3, {"other": 1}))
        assert change.add(increment(1, "rel-2"))
        assert change.add(increment(0))  # the first of a release
    assert series.increments("rel-1") == [increment(0), increment(1), increment(2)]
    assert series.increments("rel-1", after=1) == [increment(2)]


def test_an_observer_that_lost_its_lease_stores_nothing(series, clock):
    slow = series.acquire("observer", "slow", 10)
    assert series.acquire("observer", "other", 10) is None
    clock.now += 10
    other = series.acquire("observer", "other", 10)
    assert other.epoch == slow.epoch + 1
    with pytest.raises(Conflict, match="no longer slow's"), series.change(slow) as change:
        change.add(increment(1))
    assert series.increments("rel-1") == []
    series.let_go(other)
    assert series.acquire("observer", "slow", 10).epoch == other.epoch + 1


def test_whoever_writes_keeps_the_lease(series, clock):
    held = series.acquire("observer", "a", 10)
    clock.now += 8
    with series.change(held) as change:
        change.add(increment(1))
    clock.now += 8
    assert series.acquire("observer", "other", 10) is None
    clock.now += 2
    assert series.acquire("observer", "other", 10).epoch == held.epoch + 1
    with pytest.raises(Conflict), series.change(held):
        pass
    assert series.acquire("observer", "a", 10) is None, "what was refused has kept nothing"


def test_a_host_whose_clock_is_ahead_takes_no_lease_that_stands(database_url, monkeypatch):
    if database_url.startswith("sqlite"):
        pytest.skip("SQLite serves one host, so there is one clock")
    series = Series.open(database_url)
    assert series.acquire("observer", "a", 30).epoch == 1
    ahead = time.time() + 60
    monkeypatch.setattr(time, "time", lambda: ahead)
    assert series.acquire("observer", "b", 30) is None
    series.close()


def test_a_lease_that_ends_impossibly_late_was_given_before_the_clock_was_set_back(series, clock):
    series.acquire("observer", "a", 30)
    clock.now -= 7200
    assert series.acquire("observer", "b", 30).epoch == 2


def test_guard_states_never_go_back_to_an_earlier_increment(series):
    held = series.acquire("observer", "a")
    with series.change(held) as change:
        change.save_judge(Judge("rel-1", {"e": 1.5}, 1, 3))
        change.save_judge(Judge("rel-1", {"e": 2.5}, 2, 3))
    with pytest.raises(Conflict), series.change(held) as change:
        change.save_judge(Judge("rel-1", {"e": 1.5}, 1, 3))
    assert series.judge("rel-1") == Judge("rel-1", {"e": 2.5}, 2, 3)
    assert series.judge("rel-2") is None


def test_what_stable_served_is_kept_and_forgotten_by_age(series):
    held = series.acquire("observer", "a")
    served = [Served("wine/production", "v1", float(at), 100.0, 1.0) for at in (10, 20, 30)]
    with series.change(held) as change:
        change.add_history([*served, Served("wine/production", "v1", 30.0, 50.0, 2.0)])
        change.add_history([Served("wine/production", "v2", 20.0, 1.0, 0.0)])
        change.add_history([])
    served[2] = Served("wine/production", "v1", 30.0, 150.0, 3.0)  # the same span of time adds up
    assert series.history("wine/production", "v1", since=20.0) == served[1:]
    assert len(series.history("wine/production")) == 4
    with series.change(held) as change:
        change.forget_history(20.0)
        change.add(increment(1))
        change.forget("rel-1")
    assert series.history("wine/production", "v1") == served[1:]
    assert series.increments("rel-1") == []
