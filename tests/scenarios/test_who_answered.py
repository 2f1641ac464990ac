"""Labels of a cluster whose rows name the request alone: who answered is asked of the recorder that listens there."""

import pytest

from handlers.labels import Batch, Label, body_of
from policies.place import served_by
from policies.release import Phase
from service.bootstrap import Site
from service.ports.connections import Cluster
from service.ports.outcomes import Retry
from service.recorder.spool import Assigned
from tests.scenarios.conftest import WINE, World

TARGET, TABLE = "wine/production", "warehouse.labels"
BY_REQUEST = f"guards: {{right: {{labels: {TABLE}, drop: 1%, within: 1h, by: request}}}}\n"
THERE = "environments: {production: {cluster: prod}}\n"


class Recorder:
    """One that listens; it tells what is not stored, and forgets what is."""

    def __init__(self):
        self.notes, self.batches, self.number, self.away, self.forgotten = [], {}, 0, False, 0

    def answered(self, heard):
        if self.away:
            raise Retry("the API server does not answer", after=1.0)
        for number in [n for n in self.batches if n <= heard.get("pod", 0)]:
            self.forgotten += len(self.batches.pop(number))
        if self.notes:
            self.number += 1
            self.batches[self.number], self.notes = self.notes, []
        return [one for batch in self.batches.values() for one in batch], {"pod": self.number}

    def key(self, target, versions):
        return b"k"


class NotedWorld(World):
    """A connected cluster that is where the target serves, by a route of Segue's own."""

    def __init__(self, home, **settings):
        images, base = "http://registry.invalid/models", "http://registry.invalid/base"
        super().__init__(home, images=images, base=base, **settings)
        self.recorder = Recorder()
        self.parts.open_site = self._site
        with self.store.change() as change:
            change.save_cluster(Cluster("prod", namespace="ml", gateway="infra/web"))

    def _site(self, cluster, place):
        asked = (self.workloads, self.jobs, self.router, self.metrics, lambda *_: "asked")
        return Site(*asked, noted=self.recorder)


@pytest.fixture
def world(tmp_path, stores):
    world = NotedWorld(tmp_path, **stores)
    yield world
    world.close()


def answer(world, backend, count, wrong):
    """So many requests that a version answered, and their labels."""
    at = world.clock.now
    requests = [f"{backend}-{n}" for n in range(count)]
    world.recorder.notes += [Assigned(TARGET, one, served_by(backend), at) for one in requests]
    rows = [Label(one, at, n < wrong * count) for n, one in enumerate(requests)]
    headers = {"Authorization": f"Bearer {world.people['bob']}"}
    body = body_of(Batch("wine", TABLE, tuple(rows)))
    assert world.intake.post("/api/v1/labels", data=body, headers=headers).status_code == 202


def test_labels_are_joined_by_who_answered_and_a_stamp_that_nobody_has_counts_for_nobody(world):
    stable = world.live({"segue.yaml": WINE + BY_REQUEST + THERE})
    world.serve(300)
    release = world.rollout()
    at = world.clock.now
    answer(world, release.backend, 1500, 0.2)
    answer(world, stable.backend, 1500, 0.08)
    answer(world, "nobody.ml", 300, 1.0)
    world.clock.now = (at // 3600 + 2) * 3600 + 60
    world.play(60, until=release.name)
    ended = world.release(release.name)
    assert ended.phase is Phase.ROLLED_BACK
    assert "right" in ended.reason
    with world.store.read() as read:
        known = {one.version: one.labels for one in read.labels("wine")}
    assert known == {served_by(release.backend): 1500, served_by(stable.backend): 1500, None: 300}
    assert world.recorder.forgotten == 3300


def test_while_nobody_tells_who_answered_the_guard_knows_nothing_and_holds(world):
    stable = world.live({"segue.yaml": WINE + BY_REQUEST + THERE})
    world.serve(300)
    release = world.rollout()
    at, world.recorder.away = world.clock.now, True
    answer(world, release.backend, 1500, 0.0)
    answer(world, stable.backend, 1500, 0.0)
    world.clock.now = (at // 3600 + 2) * 3600 + 60
    world.play(30)
    assert world.release(release.name).phase is Phase.SHIFTING
    with world.store.read() as read:
        assert {one.version for one in read.labels("wine")} == {None}
