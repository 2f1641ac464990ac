"""What a release was judged by can be judged again, bit for bit, and told afterwards."""

import pytest

from policies.evidence import Verdict
from policies.guards import state as states
from policies.guards import trail
from policies.guards.increment import Gap
from policies.guards.judge import Judge
from policies.release import Phase
from service.observing.judged import EACH_STATE
from service.rehearsing import replays
from service.store import recorded
from tests.scenarios.conftest import World

HARMED = "rel-2"


def report(world, name):
    headers = {"Authorization": f"Bearer {world.people['bob']}"}
    return world.web.get(f"/api/v1/releases/{name}/report", headers=headers).json["report"]


def judged_again(world, name):
    """The states after each interval, from nothing but what is stored."""
    found = recorded.of_release(world.series, name)
    judge = Judge.of(world.release(name).environment, history=found.history, noise=found.noise)
    return [look.state for look in trail.follow(judge, found)]


@pytest.fixture(scope="module")
def harmed(tmp_path_factory):
    """A world after a rollout with a silence, a restart of its candidate, a moved weight, and then harm."""
    world = World(tmp_path_factory.mktemp("harmed"))
    world.live()
    world.serve(100)
    release = world.rollout()
    world.play(4)
    world.metrics.silent = "the router is away"
    world.play(3)
    world.metrics.silent = None
    world.workloads.restart(release.backend)
    world.play(8)
    world.serve(100, {release.backend: 0.2})
    world.play(120, until=release.name)
    assert world.release(release.name).phase is Phase.ROLLED_BACK
    yield world
    world.close()


def test_what_is_stored_leads_to_the_stored_state_bit_for_bit(harmed):
    world, name = harmed, HARMED
    again = judged_again(world, name)
    assert world.series.judge(name).state["guards"] in map(states.to_json, again[-1 - EACH_STATE :])
    assert again[-1].hearts[0].restarts == 1
    assert again[-1].harm == ("errors",)
    assert len({state.weight for state in again}) > 1
    kinds = {type(what) for what, _ in recorded.of_release(world.series, name).seen}
    assert Gap in kinds
    assert len(kinds) == 2


def test_what_is_stored_and_what_the_api_tells_of_it_are_the_same(harmed):
    world, name = harmed, HARMED
    headers = {"Authorization": f"Bearer {world.people['bob']}"}
    told = world.web.get(f"/api/v1/releases/{name}/increments", headers=headers).json
    assert recorded.read(told["recorded"]) == recorded.of_release(world.series, name)


def test_a_state_that_an_observer_took_over_is_judged_from_its_very_beginning(world):
    world.live()
    world.serve(300)
    release = world.rollout()
    world.workloads.restart(release.backend)
    world.play(4)
    world.observer.judging.keep(())  # as another process that loads what is stored
    world.clock.now += 20
    world.play(8)
    again = judged_again(world, release.name)
    assert world.series.judge(release.name).state["guards"] in map(states.to_json, again[-1 - EACH_STATE :])


def test_increments_that_older_code_stored_without_health_are_still_told(harmed):
    world, name = harmed, HARMED
    rows = world.series.increments(name)
    judge = world.series.judge(name)
    old = {"history": judge.state["history"], "increments": [row.body for row in rows]}
    for row in old["increments"]:
        del row["alive"]
    found = recorded.read({"started": None, **old})
    assert found.at == found.seen[0][0].at
    assert {alive.restarts for _, alive in found.seen} == {0}


def test_a_rollback_is_told_in_a_sentence_with_its_cost(harmed):
    found = report(harmed, HARMED)
    assert found["sentence"].startswith("Rolled back from ")
    assert "Broken rule of the guard errors:" in found["sentence"]
    cost = found["cost"]
    assert cost["failed"] > 0
    assert cost["expected"] == 0
    assert f"{cost['failed']:,.0f} failed" in found["sentence"]
    assert found["budget"]["harm_at"] == 100
    assert max(e for _, e in found["budget"]["points"]) >= 100
    assert found["weights"][-1][1] == 0
    (gap,) = [gap for gap in found["gaps"] if "the router is away" in gap["reason"]]
    assert gap["intervals"] == 3
    (errors,) = [one for one in found["guards"] if one["guard"] == "errors"]
    assert errors["verdict"] == "harm"
    assert errors["rates"]["candidate"][-1][1] > errors["rates"]["stable"][-1][3], "the intervals are apart"


def test_a_promotion_is_told_with_what_it_had(world):
    world.live()
    world.serve(1500)
    release = world.rollout()
    world.play(120, until=release.name)
    assert world.release(release.name).phase is Phase.PROMOTED
    found = report(world, release.name)
    assert found["sentence"].startswith("Promoted, with evidence: ")
    assert [weight for _, weight in found["weights"]][-1] == 100
    assert max(e for _, e in found["budget"]["points"]) < 10


def test_a_release_without_a_comparison_says_that_it_is_not_proven(world):
    first = world.live()
    found = report(world, first.name)
    assert "not proven (there was no stable version to compare with)" in found["sentence"]
    assert "no version before it" in found["sentence"]


def test_a_release_of_which_nothing_is_stored_has_a_report_with_a_sentence(harmed):
    world, name = harmed, HARMED
    kept = world.series.increments(name)
    with world.series.change(world.observer._hold()) as change:
        change.forget(name)
    found = report(world, name)
    with world.series.change(world.observer._hold()) as change:
        assert all(change.add(one) for one in kept)
    assert found["began"] is None
    assert found["weights"] == found["guards"] == []
    assert found["sentence"].startswith("Rolled back from ")


def test_a_replay_by_the_releases_own_policy_comes_to_its_end_at_its_moment(harmed):
    release = harmed.release(HARMED)
    found = replays.outcome(release.environment, recorded.of_release(harmed.series, HARMED))
    assert found["harm"]["guards"] == [
        f.guard for f in release.evidence.findings if f.verdict is Verdict.HARM
    ]
    assert found["harm"]["at"] == recorded.of_release(harmed.series, HARMED).seen[-1][0].at
    told, said = dict(release.evidence.findings[0].numbers), found["findings"][0]["numbers"]
    assert said == told
