"""What is kept of a version that serves alone, and the noise that is learned from it."""

import numpy as np
import pytest

from policies.guards import stretch
from policies.guards.increment import Arm, Increment
from policies.guards.learning import learn
from policies.guards.noise import BLOCK, Pair
from policies.spec.declaration import Guard, GuardKind
from service.worlds.traffic import Traffic, World

BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0)
GUARDS = (Guard("errors", GuardKind.ERRORS), Guard("latency", GuardKind.LATENCY))


def interval(at, requests, errors=0.0, seconds=10.0, buckets=(), bounds=()):
    return Increment(0, at, seconds, 100.0, Arm(requests, errors, buckets), None, bounds)


def gathered(what):
    known, found = stretch.start(what[0].at), []
    for one in what:
        known, ended = stretch.gather(known, one)
        found += [ended] if ended else []
    return found


def alone(world, hours=8.0, seed=5, seconds=10.0):
    """The stretches of one version of a world, which served by itself."""
    traffic, one, found = Traffic(world, 1, seed, bounds=BOUNDS, horizon=hours * 3600), np.zeros(1, int), []
    for _ in range(int(hours * 3600 / seconds)):
        arm = traffic.step(one, np.array([100.0]), seconds).candidate
        buckets = tuple(arm.buckets[0].tolist())
        found.append(
            interval(traffic.at, float(arm.requests[0]), float(arm.errors[0]), seconds, buckets, BOUNDS)
        )
    return gathered(found)


def test_a_block_holds_what_was_served_in_it():
    rows = [interval(10.0 * n, 100.0, float(n % 2), buckets=(97.0, 3.0), bounds=(0.1,)) for n in range(1, 62)]
    first, second = gathered(rows)
    assert (first.at, second.at) == (0.0, BLOCK)
    assert (first.requests, first.errors, first.buckets) == (2900.0, 15.0, (2813.0, 87.0))
    assert (second.requests, second.seconds) == (3000.0, 300.0)
    assert first.slow.information == 0, "before the first block's end nobody knows what is slow"
    assert second.slow.information > 0


def test_neighbouring_pieces_tell_what_comes_in_bunches():
    rows = [interval(10.0 * n, 100.0, 4.0 if n % 2 else 0.0) for n in range(1, 32)]
    (block,) = gathered(rows)
    one = Pair(0.0, 4.0, 100.0, 0.0, 100.0).moment()
    assert block.failed.squares == pytest.approx(28 * one[0] ** 2)
    assert block.failed.information == pytest.approx(28 * one[1])


def test_short_intervals_are_held_beside_their_neighbours_as_pieces_of_ten_seconds():
    rows = [interval(float(n), 10.0, 1.0, seconds=1.0) for n in range(1, 302)]
    (block,) = gathered(rows)
    assert block.failed.information == pytest.approx(28 * 20 / 4, rel=0.05)
    assert block.failed.squares == 0


def test_a_block_of_which_little_was_seen_is_not_kept_and_a_gap_has_no_neighbours():
    assert gathered([interval(10.0, 5.0), interval(320.0, 5.0, seconds=10.0)]) == []
    rows = [interval(10.0 * n, 100.0, 1.0) for n in range(1, 20)]
    long = [*rows, interval(290.0, 900.0, 9.0, seconds=100.0), *(interval(300.0 + n, 9.0) for n in range(3))]
    assert gathered(long) == []


def test_it_is_stored_to_the_last_bit():
    for one in alone(World(50, 0.01), hours=0.5):
        assert stretch.from_json(one.at, stretch.to_json(one)) == one


def test_a_quiet_world_is_learned_as_quiet():
    found = learn(GUARDS, alone=[alone(World(150, 0.003))])
    assert not any(one.provisional for one in found.values())
    assert all(one.burst < 1.2 and one.spread < 0.1 for one in found.values()), found


def test_bursts_and_luck_are_learned_from_one_version_alone():
    bursts = learn(GUARDS, alone=[alone(World(150, 0.003, bursts=2.5))])["errors"]
    assert 3.0 < bursts.burst < 6.0  # geometric bunches of mean 2.5: the mean square over the mean is 4
    lucky = learn(GUARDS, alone=[alone(World(150, 0.003, luck=0.6, luck_seconds=300.0))])["errors"]
    assert 0.35 < lucky.spread < 1.1
    steady = learn(GUARDS, alone=[alone(World(150, 0.003, luck=0.6, luck_seconds=20.0))])["errors"]
    assert steady.spread < lucky.spread


def test_an_incident_of_minutes_does_not_pass_for_luck():
    world = World(150, 0.003, incident=12.0, incident_seconds=540.0)
    found = learn(GUARDS, alone=[alone(world, hours=24.0)])["errors"]
    assert found.spread < 0.35
    assert found.burst < 2.0


def test_a_day_of_waves_hardly_passes_for_luck():
    found = learn(GUARDS, alone=[alone(World(150, 0.003, waves=0.5), hours=24.0)])["errors"]
    assert found.spread < 0.2


def test_too_little_is_provisional_and_versions_are_not_mixed():
    short = alone(World(150, 0.003), hours=2.0)
    assert all(one.provisional for one in learn(GUARDS, alone=[short]).values())
    good, bad = alone(World(150, 0.003), hours=4.0), alone(World(150, 0.03), hours=4.0, seed=6)
    moved = [stretch.from_json(one.at + 4 * 3600, stretch.to_json(one)) for one in bad]
    assert learn(GUARDS, alone=[good, moved])["errors"].spread < 0.2
