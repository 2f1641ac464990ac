"""Whatever is away or dies in the middle: nothing is lost, nothing is done twice, traffic goes on."""

import pytest

from policies.evidence import Verdict
from policies.release import Phase
from service.performing import dispatch
from service.performing.outcomes import Done
from service.store.queue import LEASE_SECONDS
from service.work import work_once
from tests.scenarios.conftest import WINE

FILES = {"segue.yaml": WINE, "requirements.lock": ""}


def test_a_git_host_that_is_down_delays_no_weight_and_hears_of_it_later(world):
    world.live()
    second = world.rollout()
    world.git.gone = "connection refused"
    world.play(400, until=second.name)
    assert world.release(second.name).phase is Phase.PROMOTED
    assert "promoted" not in world.git.note(second.cause.commit)
    world.git.gone = None
    world.settle(120)
    assert "is promoted" in world.git.note(second.cause.commit)


def test_a_router_that_does_not_confirm_holds_the_release_where_it_is(world):
    first = world.live()
    world.router.unconfirmed = 10**6
    world.push({"serve.py": "2"})
    world.settle()
    world.play(60)
    second = world.releases()[-1]
    assert (second.phase, second.observed) == (Phase.CHECKING, 0)
    world.router.unconfirmed = 0
    world.settle(60)
    world.play(400, until=second.name)
    assert world.release(second.name).phase is Phase.PROMOTED
    assert world.target().previous.backend == first.backend


@pytest.mark.parametrize("way", ["none", "cookie"])
def test_a_data_plane_that_took_the_split_and_does_not_move_promotes_nothing(world, way):
    """The router's word is not enough: each step waits for the data plane's own counts of both versions."""
    wine = WINE + f"sticky: {way}\n"
    first = world.live({"segue.yaml": wine})
    world.stuck = {first.backend: 100.0}
    second = world.rollout()
    weight = second.observed
    world.play(120)
    second = world.release(second.name)
    assert (second.phase, second.observed, world.weights()[second.backend]) == (
        Phase.SHIFTING, weight, weight,
    )  # fmt: skip
    assert {f.guard: f.verdict for f in second.evidence.findings}["share"] is (
        Verdict.SUSPECT if way == "none" else Verdict.CLEARED
    )
    world.stuck = None
    world.play(400, until=second.name)
    assert world.release(second.name).phase is Phase.PROMOTED


def test_all_of_the_traffic_is_not_believed_before_it_is_counted(world):
    first = world.live()
    second = world.rollout()
    while world.release(second.name).wanted < 100:
        world.play(1)
    world.stuck = {first.backend: 70.0, second.backend: 30.0}
    world.play(20)  # the watch is half of that
    assert world.release(second.name).phase is Phase.WATCHING
    world.stuck = None
    world.play(400, until=second.name)
    assert world.release(second.name).phase is Phase.PROMOTED


def test_a_rollback_that_an_outage_held_up_is_written_seconds_after_it(world):
    """However long the outage was: what waits is a bad version's traffic."""
    world.live()
    second = world.rollout()
    world.router.unconfirmed = 10**6
    assert world.say("abort", second.name).ok
    for _ in range(20):
        world.clock.now += 30
        world.drain()
    assert not world.release(second.name).final
    world.router.unconfirmed = 0
    world.settle(4)
    assert world.release(second.name).phase is Phase.ABORTED


def test_without_numbers_the_weight_holds_and_then_the_candidate_counts_as_dead(world):
    first = world.live()
    second = world.rollout()
    weight = world.weights()[second.backend]
    world.metrics.silent = "connection refused"
    world.play(30)
    assert world.weights()[second.backend] == weight
    world.play(90, until=second.name)
    assert world.release(second.name).phase is Phase.ROLLED_BACK
    assert world.weights()[first.backend] == 100


def test_a_router_that_was_restarted_says_nothing_for_one_interval_and_harms_nobody(world):
    world.live()
    second = world.rollout()
    world.metrics.restart()
    world.play(400, until=second.name)
    assert world.release(second.name).phase is Phase.PROMOTED


KINDS = ["Build", "StartWorkload", "SetTraffic", "CheckPreview", "Wake", "ReportCommit", "StopWorkload"]


class Died(BaseException):
    """The worker's process ended."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_that_dies_after_an_effect_and_before_its_answer_repeats_it_harmlessly(
    world, monkeypatch, kind
):
    world.live()
    real, died = dispatch.perform, []

    def die(parts, effect, now, since):
        outcome = real(parts, effect, now, since)
        if type(effect).__name__ == kind and len(died) < 3 and isinstance(outcome, Done):
            died.append(effect)
            raise Died
        return outcome

    monkeypatch.setattr(dispatch, "perform", die)
    world.push({"serve.py": "2"})
    for _ in range(600):
        world._traffic()
        world.observer.look()
        world.reconciler.round()
        while world.store.due(limit=1):
            try:
                work_once(world.parts, "worker")
            except Died:
                continue
        world.clock.now += 1.0
        if len(world.releases()) > 1 and world.releases()[-1].final:
            break
    second = world.releases()[-1]
    assert second.phase is Phase.PROMOTED
    assert len(world.workloads.running) == 2
    assert sum(world.weights().values()) == 100
    if kind != "StopWorkload":
        assert died
    assert world.store.dead() == []


def test_an_effect_that_ends_its_worker_each_time_is_given_up_with_a_reason(world, monkeypatch):
    world.live()

    def die(parts, effect, now, since):
        raise Died

    world.push({"serve.py": "2"})
    world.settle(0.5)
    monkeypatch.setattr(dispatch, "perform", die)
    for _ in range(12):
        for _ in range(20):
            try:
                if not work_once(world.parts, "worker", kinds=["Build"]):
                    break
            except Died:
                continue
        world.clock.now += 31.0
    assert world.releases()[-1].phase is Phase.FAILED
    assert "worker ended each time" in world.releases()[-1].reason


def test_what_is_old_and_needed_by_nobody_is_forgotten_and_what_serves_is_kept(world):
    first = world.live()
    world.push({"serve.py": "2"})
    world.settle()
    world.say("abort", "rel-2")
    second = world.release("rel-2")
    images = {release.name: release.image for release in (first, second)}
    assert world.series.releases()
    world.clock.now += 3600  # all its wakes are over by then
    world.settle()
    world.clock.now += 31 * 86_400
    world.settle()
    world.observer.look()
    assert world.inbox.after(0) == []
    assert world.store.work_of("rel-2") == []
    assert world.series.releases() == []
    kept = {ended.digest for ended in world.builder._ended.values()}
    assert images["rel-1"] in kept
    assert images["rel-2"] not in kept
    assert world.weights()[first.backend] == 100


def test_a_version_whose_image_was_forgotten_is_built_again_when_it_is_wanted(world):
    world.live()
    world.push({"serve.py": "2"})
    world.settle()
    world.say("abort", "rel-2")
    world.clock.now += 31 * 86_400
    world.settle()
    reply = world.say("retry", "rel-2")
    world.play(400, until=reply.release)
    assert world.release(reply.release).phase is Phase.PROMOTED


def test_a_report_that_is_written_long_after_its_lease_does_not_stay_over_what_was_said_since(
    world, monkeypatch
):
    """Its worker stands still just before the call, and wakes when the release has ended."""
    real, notes = world.git.report, []

    def late(status):
        monkeypatch.setattr(world.git, "report", real)
        world.clock.now += LEASE_SECONDS + 1
        world.play(60, until="rel-1")
        world.settle()
        notes.append(world.git.note(status.commit))
        real(status)
        notes.append(world.git.note(status.commit))

    monkeypatch.setattr(world.git, "report", late)
    world.push(FILES)
    world.settle(5)
    assert "is promoted" in notes[0]
    assert "is promoted" not in notes[1]
    assert "is promoted" in world.git.note(world.release("rel-1").cause.commit)


def test_a_workload_that_is_started_long_after_its_lease_does_not_run_for_nobody(world, monkeypatch):
    """Its worker stands still just before the call, and wakes when the release has been aborted."""
    world.live()
    real, running = world.workloads.start, []

    def late(order):
        monkeypatch.setattr(world.workloads, "start", real)
        world.clock.now += LEASE_SECONDS + 1
        world.settle()
        assert world.say("abort", "rel-2").ok
        world.settle(5)
        running.append(order.name in world.workloads.running)
        real(order)
        running.append(order.name in world.workloads.running)

    monkeypatch.setattr(world.workloads, "start", late)
    world.push({"serve.py": "2"})
    world.settle(10)
    assert running == [False, True]
    assert world.release("rel-2").phase is Phase.ABORTED
    assert world.release("rel-2").backend not in world.workloads.running


def test_a_declaration_that_is_stored_long_after_its_lease_does_not_come_back_over_a_newer_one(
    world, monkeypatch
):
    """Its worker stands still after it has read a push, and wakes when the next push is done."""
    world.live()
    real, commits = world.git.author, []

    def late(commit):
        monkeypatch.setattr(world.git, "author", real)
        world.clock.now += LEASE_SECONDS + 1
        commits.append(world.push({"segue.yaml": f"{FILES['segue.yaml']}# again\n"}))
        world.play(60, until="rel-3")
        return real(commit)

    monkeypatch.setattr(world.git, "author", late)
    world.push({"serve.py": "2"})
    world.settle(10)
    assert [row.commit for row in world.store.models()] == commits


def test_a_delivery_that_waits_for_its_source_is_not_forgotten_however_old(world):
    world.drain()
    world.git.gone = "moved house"
    world.push(FILES, told=False)
    assert (
        world.hook("git", {"ref": "refs/heads/main", "before": "0" * 40, "after": "1" * 40}).status_code
        == 202
    )
    world.settle()
    world.clock.now += 31 * 86_400
    world.settle()
    assert len(world.inbox.after(0)) == 1
    world.git.gone = None
    world.settle(60)
    assert len(world.releases()) == 1
