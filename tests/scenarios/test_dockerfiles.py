"""What a Dockerfile makes is built by the builder for it, and by no other; it needs no base of ours."""

import pytest

from policies.release import Phase
from service.adapters.memory.builder import MemoryBuilder
from service.bootstrap import Site
from service.ports.connections import Cluster
from tests.scenarios.conftest import World

DOCKED = """\
name: docked
build: {dockerfile: docker/Dockerfile}
serve: none
evaluate: {run: python evaluate.py, gates: {quality: ">= 0.5"}}
environments: {production: {cluster: prod}}
"""


class Kept(MemoryBuilder):
    """Remembers what it was asked to build."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def start(self, recipe):
        self.asked.append(recipe)
        super().start(recipe)


@pytest.fixture
def docked(tmp_path):
    world = World(tmp_path, dockerfiles="builds", images="https://r.example/models")
    site = Site(world.workloads, world.jobs, world.router, world.metrics, world.parts.ask_preview)
    world.parts.open_site = lambda cluster, place: site
    world.parts.builder = Kept()
    with world.store.change() as change:
        change.save_cluster(Cluster("prod"))
    yield world
    world.close()


def test_it_is_built_and_evaluated_by_its_reference(docked):
    docked.parts.dockerfiles = Kept()
    docked.push({"segue.yaml": DOCKED})
    docked.settle()
    (recipe,) = docked.parts.dockerfiles.asked
    assert (recipe.dockerfile, recipe.lock, recipe.run) == ("docker/Dockerfile", None, ())
    assert docked.parts.builder.asked == []
    (job,) = docked.jobs.started
    assert job.image.startswith("r.example/models/docked@sha256:")


def test_without_its_builder_the_release_says_what_to_set(docked):
    docked.push({"segue.yaml": DOCKED})
    docked.settle()
    (release,) = docked.releases()
    assert release.phase is Phase.FAILED
    assert "SEGUE_DOCKERFILES" in str(release.reason)
    assert docked.parts.builder.asked == []
