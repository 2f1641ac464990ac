"""What happens at once, late, or after a long silence: the order of things that nobody chooses."""

import pytest

from policies.release import Phase
from service.arrivals import watching
from service.ports.outcomes import Refused, Retry
from service.work import PATIENT, work_once
from tests.scenarios.conftest import CHURN, LTV, WINE

FILES = {"segue.yaml": WINE, "requirements.lock": "", "serve.py": "1"}
REGISTERED = {"MLmodel": b"flavors: {}", "requirements.txt": b""}


def registered(world, text, versions):
    name = text.split()[1]
    world.push({f"{name}/segue.yaml": text})
    for number in range(versions):
        world.registry.register(name, {**REGISTERED, "model.pkl": b"%d" % number})
    world.settle()


# --- sources ---------------------------------------------------------------------------------


def test_a_slow_answer_of_a_source_is_not_taken_for_a_change_after_a_newer_one(world, monkeypatch):
    world.live()
    old = world.git.refs()
    world.push({"serve.py": "2"}, told=False)
    source = world.parts.source("git")
    asked = []

    def slow(_parts, _source):
        asked.append(1)
        if len(asked) == 1:
            monkeypatch.undo()
            assert watching.look(world.parts, source) == 1  # a webhook's look overtakes the sweep's
            monkeypatch.setattr(watching, "present", slow)
            return old
        return world.git.refs()

    monkeypatch.setattr(watching, "present", slow)
    with pytest.raises(Retry, match="meanwhile"):
        watching.look(world.parts, source)
    monkeypatch.undo()
    world.settle()
    assert len(world.releases()) == 2


def test_sweeps_go_on_after_a_clock_was_set_back(world):
    world.live()
    for _ in range(4):
        world.clock.now += world.settings.sweep_seconds
        world.settle(0)
    world.clock.now -= 3 * world.settings.sweep_seconds
    world.push({"serve.py": "2"}, told=False)
    world.settle()
    assert len(world.releases()) == 2


def test_an_alias_that_people_moved_on_survives_the_rollback_of_what_it_named(world):
    registered(world, CHURN.replace("approvals: {count: 1, from: [ann, bob]}\n", ""), versions=3)
    world.move_alias("churn", "1")
    world.settle()
    world.play(40, until="rel-1")
    world.move_alias("churn", "2")
    world.settle()
    world.play(3)
    world.registry.set_alias("churn", "challenger", "3")  # nobody has told of it yet
    assert world.say("abort", "rel-2").ok
    world.play(6)
    assert world.release("rel-2").phase is Phase.ABORTED
    assert world.registry.aliases()["churn", "challenger"] == "3"
    world.clock.now += world.settings.sweep_seconds
    world.settle()
    assert world.releases()[-1].cause.registered == ("churn", "3")


def test_a_champion_that_people_moved_during_a_release_is_released_and_not_overwritten_unseen(world):
    registered(world, LTV.replace("@challenger", "@champion"), versions=2)
    world.move_alias("ltv", "1", alias="champion")
    world.drain()
    world.registry.set_alias("ltv", "champion", "2")
    world.settle()
    world.clock.now += world.settings.sweep_seconds
    world.settle()
    assert [release.cause.registered[1] for release in world.releases()] == ["1", "2"]
    assert world.registry.aliases()["ltv", "champion"] == "2"


# --- releases --------------------------------------------------------------------------------


def test_going_back_to_what_serves_while_another_version_is_on_its_way_is_what_counts_in_the_end(world):
    first = world.live()
    second = world.rollout()
    world.push({"serve.py": "3"})
    world.settle()
    world.push({"serve.py": "1"})
    world.settle()
    wanted = world.releases()[-1]
    assert wanted.version == first.version
    world.play(900, until=wanted.name)
    assert world.release(second.name).phase is Phase.PROMOTED
    assert world.phases()[2:] == [Phase.SUPERSEDED, Phase.PROMOTED]
    assert world.target().stable.version == first.version


def test_going_back_to_what_serves_ends_there_once_the_other_version_was_taken_back(world):
    first = world.live()
    second = world.rollout()
    world.push({"serve.py": "3"})
    world.settle()
    world.push({"serve.py": "1"})
    world.settle()
    assert world.say("abort", second.name).ok
    world.settle()
    assert world.phases()[1:] == [Phase.ABORTED, Phase.SUPERSEDED, Phase.ALREADY_THERE]
    assert world.weights()[first.backend] == 100


def test_a_workload_is_given_its_time_from_when_it_is_started(world):
    world.live()
    world.workloads._looks = 3
    world.push({"serve.py": "2"})
    for _ in range(40):  # nobody has started it yet when Segue goes down for an hour
        if world.releases()[-1].phase is Phase.STARTING:
            break
        world.reconciler.round()
        work_once(world.parts, "worker", kinds=PATIENT)
        world.clock.now += 0.5
    world.clock.now += 3600
    world.settle()
    assert world.releases()[-1].phase is Phase.SHIFTING


def test_a_build_goes_on_after_a_clock_was_set_back_and_a_deadline_still_waits(world):
    world.live()
    world.builder._looks = 3
    world.push({"serve.py": "2"})
    world.drain()
    world.clock.now -= 3600
    world.settle()
    assert world.releases()[-1].phase is Phase.SHIFTING
    assert any(work.kind == "Wake" and work.state == "pending" for work in world.store.work_of("rel-2"))


def test_a_retry_follows_the_rules_that_the_default_branch_has_now(world):
    world.live()
    second = world.rollout()
    assert world.say("abort", second.name).ok
    world.settle()
    ruled = WINE + "approvals: {count: 1, from: [bob]}\n"
    world.push({"segue.yaml": ruled})
    world.settle()
    assert world.say("reject", world.releases()[-1].name).ok
    again = world.say("retry", second.name)
    world.settle()
    assert world.release(again.release).phase is Phase.APPROVAL


# --- evidence --------------------------------------------------------------------------------


def test_evidence_that_waited_for_a_worker_moves_nothing(world):
    world.live()
    second = world.rollout()
    for _ in range(8):
        world._traffic()
        world.observer.look()
        world.clock.now += 1.0
    world.clock.now += 600
    weight = world.weights()[second.backend]
    world.drain()
    assert world.release(second.name).wanted == weight


def test_an_interval_is_counted_once_though_its_news_could_not_be_stored(world, monkeypatch):
    world.live()
    second = world.rollout()

    def interval():
        world._traffic()
        world.clock.now += 1
        world.observer.look()

    def full(*_arguments, **_more):
        raise OSError("no space left on device")

    def counted():
        world.observer.close()  # what waits in memory is stored with what follows, or at the end
        rows = world.series.increments(second.name)
        return sum(row.body["candidate"][0] for row in rows if "candidate" in row.body)

    def counters():
        return dict(world.metrics.sample().backends)[second.backend].requests

    interval()
    interval()
    before, at_start = counted(), counters()
    with monkeypatch.context() as broken:
        broken.setattr(type(world.observer.judging), "_tell", full)
        world.clock.now += 6  # unchanged evidence is told again after 7
        with pytest.raises(OSError, match="no space"):
            interval()
    interval()
    assert counted() - before == counters() - at_start > 0


# --- traffic ---------------------------------------------------------------------------------


def test_a_worker_that_was_stopped_while_it_wrote_a_weight_changes_nothing_when_it_wakes(world, monkeypatch):
    first = world.live()
    second = world.rollout()
    late = world.router.writes[-1]
    assert late.epoch == second.epoch
    assert world.say("abort", second.name).ok
    world.settle()
    assert world.release(second.name).phase is Phase.ABORTED
    with pytest.raises(Refused, match="older"):
        world.router.set(late)
    assert world.weights()[first.backend] == 100
