"""A Deployment that serves already is taken over by reference, shifted away from, and handed back."""

import pytest
from prometheus_client import REGISTRY
from rich.console import Console
from structlog.testing import capture_logs

from policies.release import Phase
from service.adapters.memory.deployment import MemoryDeployment
from service.showing import terminal
from tests.scenarios.taken_over import FOUND, FRAUD, TARGET, ClusterWorld


@pytest.fixture
def cluster(tmp_path, stores):
    world = ClusterWorld(tmp_path, **stores)
    yield world
    world.close()


def test_what_serves_already_is_stable_and_keeps_all_traffic_until_the_candidate_is_ready(cluster):
    release = cluster.take_over()
    assert release.phase is Phase.SHIFTING
    assert release.unproven == ()
    first, second = cluster.router.writes[:2]
    assert [(b.name, b.weight) for b in first.backends] == [(FOUND, 100.0)]
    assert [(b.name, b.weight) for b in second.backends] == [(FOUND, 100.0), (release.backend, 0.0)]
    assert release.backend.endswith(".ml")
    assert cluster.target(TARGET).stable.image.endswith("sha256:old")


def test_a_candidate_for_it_is_judged_against_it_and_promoted_and_it_stays_warm(cluster):
    release = cluster.take_over()
    cluster.play(120, until=release.name)
    release = cluster.release(release.name)
    assert (release.phase, release.proven) == (Phase.PROMOTED, True)
    assert cluster.target(TARGET).previous.backend == FOUND
    assert set(cluster.deployment.running) == {FOUND, release.backend}


def test_a_rollback_goes_back_to_what_was_found(cluster):
    release = cluster.take_over()
    cluster.play(120, until=release.name)
    reply = cluster.say("rollback", "fraud")
    assert reply.ok
    assert "what was found there" in reply.text
    cluster.play(40, until=reply.release)
    assert cluster.release(reply.release).phase is Phase.PROMOTED
    assert cluster.weights(TARGET)[FOUND] == 100


def test_a_deployment_that_is_not_there_fails_the_release_and_nothing_is_written(cluster):
    cluster.deployment = MemoryDeployment(None)
    cluster.push({"segue.yaml": FRAUD, "requirements.lock": "", "serve.py": "1"})
    cluster.settle()
    (release,) = cluster.releases()
    assert release.phase is Phase.FAILED
    assert "there is no such Deployment" in release.reason


@pytest.mark.every_store
def test_it_is_handed_back_with_what_serves_now_and_everything_of_ours_goes(cluster):
    release = cluster.take_over()
    cluster.play(120, until=release.name)
    cluster.deployment.unready = 3
    reply = cluster.say("hand-back", "fraud", who="ann")
    assert reply.ok, reply.text
    cluster.settle(30)
    assert cluster.deployment.running == (FOUND,)
    assert cluster.deployment.image == f"registry.invalid/models/fraud@{release.image}"
    assert cluster.router.get(TARGET) is None
    assert cluster.target(TARGET).stable is None
    assert not cluster.say("hand-back", "fraud").ok


def test_handing_back_goes_on_where_it_was_and_says_what_it_waits_for(cluster):
    release = cluster.take_over()
    cluster.play(120, until=release.name)
    cluster.deployment.unready, cluster.deployment.lingering = 2, 1000
    cluster.say("hand-back", "fraud")
    cluster.settle(30)
    (waiting,) = cluster.store.unfinished("HandBack")
    assert (waiting.body["stage"], waiting.error) == ("clear", "a copy still answers")
    assert cluster.target(TARGET).stable is not None
    cluster.deployment.unready = 1000  # it is not asked to run again
    cluster.deployment.lingering = 0
    cluster.settle(60)
    assert cluster.target(TARGET).stable is None
    stages = [work.body["stage"] for work in cluster.store.work_of(TARGET) if work.kind == "HandBack"]
    assert stages == ["restore", "route", "clear"]


def test_while_it_is_handed_back_no_release_takes_the_target_and_the_next_one_adopts_anew(cluster):
    release = cluster.take_over()
    cluster.play(120, until=release.name)
    cluster.deployment.unready = 1000
    cluster.say("hand-back", "fraud")
    cluster.push({"serve.py": "2"})
    cluster.settle(10)
    later = cluster.releases()[-1]
    assert later.phase is Phase.QUEUED
    cluster.deployment.unready = 0
    cluster.settle(60)
    assert cluster.release(later.name).phase in {Phase.SHIFTING, Phase.CHECKING}
    assert cluster.target(TARGET).stable.backend == FOUND


def test_a_release_on_its_way_keeps_the_target_from_being_handed_back(cluster):
    release = cluster.take_over()
    reply = cluster.say("hand-back", "fraud")
    assert not reply.ok
    assert release.name in reply.text


def test_a_change_by_somebody_else_pauses_the_release_and_says_so_once(cluster):
    release = cluster.take_over()
    cluster.router.changed[TARGET] = "kubectl-edit set fraud to 0 at 14:03"
    cluster.settle(12)
    release = cluster.release(release.name)
    assert release.paused
    assert "kubectl-edit set fraud to 0" in release.reason
    drifts = [entry for entry in cluster.store.record_of(TARGET) if entry.action == "drift"]
    assert len(drifts) == 1
    cluster.router.changed.clear()
    cluster.settle(12)
    assert cluster.target(TARGET).drift == ""
    assert cluster.say("resume", release.name).ok
    cluster.play(120, until=release.name)
    assert cluster.release(release.name).phase is Phase.PROMOTED


def test_a_candidate_that_stays_at_a_weight_is_given_room_anew_since_stable_may_have_grown(cluster):
    release = cluster.take_over()
    assert cluster.say("pause", release.name).ok
    before = len(cluster.rooms.made)
    cluster.settle(45)
    assert cluster.rooms.made[before:] == [(FOUND, 10.0)] * len(cluster.rooms.made[before:])
    assert len(cluster.rooms.made) - before >= 4
    assert cluster.rooms.settled == []


def test_a_release_that_ends_while_its_candidate_is_given_room_leaves_no_autoscaler_held(cluster):
    release = cluster.take_over()
    assert cluster.say("pause", release.name).ok

    def end():
        cluster.say("abort", release.name)
        cluster.play(20, until=release.name)
        assert cluster.release(release.name).final
        cluster.rooms.settled.clear()

    cluster.rooms.then = end
    cluster.settle(12)
    assert cluster.rooms.settled == [(FOUND, release.backend)]


def test_a_cluster_that_is_not_connected_is_a_mistake_of_the_file(cluster):
    commit = cluster.push(
        {"segue.yaml": FRAUD + "environments: {production: {cluster: stg}}\n", "requirements.lock": ""}
    )
    cluster.settle()
    assert cluster.releases() == []
    assert "no cluster 'stg' is connected; connected: prod" in cluster.git.note(commit)


def test_what_a_release_waits_for_is_shown_and_forgotten_once_it_is_there(cluster):
    cluster.deployment.never_ready = "no node has nvidia.com/gpu"
    cluster.push({"segue.yaml": FRAUD, "requirements.lock": "", "serve.py": "1"})
    cluster.settle(12)
    (release,) = cluster.releases()
    assert (release.phase, release.waits) == (Phase.STARTING, "no node has nvidia.com/gpu")
    told = [e for e in cluster.store.record_of(release.name) if "nvidia" in str(e.detail)]
    assert len(told) == 1
    cluster.deployment.never_ready = ""
    cluster.settle(12)
    assert cluster.release(release.name).waits == ""
    assert cluster.release(release.name).phase is not Phase.STARTING


def test_what_an_evaluation_waits_for_is_shown_and_forgotten_once_it_is_there(cluster):
    cluster.jobs.waiting = "no node has nvidia.com/gpu"
    gated = FRAUD + "evaluate: {run: python evaluate.py, gates: {accuracy: '>= 0.5'}}\n"
    cluster.jobs.results[""] = {"accuracy": 0.9}
    cluster.push({"segue.yaml": gated, "requirements.lock": "", "serve.py": "1"})
    cluster.settle(12)
    (release,) = cluster.releases()
    waits = "the evaluation: waiting: no node has nvidia.com/gpu"
    assert (release.phase, release.waits) == (Phase.PENDING, waits)
    assert len([e for e in cluster.store.record_of(release.name) if "nvidia" in str(e.detail)]) == 1
    cluster.jobs.waiting = ""
    cluster.settle(12)
    assert cluster.release(release.name).phase is not Phase.PENDING
    assert cluster.release(release.name).waits == ""


def test_a_router_that_says_no_is_shown_while_it_is_asked_again(cluster):
    release = cluster.take_over()
    cluster.router.refusing = "argocd-controller undoes each write"
    shown = set()
    for _ in range(30):  # pods that are not ready yet are another reason, which comes and goes
        cluster.play(1)
        shown.add(cluster.release(release.name).waits)
    assert "argocd-controller undoes each write" in shown
    cluster.router.refusing = ""
    cluster.play(120, until=release.name)
    assert cluster.release(release.name).phase is Phase.PROMOTED
    assert cluster.release(release.name).waits == ""


def test_a_change_by_somebody_else_is_told_while_no_release_is_on_its_way(cluster):
    release = cluster.take_over()
    cluster.play(120, until=release.name)
    told = REGISTRY.get_sample_value("segue_drifts_total", {"target": TARGET}) or 0.0
    cluster.router.changed[TARGET] = "kubectl-edit set fraud to 0 at 14:03"
    with capture_logs() as logs:
        cluster.settle(25)
    assert REGISTRY.get_sample_value("segue_drifts_total", {"target": TARGET}) == told + 1
    assert [one["target"] for one in logs if one["event"] == "changed by somebody else"] == [TARGET]
    headers = {"Authorization": f"Bearer {cluster.people['ann']}"}
    shown = Console(width=200)
    with shown.capture() as printed:
        shown.print(terminal.targets(cluster.web.get("/api/v1/targets", headers=headers).json["targets"]))
    assert "was changed by somebody else: kubectl-edit set fraud to 0" in printed.get()
