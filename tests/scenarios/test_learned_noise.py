"""What stable served teaches how noisy it is, and a rollout is judged by that from its beginning to its end."""

import numpy as np
import pytest

from policies.guards import state as states
from policies.guards import stretch, trail
from policies.guards.increment import Arm, Increment
from policies.guards.judge import Judge
from policies.guards.noise import BLOCK
from service.store import recorded
from service.store.series import Stretch

TARGET = "wine/production"


def remember(world, backend, hours=4.0, burst=4, seed=3):
    """Stretches as the observer stores them, of hours in which failures came `burst` at a time."""
    dice, begins = np.random.default_rng(seed), world.clock.now - hours * 3600
    known = stretch.start(begins)
    with world.series.change(world.observer._hold()) as change:
        for number in range(int(hours * 360)):
            bad = float(burst * dice.poisson(3))
            at = begins + 10.0 * (number + 1)
            known, ended = stretch.gather(known, Increment(0, at, 10.0, 100.0, Arm(1000.0, bad), None))
            if ended is not None:
                body = stretch.to_json(ended)
                change.add_stretches([Stretch(TARGET, backend, ended.at, body)])


def errors_of(world, name):
    while world.release(name).evidence is None:  # a weight moved just now
        world.play(1)
    evidence = world.release(name).evidence
    return next(found for found in evidence.findings if found.guard == "errors")


def test_each_block_that_stable_served_is_kept(world):
    first = world.live()
    world.serve(100)
    for _ in range(70):
        world.play(1)
        world.clock.now += 9
    kept = world.series.stretches(TARGET)
    assert {row.version for row in kept} == {first.backend}
    whole = [stretch.from_json(row.at, row.body) for row in kept]
    assert whole
    assert all(one.at % BLOCK == 0 and one.seconds >= 0.8 * BLOCK for one in whole)
    assert all(one.requests == pytest.approx(10 * one.seconds, rel=0.2) for one in whole)


def test_a_rollout_is_judged_by_the_noise_of_its_beginning(world):
    first = world.live()
    remember(world, first.backend)
    world.serve(100)
    second = world.rollout()
    world.play(8)
    noise = world.series.judge(second.name).state["noise"]
    assert 3.0 < noise["errors"][0] < 6.0
    numbers = dict(errors_of(world, second.name).numbers)
    assert numbers["burst"] == pytest.approx(noise["errors"][0], rel=1e-3)
    assert "provisional" not in errors_of(world, second.name).needed
    remember(world, first.backend, burst=1)  # what is learned later changes nothing in this rollout
    world.observer.judging.keep(())  # as another process that takes over
    world.play(8)
    stored = world.series.judge(second.name)
    assert stored.state["noise"] == noise
    found = recorded.of_release(world.series, second.name)
    assert found.noise["errors"].burst == noise["errors"][0]
    judge = Judge.of(world.release(second.name).environment, history=found.history, noise=found.noise)
    assert stored.state["guards"] in [states.to_json(look.state) for look in trail.follow(judge, found)]
    assert recorded.read(recorded.written(found)) == found


def test_that_stable_was_calm_is_kept_with_its_rollout(world):
    first = world.live()
    remember(world, first.backend, burst=1, seed=1)
    world.serve(100)
    second = world.rollout()
    world.play(8)
    stored = world.series.judge(second.name)
    assert "errors" in stored.state["calm"]
    found = recorded.of_release(world.series, second.name)
    assert found.noise["errors"].calm
    judge = Judge.of(world.release(second.name).environment, history=found.history, noise=found.noise)
    assert stored.state["guards"] in [states.to_json(look.state) for look in trail.follow(judge, found)]
    assert recorded.read(recorded.written(found)) == found


def test_without_history_the_noise_is_provisional_and_says_so(world):
    world.live()
    world.serve(100)
    second = world.rollout()
    world.play(8)
    assert world.series.judge(second.name).state["noise"] == {}
    assert "provisional noise" in errors_of(world, second.name).needed
