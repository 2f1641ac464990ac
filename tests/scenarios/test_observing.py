"""How often counters are read: at each interval while a rollout is judged, now and then while none is.

What was taken in is stored before anything is told that rests on it.
"""

import os

import pytest
from structlog.testing import capture_logs

from policies.guards import state as states
from service import observer
from service.observing.judged import EACH_STATE, rebuilt, resumed
from service.store import owners, tables
from service.store.states import EVIDENCE


def readings(world):
    """A list that grows with each reading of the counters."""
    seen, sample = [], world.metrics.sample

    def counting():
        seen.append(world.clock.now)
        return sample()

    world.metrics.sample = counting
    return seen


def test_counters_are_read_seldom_while_nothing_is_judged_and_nothing_that_was_served_is_lost(world):
    first = world.live()
    seen = readings(world)
    world.serve(100)
    world.play(60)
    assert 5 <= len(seen) <= 7
    assert not world.observer.watching
    counted = world.metrics.sample().backends
    served = sum(one.requests for one in world.observer.series.history("wine/production", first.backend))
    total = dict(counted)[first.backend].requests
    assert served >= total - 20 * 100


def test_counters_are_read_at_each_interval_while_a_rollout_is_judged(world):
    world.live()
    seen = readings(world)
    world.serve(100)
    world.rollout()
    world.play(10)
    assert world.observer.watching
    assert len(seen) >= 10


def test_what_the_store_holds_is_read_when_it_may_have_changed_or_now_and_then(world):
    world.live()
    world.serve(100)
    world.rollout()
    world.observer.look()
    assert world.say("abort", "rel-2").ok
    world.observer.look(changed=False)
    assert world.observer.watching, "nobody said that anything changed"
    world.clock.now += 10
    world.observer.look(changed=False)
    assert not world.observer.watching, "a bell that nobody heard costs some seconds"


def told(world, name):
    """Sequences of the evidence that the engine was told of a release."""
    return [
        EVIDENCE.load(work.body).evidence.sequence
        for work in world.store.work_of(name)
        if work.kind == "evidence"
    ]


def test_what_is_told_rests_on_what_is_stored(world):
    world.live()
    world.serve(100)
    second = world.rollout()
    for _ in range(20):
        world.play(1)
        stored = {one.sequence for one in world.series.increments(second.name)}
        assert set(range(max(told(world, second.name)) + 1)) <= stored
        behind = max(stored) - world.series.judge(second.name).sequence
        assert 0 <= behind <= EACH_STATE


def test_whoever_goes_on_has_the_very_state_that_was_not_stored(world):
    world.live()
    world.serve(100)
    second = world.rollout()
    behind = set()
    for _ in range(20):
        world.play(1)
        known = world.observer.judging._judged[second.name]
        stored = world.series.judge(second.name)
        rows = world.series.increments(second.name, after=stored.sequence)
        again = resumed(second, stored, rows)
        if not known.unsaved:
            assert states.to_json(again.state) == states.to_json(known.state)
            behind.add(len(rows))
    assert max(behind) > 0


def spoilt(world, name, **changed):
    """Its stored state as other code might have written it; forgotten by the observer."""
    state = {**world.series.judge(name).state, **changed}
    with world.series.engine.begin() as connection:
        connection.execute(tables.judge.update().where(tables.judge.c.release == name).values(state=state))
    world.observer.judging.keep(())


OTHERS = [{"comparisons": "of another form"}, {"sequence": 3}, None]


@pytest.mark.parametrize("guards", [*OTHERS, "fewer"])
def test_a_state_that_this_code_cannot_use_is_made_anew_from_all_increments(world, guards):
    world.live()
    world.serve(100)
    second = world.rollout()
    world.play(12)
    world.observer.judging.save(world.observer._hold())
    before = world.series.judge(second.name)
    fewer = {**before.state["guards"], "comparisons": before.state["guards"]["comparisons"][1:]}
    spoilt(world, second.name, guards=fewer if guards == "fewer" else guards)
    with capture_logs() as logs:
        world.observer.look()
    assert [one["release"] for one in logs if one["event"] == "stored state not usable"] == [second.name]
    known = world.observer.judging._judged[second.name]
    assert known.state.sequence == before.sequence + 1
    world.observer.judging.save(world.observer._hold())
    rows = world.series.increments(second.name)
    again = rebuilt(second, world.series.judge(second.name), rows)
    assert states.to_json(again.state) == states.to_json(known.state)
    known.state = resumed(second, before, rows[before.sequence + 1 :]).state
    assert states.to_json(again.state) == states.to_json(known.state), "as if the state had been read"


def test_what_cannot_even_be_made_anew_is_told_and_stops_nobody_else(world):
    world.live()
    world.serve(100)
    second = world.rollout()
    world.play(12)
    world.observer.judging.save(world.observer._hold())
    with world.series.engine.begin() as connection:
        connection.execute(tables.increment.delete().where(tables.increment.c.sequence == 2))
    told_before = told(world, second.name)
    spoilt(world, second.name, guards=None)
    with capture_logs() as logs:
        world.observer.look()
        world.observer.look()
    assert [one["event"] for one in logs if one["log_level"] == "error"] == ["release cannot be judged"]
    assert told(world, second.name) == told_before
    assert second.name not in world.observer.judging._judged


def test_intervals_in_which_nothing_changed_are_stored_together(world, monkeypatch):
    world.live()
    world.serve(2)  # too few for anything to change
    world.rollout()
    world.play(10)
    changes, change = [], world.series.change
    monkeypatch.setattr(world.series, "change", lambda held: changes.append(held) or change(held))
    world.play(20)
    assert len(changes) <= 10


def test_an_observer_that_ends_stores_what_it_took_in_and_lets_go(world):
    world.live()
    world.serve(100)
    second = world.rollout()
    world.play(10)
    known = world.observer.judging._judged[second.name].state.sequence
    world.observer.close()
    assert [one.sequence for one in world.series.increments(second.name)] == list(range(known + 1))
    assert world.series.judge(second.name).sequence == known
    assert world.series.acquire(observer.LEASE, "another") is not None


@pytest.mark.parametrize(("dead", "taken"), [(True, True), (False, False)])
def test_nobody_waits_for_an_observer_of_this_host_that_was_killed(world, dead, taken):
    child = os.fork()
    if child == 0:
        os._exit(0)
    mine = owners.name_of_this_process("observer")
    os.waitpid(child, 0)
    owner = mine.replace(f"/{os.getpid()}/", f"/{child}/") if dead else mine
    assert world.series.acquire(observer.LEASE, owner, observer.LEASE_SECONDS) is not None
    assert (world.series.acquire(observer.LEASE, "another", observer.LEASE_SECONDS) is not None) is taken
