"""A candidate in the shadow of a cluster: its notes are asked for there, and it has room for all copies first."""

from dataclasses import replace

import pytest

from policies.release import Phase
from service.ports.outcomes import Retry
from service.recorder.spool import Pair
from tests.scenarios.test_clusters import FOUND, FRAUD, TARGET, ClusterWorld

SHADOW = FRAUD + "strategy: shadow\nshadow: {for: 10s, answer: predictions.0, keep: answers}\npatience: 60s\n"


class Recorder:
    """Tells pairs of both versions once, as many as it was given; none while it is away."""

    def __init__(self, clock):
        self.clock, self.waiting, self.told, self.away = clock, [], 0, False

    def come(self, count, *, status=200):
        self.waiting += [status] * count

    def take(self, target, versions, heard, stored):
        if self.away:
            raise Retry("the API server does not answer", after=1.0)
        stable, candidate = versions
        pairs = [
            Pair(
                target, f"r-{self.told + n}", self.clock.now, candidate, stable, status, 200, 0.01, 0.01, True
            )
            for n, status in enumerate(self.waiting)
        ]
        self.told += len(pairs)
        self.waiting = []
        return pairs, {**heard, "a": self.told}

    def key(self, target, versions):
        return b"k"


class ShadowWorld(ClusterWorld):
    def __init__(self, home, **settings):
        super().__init__(home, **settings)
        self.recorder = Recorder(self.clock)

    def _site(self, cluster, place):
        return replace(super()._site(cluster, place), noted=self.recorder)


@pytest.fixture
def world(tmp_path, stores):
    world = ShadowWorld(tmp_path, **stores)
    yield world
    world.close()


def begin(world):
    release = world.take_over(**{"segue.yaml": SHADOW})
    world.serve(100)
    assert world.release(release.name).phase is Phase.SHADOWING
    return release


def test_the_candidate_has_room_for_all_copies_before_any_is_made(world):
    release = begin(world)
    assert (FOUND, 100.0) in world.rooms.made
    route = world.router.get(TARGET)
    assert (route.copied, route.backends[0].weight) == (release.backend, 100.0)


def test_what_is_told_there_clears_it_and_only_then_users_come(world):
    release = begin(world)
    world.play(12)
    assert world.weights(TARGET)[release.backend] == 0
    world.recorder.come(2000)
    world.play(10)
    after = world.release(release.name)
    assert (after.phase, world.router.get(TARGET).copied) == (Phase.SHIFTING, "")
    assert world.weights(TARGET)[release.backend] > 0


def test_harm_that_is_told_there_ends_it_and_no_user_saw_it(world):
    release = begin(world)
    world.recorder.come(300, status=500)
    world.play(30, until=release.name)
    ended = world.release(release.name)
    assert (ended.phase, ended.peak) == (Phase.ROLLED_BACK, 0)
    assert "shadow errors" in ended.reason
    assert world.router.get(TARGET).copied == ""


def test_while_nobody_can_be_asked_it_stays_in_the_shadow(world):
    release = begin(world)
    world.recorder.away = True
    world.recorder.come(2000)
    world.play(30)
    assert world.release(release.name).phase is Phase.SHADOWING
    world.recorder.away = False
    world.play(10)
    assert world.release(release.name).phase is Phase.SHIFTING
