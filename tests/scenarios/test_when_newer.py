"""What a newer version does to an older one that is on its way, from `segue.yaml` to the weights."""

import pytest

from policies.release import Phase
from tests.scenarios.conftest import WINE


def push(world, content):
    world.push({"serve.py": content})
    world.settle()
    return world.releases()[-1]


@pytest.mark.every_store
def test_serialize_gives_each_version_its_turn_and_says_for_whom_it_waits(world):
    world.live({"segue.yaml": WINE + "when_newer: serialize\n"})
    second = world.rollout()
    third, fourth = push(world, "3"), push(world, "4")
    assert (third.phase, third.waits) == (Phase.QUEUED, f"{second.name}, which is on its way")
    assert fourth.waits == f"{second.name}, which is on its way"
    world.play(900, until=second.name)
    world.settle()
    assert world.release(fourth.name).waits == f"{third.name}, which is on its way"
    world.play(900, until=third.name)
    world.play(900, until=fourth.name)
    assert world.phases() == [Phase.PROMOTED] * 4


def test_latest_wins_lets_what_is_on_its_way_finish_and_only_the_newest_follow(world):
    world.live()
    second = world.rollout()
    push(world, "3")
    fourth = push(world, "4")
    world.play(900, until=second.name)
    world.play(900, until=fourth.name)
    assert world.phases() == [Phase.PROMOTED, Phase.PROMOTED, Phase.SUPERSEDED, Phase.PROMOTED]


@pytest.mark.every_store
def test_cancel_running_takes_the_older_back_to_zero_once_the_newer_is_ready_and_hands_over(world):
    first = world.live({"segue.yaml": WINE + "when_newer: cancel-running\n"})
    second = world.rollout()
    world.builder._looks = 4
    world.push({"serve.py": "3"})
    world.drain()
    assert world.release(second.name).phase is Phase.SHIFTING, "a version that is being built ends nothing"
    world.settle()
    second, third = world.release(second.name), world.releases()[-1]
    assert (second.phase, second.reason) == (
        Phase.SUPERSEDED, f"{third.name} is newer, and ends what is on its way",
    )  # fmt: skip
    assert third.phase is Phase.SHIFTING
    assert second.backend not in world.weights()
    assert world.weights()[first.backend] == 100 - world.weights()[third.backend]
    world.play(900, until=third.name)
    assert world.release(third.name).phase is Phase.PROMOTED


def test_a_rollback_of_people_is_not_ended_by_a_newer_version(world):
    world.live({"segue.yaml": WINE + "when_newer: cancel-running\n"})
    second = world.rollout()
    world.play(900, until=second.name)
    world.router.unconfirmed = 10**6
    back = world.say("rollback", "wine").release
    third = push(world, "3")
    assert world.release(back).phase is Phase.CHECKING
    assert world.release(third.name).waits == f"{back}, which is on its way"
    world.router.unconfirmed = 0
    world.settle(10)
    assert world.release(back).phase is Phase.PROMOTED


def test_a_branch_cannot_give_itself_the_right_to_end_what_runs(world):
    world.live()
    second = world.rollout()
    on = "on: {branches: [main, fix]}\nwhen_newer: cancel-running\n"
    world.push({"segue.yaml": WINE + on, "serve.py": "3"}, ref="refs/heads/fix")
    world.settle()
    assert world.release(second.name).phase is Phase.SHIFTING
