"""Git tags as a registry: a tag that assigns a stage releases its commit, and no older one ever comes back."""

import random

import pytest

from tests.scenarios.conftest import WINE

STAGED = WINE + "on: {gto: [production, staging]}\nenvironments: {staging: {}, production: {}}\n"
FILES = {"segue.yaml": STAGED, "requirements.lock": ""}


@pytest.fixture
def commits(world):
    """Two commits, which start nothing by themselves."""
    found = [world.push({**FILES, "serve.py": str(number)}) for number in range(2)]
    world.settle()
    assert world.releases() == []
    return found


def tag(world, name, commit, *, told=True):
    world.git.move(f"refs/tags/{name}", commit)
    if told:
        world.hook("git", {"ref": f"refs/tags/{name}", "before": "0" * 40, "after": commit})
    world.settle()


def released(world):
    return [(release.target, release.cause.commit) for release in world.releases()]


def test_an_assignment_releases_the_version_that_it_names_at_its_commit_in_that_environment(world, commits):
    old, new = commits
    tag(world, "wine@v1.2.3#1", old)
    assert world.releases() == []
    tag(world, "wine#production#2", old)
    (release,) = world.releases()
    assert (release.target, release.cause.commit) == ("wine/production", old)
    assert release.cause.text == "wine#production#2 assigns production to v1.2.3"
    assert release.cause.author == "ann"
    tag(world, "wine#staging#3", new)
    assert released(world)[1:] == [("wine/staging", new)]


def test_the_newest_assignment_wins_whatever_comes_last(world, commits):
    old, new = commits
    tag(world, "wine#production#4", new)
    tag(world, "wine#production#3", old)
    assert released(world) == [("wine/production", new)]
    tag(world, "wine#production#5", old)
    assert released(world)[1:] == [("wine/production", old)]


def test_an_assignment_that_was_taken_back_before_it_was_seen_starts_nothing(world, commits):
    old, new = commits
    tag(world, "wine#production#1", old, told=False)
    tag(world, "wine#production!#2", old)
    tag(world, "wine@v2.0.0#3", new, told=False)
    tag(world, "wine@v2.0.0!#4", new, told=False)
    tag(world, "wine#production#3", new, told=False)
    world.clock.now += world.settings.sweep_seconds
    world.settle()
    assert world.releases() == []


def test_tags_of_other_models_and_stages_and_their_removal_start_nothing(world, commits):
    old, _ = commits
    for name in (
        "beer#production#1",
        "wine#dev#2",
        "wine@v1.0.0#3",
        "wine#production!#4",
        "v1",
        "wine@deprecated#6",
    ):
        tag(world, name, old)
    assert world.releases() == []
    tag(world, "wine#production#7", old)
    assert len(world.releases()) == 1
    world.git.delete("refs/tags/wine#production#7")
    world.clock.now += world.settings.sweep_seconds
    world.settle()
    assert len(world.releases()) == 1


def test_a_stage_of_no_environments_name_is_released_as_a_push_would_be(world):
    commit = world.push({"segue.yaml": WINE + "on: {gto: prod}\n", "requirements.lock": ""})
    tag(world, "wine#prod#1", commit)
    assert released(world) == [("wine/production", commit)]


@pytest.mark.parametrize("seed", [1, 2])
def test_with_three_in_ten_webhooks_lost_each_stage_has_its_newest_within_two_sweeps(world, commits, seed):
    choice, newest = random.Random(seed), {}
    lost = choice.sample(range(1, 17), 5)
    for number in range(1, 17):
        stage, commit = choice.choice(("production", "staging")), choice.choice(commits)
        tag(world, f"wine#{stage}#{number}", commit, told=number not in lost)
        newest[f"wine/{stage}"] = commit
        world.clock.now += choice.uniform(0, world.settings.sweep_seconds / 3)
    for _ in range(8):
        world.clock.now += world.settings.sweep_seconds / 4
        world.settle()
    assert dict(released(world)) == newest
    assert len(released(world)) <= 16
