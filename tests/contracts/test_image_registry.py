"""What every image registry must do: a real one (Distribution), and the one in memory."""

from dataclasses import dataclass
from typing import Any

import pytest

from service import plugins, sources
from service.ports.connections import Source
from service.ports.outcomes import Retry
from service.settings import Settings
from tests.imaging import Images
from tests.registering import new_name
from tests.running import free_port

ABSENT = "sha256:" + "0" * 64


@dataclass
class World:
    """A registry, how somebody else pushes to it, and how it goes away."""

    registry: Any
    push: Any  # (repository, tag, content, created=None) -> digest
    remove: Any  # (repository, tag)
    away: Any  # () -> a registry that does not answer


@pytest.fixture(params=["memory", "registry"])
def world(request, tmp_path):
    settings = Settings(home=tmp_path)
    if request.param == "memory":
        registry = plugins.load("image_registries", "memory").open(settings)

        def away():
            registry.away = "connection refused"
            return registry

        return World(registry, registry.push, registry.remove, away)
    server = request.getfixturevalue("image_registry")
    images = Images(server.url)

    def nobody():
        return sources.opened(settings, Source("gone", "registry", f"http://127.0.0.1:{free_port()}"))

    registry = sources.opened(settings, Source("reg", "registry", f"{server.url}/"))
    return World(registry, images.push, images.remove, nobody)


@pytest.fixture
def name():
    return f"acme/{new_name('fraud')}"


def test_one_that_answers_is_a_registry(world):
    world.registry.check()


def test_a_repository_that_is_not_there_has_no_tags(world, name):
    assert world.registry.tags(name) == ()
    assert world.registry.digest(name, "main-1") is None


def test_all_tags_of_a_repository_and_no_other_are_known(world, name):
    for number in range(3):
        world.push(name, f"main-{number}", f"content {number}")
    world.push(f"{name}-gpu", "main-9", "another")
    assert sorted(world.registry.tags(name)) == ["main-0", "main-1", "main-2"]


def test_a_tag_names_a_digest_and_another_one_once_it_is_pushed_over(world, name):
    one = world.push(name, "main", "one")
    assert world.registry.digest(name, "main") == one
    two = world.push(name, "main", "two")
    assert one != two
    assert world.registry.digest(name, "main") == two
    assert world.registry.tags(name) == ("main",)


def test_a_digest_names_itself_while_its_image_is_there(world, name):
    one = world.push(name, "main", "one")
    world.push(name, "main", "two")
    assert world.registry.digest(name, one) == one
    assert world.registry.digest(name, ABSENT) is None


def test_the_same_image_has_the_same_digest_under_all_its_tags(world, name):
    assert world.push(name, "main-1", "one", 5.0) == world.push(name, "stable", "one", 5.0)
    assert world.registry.digest(name, "main-1") == world.registry.digest(name, "stable")


def test_a_tag_that_was_removed_names_nothing(world, name):
    world.push(name, "main-1", "one")
    world.push(name, "main-2", "two")
    world.remove(name, "main-2")
    assert world.registry.tags(name) == ("main-1",)
    assert world.registry.digest(name, "main-2") is None


@pytest.mark.parametrize("created", [1_700_000_000.25, 1_795_000_000.0, None])
def test_an_image_says_when_it_was_made_or_does_not(world, name, created):
    digest = world.push(name, "main", "one", created)
    for _ in range(2):
        assert world.registry.created(name, digest) == created


@pytest.mark.parametrize(
    "ask",
    [
        lambda registry: registry.check(),
        lambda registry: registry.tags("acme/fraud"),
        lambda registry: registry.digest("acme/fraud", "main"),
        lambda registry: registry.created("acme/fraud", ABSENT),
    ],
)
def test_one_that_does_not_answer_is_asked_again_later(world, ask):
    with pytest.raises(Retry):
        ask(world.away())
