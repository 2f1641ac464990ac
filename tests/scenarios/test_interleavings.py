"""What happens at once, late, or after a long silence: the order of things that nobody chooses."""

import pytest

from policies.release import Phase
from service import watching
from service.ports import Refused, Retry
from tests.scenarios.conftest import WINE

FILES = {"segue.yaml": WINE, "requirements.lock": "", "serve.py": "1"}
REGISTERED = {"MLmodel": b"flavors: {}", "requirements.txt": b""}


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
