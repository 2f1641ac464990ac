"""Somebody else changes what serves, or what names it: it is told, and repaired or adopted as people or the
policy say; never while a release is on its way, and never over what nobody saw."""

import pytest

from policies import drifting
from policies.release import Phase
from service.engine import served
from service.ports.outcomes import Refused, Retry
from service.reconciler import NAMES_SECONDS
from tests.scenarios.conftest import CHURN
from tests.scenarios.taken_over import FOUND, FRAUD, TARGET, ClusterWorld

FILES = {"MLmodel": b"flavors: {}", "requirements.txt": b""}


@pytest.fixture
def cluster(tmp_path, stores):
    world = ClusterWorld(tmp_path, **stores)
    yield world
    world.close()


def promoted(cluster, more=""):
    """A release of Segue's serves, and what was found there is kept warm."""
    release = cluster.take_over(**{"segue.yaml": FRAUD + more})
    cluster.play(120, until=release.name)
    assert cluster.release(release.name).phase is Phase.PROMOTED
    return cluster.release(release.name)


def somebody_goes_back(cluster, what="kubectl-edit gave fraud all at 14:03"):
    cluster.router.change(TARGET, what, {FOUND: 100.0})


def actions(cluster):
    return [(entry.actor, entry.action) for entry in cluster.store.record_of(TARGET)]


@pytest.mark.every_store
def test_a_repair_writes_what_segue_decided_over_exactly_what_was_seen(cluster):
    release = promoted(cluster)
    somebody_goes_back(cluster)
    cluster.settle(12)
    assert cluster.weights(TARGET)[FOUND] == 100  # told, and left: `hold` is the default
    reply = cluster.say("repair", "fraud", reason="not agreed")
    assert reply.ok, reply.text
    cluster.settle(5)
    assert cluster.weights(TARGET) == {release.backend: 100, FOUND: 0}
    assert (cluster.target(TARGET).drift, cluster.target(TARGET).remedy) == ("", None)
    assert [action for _, action in actions(cluster)] == ["drift", "repair ordered", "repaired"]


def test_what_changed_since_a_repair_was_ordered_is_not_overwritten(cluster):
    promoted(cluster)
    somebody_goes_back(cluster)
    cluster.settle(12)
    seen = drifting.mark(cluster.target(TARGET))
    somebody_goes_back(cluster, "bob gave fraud all at 14:04")
    cluster.settle(12)
    writes = len(cluster.router.writes)
    late = cluster.say("repair", "fraud", digest=seen[:19])
    assert not late.ok
    assert "it has changed since you looked" in late.text
    look = cluster.router.drift

    def looked(target):  # carol is faster than the write that follows the look
        seen = look(target)
        cluster.router.drift = look
        somebody_goes_back(cluster, "carol gave fraud all at 14:05")
        return seen

    cluster.router.drift = looked
    cluster.say("repair", "fraud")
    cluster.settle(12)
    assert len(cluster.router.writes) == writes
    assert "not mended" in {action for _, action in actions(cluster)}
    assert "carol" in cluster.target(TARGET).drift
    assert cluster.target(TARGET).remedy is None


def dies_after_its_write(cluster, monkeypatch):
    written = cluster.router.set

    def dies(route):
        written(route)
        monkeypatch.setattr(cluster.router, "set", written)
        raise RuntimeError("killed before it could store what it did")

    monkeypatch.setattr(cluster.router, "set", dies)


def test_whoever_dies_right_after_a_repair_was_written_leaves_nothing_to_be_done(cluster, monkeypatch):
    release = promoted(cluster)
    somebody_goes_back(cluster)
    cluster.settle(12)
    dies_after_its_write(cluster, monkeypatch)
    assert cluster.say("repair", "fraud").ok
    cluster.settle(12)
    assert cluster.weights(TARGET) == {release.backend: 100, FOUND: 0}
    assert (cluster.target(TARGET).drift, cluster.target(TARGET).remedy) == ("", None)
    assert "repaired" in {action for _, action in actions(cluster)}
    assert cluster.store.dead() == []


def test_whoever_dies_right_after_what_is_there_was_adopted_leaves_it_adopted(cluster, monkeypatch):
    release = promoted(cluster)
    somebody_goes_back(cluster)
    cluster.settle(12)
    dies_after_its_write(cluster, monkeypatch)
    assert cluster.say("adopt", "fraud", reason="we trust it").ok
    cluster.settle(12)
    target = cluster.target(TARGET)
    assert cluster.weights(TARGET)[FOUND] == 100
    assert (target.stable.backend, target.previous.backend) == (FOUND, release.backend)
    assert (target.drift, target.remedy) == ("", None)


def test_a_router_that_confirms_late_adopts_all_the_same(cluster):
    promoted(cluster)
    somebody_goes_back(cluster)
    cluster.settle(12)
    cluster.router.unconfirmed = 1
    assert cluster.say("adopt", "fraud", reason="we trust it").ok
    cluster.settle(12)
    assert cluster.target(TARGET).stable.backend == FOUND


def test_what_is_there_can_be_taken_for_right_with_a_reason_and_is_called_not_proven(cluster):
    release = promoted(cluster)
    somebody_goes_back(cluster)
    cluster.settle(12)
    assert "say why" in cluster.say("adopt", "fraud").text
    assert cluster.say("adopt", "fraud", reason="the new one is slow for us").ok
    cluster.settle(5)
    target = cluster.target(TARGET)
    assert (target.stable.backend, target.previous.backend) == (FOUND, release.backend)
    assert "took it for right: the new one is slow for us" in target.stable.adopted
    with cluster.store.read() as read:
        assert served.at(read, TARGET, cluster.clock.now) == []  # no release brought it
    assert target.drift == ""
    assert cluster.weights(TARGET)[FOUND] == 100
    back = cluster.say("rollback", "fraud")
    assert back.ok, back.text
    cluster.play(40, until=back.release)
    assert cluster.weights(TARGET)[release.backend] == 100


def test_a_split_between_two_is_not_taken_for_right_and_says_why(cluster):
    release = promoted(cluster)
    cluster.router.change(TARGET, "ann split it", {FOUND: 40.0, release.backend: 60.0})
    cluster.settle(12)
    assert cluster.say("adopt", "fraud", reason="why not").ok
    cluster.settle(5)
    target = cluster.target(TARGET)
    assert target.stable.backend == release.backend
    assert "40 %" in drifting.told(target)
    assert "not mended" in drifting.told(target)


def test_a_policy_that_repairs_does_so_three_times_and_then_leaves_it_to_people(cluster):
    release = promoted(cluster, "when_drifted: repair\n")
    writes = len(cluster.router.writes)
    for turn in range(5):
        somebody_goes_back(cluster, f"a controller undid it, turn {turn}")
        cluster.settle(14)
    assert len(cluster.router.writes) - writes == drifting.MOST_REPAIRS
    assert cluster.weights(TARGET)[FOUND] == 100
    assert "changed again each time" in drifting.told(cluster.target(TARGET))
    assert cluster.say("repair", "fraud").ok
    cluster.settle(5)
    assert cluster.weights(TARGET)[release.backend] == 100


def test_a_policy_that_adopts_records_who_did_not_prove_it(cluster):
    promoted(cluster, "when_drifted: adopt\n")
    somebody_goes_back(cluster)
    cluster.settle(14)
    assert cluster.target(TARGET).stable.backend == FOUND
    assert cluster.target(TARGET).stable.adopted == "the policy took it for right"


@pytest.mark.parametrize("rule", ["repair", "adopt"])
def test_during_a_rollout_it_is_held_whatever_the_policy_says(cluster, rule):
    release = cluster.take_over(**{"segue.yaml": FRAUD + f"when_drifted: {rule}\n"})
    writes = len(cluster.router.writes)
    cluster.router.changed[TARGET] = "ann took the candidate out"
    cluster.settle(14)
    assert cluster.release(release.name).paused
    assert len(cluster.router.writes) == writes
    refused = cluster.say("repair", "fraud")
    assert not refused.ok
    assert f"{release.name} is on its way" in refused.text


def test_a_release_that_began_since_wins_over_a_repair(cluster):
    promoted(cluster)
    somebody_goes_back(cluster)
    cluster.settle(12)
    assert cluster.say("repair", "fraud").ok
    target = cluster.target(TARGET)
    cluster.push({"serve.py": "2"})
    cluster.play(3)
    assert cluster.target(TARGET).epoch > target.epoch
    assert cluster.router.get(TARGET).epoch == cluster.target(TARGET).epoch


def test_an_image_that_somebody_else_gave_a_deployment_is_told_and_put_back(cluster):
    release = promoted(cluster)
    cluster.deployment.given[release.backend] = ("registry.invalid/models/fraud@sha256:hot", "kubectl-set")
    cluster.settle(12)
    assert (
        "was changed by kubectl-set: it runs registry.invalid/models/fraud@sha256:hot"
        in cluster.target(TARGET).drift
    )
    assert cluster.say("repair", "fraud").ok
    cluster.settle(5)
    assert cluster.deployment.given == {}
    assert cluster.target(TARGET).drift == ""


@pytest.mark.parametrize("reason", [Refused("somebody else owns it"), Retry("it is away", after=1)])
def test_a_repair_of_which_a_part_was_done_is_told_as_that(cluster, monkeypatch, reason):
    release = promoted(cluster)
    somebody_goes_back(cluster)
    cluster.deployment.given[release.backend] = ("registry.invalid/models/fraud@sha256:hot", "kubectl-set")
    cluster.settle(12)

    def fails(_route):
        raise reason

    with monkeypatch.context() as patch:
        patch.setattr(cluster.router, "set", fails)
        assert cluster.say("repair", "fraud").ok
        cluster.settle(5)
    assert cluster.deployment.given == {}
    told = [entry for entry in cluster.store.record_of(TARGET) if entry.action == "not mended"]
    assert [one.detail["reason"] for one in told] == [
        f"its workload is repaired, and its route is not: {reason}"
    ]
    cluster.settle(12)
    assert cluster.say("repair", "fraud").ok
    cluster.settle(5)
    assert cluster.weights(TARGET) == {release.backend: 100, FOUND: 0}


def test_what_was_only_told_during_a_release_is_repaired_by_the_policy_after_it(cluster):
    release = promoted(cluster, "when_drifted: repair\n")
    cluster.push({"serve.py": "2"})
    cluster.play(3)
    cluster.deployment.given[release.backend] = ("registry.invalid/models/fraud@sha256:hot", "kubectl-set")
    cluster.settle(14)
    holder = cluster.target(TARGET).holder
    assert cluster.release(holder).paused
    assert cluster.deployment.given
    assert cluster.say("abort", holder).ok
    cluster.play(40, until=holder)
    cluster.settle(14)
    assert cluster.deployment.given == {}
    assert cluster.target(TARGET).drift == ""


def test_a_deployment_that_somebody_deleted_is_told_and_started_once_more_each_time(cluster):
    release = promoted(cluster)
    for _ in range(2):
        cluster.deployment.stop(release.backend)
        cluster.settle(12)
        assert "is gone" in cluster.target(TARGET).drift
        assert cluster.say("repair", "fraud").ok
        cluster.settle(5)
        assert release.backend in cluster.deployment.running
        cluster.settle(12)
        assert cluster.target(TARGET).drift == ""


def test_an_image_that_ci_gave_what_was_found_can_be_adopted(cluster):
    release = cluster.take_over()
    assert cluster.say("abort", release.name).ok
    cluster.play(20, until=release.name)
    cluster.deployment.given[FOUND] = ("registry.invalid/models/fraud@sha256:ci", "github-actions")
    cluster.settle(12)
    assert cluster.say("adopt", "fraud", reason="CI still deploys it").ok
    cluster.settle(5)
    assert cluster.target(TARGET).stable.image.endswith("sha256:ci")
    cluster.settle(12)
    assert cluster.target(TARGET).drift == ""


def test_what_an_image_is_called_there_that_is_not_known_any_more_is_nobodys_change(cluster, monkeypatch):
    promoted(cluster)

    def unknown(*_):
        raise Refused("there is no version of that key")

    monkeypatch.setattr("service.performing.drifting.known_version", unknown)
    cluster.settle(12)
    assert cluster.target(TARGET).drift == ""
    assert cluster.store.dead() == []


def test_nothing_to_mend_is_said_so(cluster):
    promoted(cluster)
    for verb in ("repair", "adopt"):
        reply = cluster.say(verb, "fraud", reason="why")
        assert not reply.ok
        assert "is as Segue left it" in reply.text


def test_a_commit_whose_release_was_taken_back_is_told_until_something_else_serves_or_is_named(cluster):
    promoted(cluster)
    commit = cluster.push({"serve.py": "bad"})
    cluster.settle()
    cluster.play(2)
    second = cluster.releases()[-1]
    assert cluster.say("abort", second.name).ok
    cluster.play(30, until=second.name)
    cluster.settle(12)
    told = drifting.told(cluster.target(TARGET))
    assert f"Git names {commit[:12]}, whose {second.name} is aborted" in told
    assert "revert the commit there" in told
    assert "segue repair" not in told
    refused = cluster.say("repair", "fraud")
    assert "Segue writes nothing into Git" in refused.text
    assert cluster.say("adopt", "fraud", reason="we mend it tomorrow").ok
    cluster.settle(12)
    assert drifting.told(cluster.target(TARGET)) == ""


# --- the registry's alias ----------------------------------------------------------------------


def champion(world):
    """Version 2 of `churn` serves, and `champion` names it."""
    world.push({"churn/segue.yaml": CHURN.replace("approvals: {count: 1, from: [ann, bob]}\n", "")})
    for number in range(2):
        world.registry.register("churn", {**FILES, "model.pkl": b"%d" % number})
    world.settle()
    for number in ("1", "2"):
        world.move_alias("churn", number)
        world.settle()
        world.play(40, until=world.releases()[-1].name)
        world.settle()
    assert world.registry.aliases()["churn", "champion"] == "2"
    world.clock.now += NAMES_SECONDS
    world.settle()
    assert drifting.told(world.target("churn/production")) == ""


def somebody_moves_it(world, version):
    world.move_alias("churn", version, alias="champion")
    world.clock.now += NAMES_SECONDS
    world.settle()
    return drifting.told(world.target("churn/production"))


def test_an_alias_that_somebody_moved_is_told_and_moved_back_each_time_it_is_asked_for(world):
    champion(world)
    for _ in range(2):
        told = somebody_moves_it(world, "1")
        assert told.startswith("churn@champion names version 1, and version 2 serves")
        assert world.say("repair", "churn").ok
        assert world.registry.aliases()["churn", "champion"] == "2"
        world.clock.now += NAMES_SECONDS
        world.settle()
        assert drifting.told(world.target("churn/production")) == ""


def test_an_alias_that_is_right_where_it_is_is_told_no_more_until_it_moves_again(world):
    champion(world)
    somebody_moves_it(world, "1")
    assert world.say("adopt", "churn", reason="batch jobs stay on 1").ok
    assert somebody_moves_it(world, "1") == ""
    assert "names nothing" in somebody_moves_it(world, None)
    assert world.registry.aliases().get(("churn", "champion")) is None
