"""`mode: observe`: somebody else shifts the traffic; everything is judged and shown, and nothing is changed."""

import hashlib

import pytest

from policies.release import Phase
from service.adapters.kubernetes.others import OnlyWatched
from service.adapters.memory.images import MemoryImages
from service.adapters.memory.others import MemoryOthers
from service.bootstrap import Site
from service.ports.connections import Cluster, Source
from service.ports.outcomes import Refused
from service.ports.workloads import Serving
from tests.scenarios.conftest import World
from tests.visiting import Visitor

FRAUD = """\
name: fraud
image: ghcr.io/acme/fraud:main-*
services: {stable: ml/fraud-stable, candidate: ml/fraud-canary}
mode: observe
risk: 1%
warm_up: 0s
"""
TARGET, STABLE, CANARY = "fraud/production", "fraud-stable.ml", "fraud-canary.ml"
ONE, TWO, THREE = (f"sha256:{hashlib.sha256(n.encode()).hexdigest()}" for n in "123")


class Watching(World):
    """The world with a cluster in which somebody else shifts traffic between two Services."""

    def __init__(self, home):
        super().__init__(home)
        self.others, self.images = MemoryOthers(), MemoryImages()
        self.only = OnlyWatched(None)
        self.only.state = lambda _: Serving("", 0.0, 0)
        self.parts.open_site = lambda *_: Site(
            self.only, self.jobs, self.only, self.metrics, lambda *_: "asked", others=self.others
        )
        with self.store.change() as change:
            change.save_cluster(Cluster("prod", namespace="ml"))
        self.connect(Source("ghcr", "registry", "https://ghcr.io"), self.images)
        self.split = {}

    def declare(self, text=FRAUD):
        self.push({"segue.yaml": text})
        self.settle()

    def event(self, content):
        """An image is pushed, as CI does; the release that begins."""
        self.images.push("acme/fraud", f"main-{content}", content)
        self.clock.now += self.settings.sweep_seconds
        self.settle()
        return self.releases()[-1]

    def let(self, stable, candidate="", weight=0):
        """Somebody lets these serve, with so much for the candidate."""
        self.others.let(stable=stable, candidate=candidate, weight=weight)
        self.split = {STABLE: 100 - weight, CANARY: weight}

    def _traffic(self):
        requests, failing = self.load
        for backend, weight in self.split.items():
            count = round(requests * weight / 100)
            self.metrics.record(backend, count, round(count * failing.get(backend, 0.0)))


@pytest.fixture
def others(tmp_path):
    world = Watching(tmp_path)
    world.declare()
    world.let(ONE)
    yield world
    world.close()


def begun(world, weight=10, seconds=8):
    """A release whose version somebody sends requests to."""
    release = world.event("2")
    world.let(ONE, TWO, weight)
    world.settle(4)
    world.play(seconds)
    return world.release(release.name)


def test_a_release_begins_by_its_event_and_waits_until_somebody_lets_it_serve(others):
    release = others.event("2")
    others.settle(10)
    release = others.release(release.name)
    assert (release.phase, release.observed) == (Phase.STARTING, 0)
    assert f"no pod behind ml/fraud-canary runs {TWO[:19]}" in release.waits
    assert others.workloads.running == ()


def test_its_weight_is_what_the_counters_show(others):
    release = begun(others, weight=10)
    assert (release.phase, release.observed) == (Phase.SHIFTING, 10)
    others.let(ONE, TWO, 40)
    others.play(20)
    assert others.release(release.name).observed == 40


def test_what_segue_would_have_done_is_said_and_nothing_is_done(others):
    others.serve(1500, {CANARY: 0.2})
    release = begun(others, weight=10)
    assert release.phase is Phase.SHIFTING
    assert release.would.startswith("would have rolled back at ")
    assert " requests: errors: " in release.would
    others.play(60)
    assert others.release(release.name).phase is Phase.SHIFTING
    assert others.release(release.name).would == release.would
    others.let(ONE)
    others.settle(30)
    after = others.release(release.name)
    assert (after.phase, after.reason) == (Phase.ROLLED_BACK, "somebody else took it back")
    assert others.target(TARGET).stable.image == ""


def test_a_good_one_ends_when_somebody_promotes_it_and_the_record_knows_what_the_evidence_allowed(others):
    release = begun(others, weight=20, seconds=30)
    assert "would have let it have 100 %" in others.release(release.name).would
    others.let(TWO)
    others.settle(5)
    after = others.release(release.name)
    assert (after.phase, after.proven) == (Phase.PROMOTED, True)
    assert others.target(TARGET).stable.image == TWO


def test_a_promotion_without_evidence_is_called_not_proven(others):
    release = others.event("2")
    others.serve(1)
    others.let(ONE, TWO, 10)
    others.settle(4)
    others.let(TWO)
    others.settle(5)
    after = others.release(release.name)
    assert after.phase is Phase.PROMOTED
    assert after.unproven == ("somebody else promoted it when the evidence allowed 0 %",)


def test_a_version_that_serves_before_anybody_compared_it_is_already_there(others):
    release = others.event("2")
    others.let(TWO)
    others.settle(5)
    assert others.release(release.name).phase is Phase.ALREADY_THERE


def test_one_that_nobody_sends_requests_to_gives_way_to_a_newer_one(others):
    first = others.event("2")
    second = others.event("3")
    assert others.release(first.name).phase is Phase.SUPERSEDED
    assert others.release(second.name).phase is Phase.STARTING


def test_pods_that_are_replaced_are_no_end(others):
    release = begun(others)
    others.others.let(stable=ONE, weight=10)
    others.settle(6)
    others.let(ONE, TWO, 10)
    others.settle(30)
    assert others.release(release.name).phase is Phase.SHIFTING


def test_where_nothing_can_be_seen_nothing_is_concluded(others):
    release = begun(others)
    others.others.missing = "there is no Service ml/fraud-canary"
    others.settle(60)
    assert others.release(release.name).phase is Phase.SHIFTING


def test_commands_change_nothing_but_the_watching(others):
    release = begun(others)
    assert not others.say("promote", release.name).ok
    assert others.say("pause", release.name, reason="I look").ok
    assert others.release(release.name).paused
    assert others.say("resume", release.name).ok
    assert not others.say("rollback", TARGET).ok
    assert others.say("abort", release.name).ok
    assert others.release(release.name).phase is Phase.ABORTED


def test_a_team_that_lets_segue_act_next_is_not_told_that_its_target_moved(others):
    release = begun(others)
    others.let(TWO)
    others.settle(5)
    assert others.release(release.name).phase is Phase.PROMOTED
    acting = FRAUD.replace("mode: observe\n", "deployment: ml/fraud\nroute: ml/fraud\n")
    others.declare(acting.replace("services: {stable: ml/fraud-stable, candidate: ml/fraud-canary}\n", ""))
    after = others.event("3")
    assert "cannot move" not in after.reason


def test_the_commit_hears_of_it_and_nothing_of_it_keeps_anybody_from_merging(others):
    others.serve(1500, {CANARY: 0.2})
    release = begun(others)
    told = [status for status in others.git.reports if status.key == f"segue/{TARGET}"]
    assert {status.state for status in told} == {"success"}
    assert release.would in told[-1].title


def test_nothing_at_the_place_can_be_changed_whoever_asks(others):
    with pytest.raises(Refused, match="Segue only watches"):
        others.only.stop("fraud-canary.ml")


def test_the_page_says_that_it_only_watches_and_offers_nothing_that_would_move_traffic(others):
    others.serve(1500, {CANARY: 0.2})
    release = begun(others)
    visitor = Visitor(others)
    page = visitor.text(f"/-/releases/{release.name}")
    assert f"only watching, nothing is changed: Segue {release.would}" in page
    assert 'id="do-pause"' in visitor.answer.text
    assert 'id="do-promote"' not in visitor.answer.text
    assert 'id="do-rollback"' not in visitor.get(f"/-/targets/{TARGET}").text
