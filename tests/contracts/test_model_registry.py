"""What every model registry must do: a real MLflow server, and the one in memory."""

from dataclasses import dataclass
from typing import Any

import pytest

from service import plugins, sources
from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.settings import Settings
from tests.registering import Publisher, new_name

FILES = {
    "MLmodel": b"flavors: {}\n",
    "model.pkl": b"\x80\x05" * 700_000,
    "data/deep/a b ü.txt": b"x",
    "e": b"",
}


@dataclass
class World:
    """A registry, and how somebody else puts versions into it, describes them and reads what is described."""

    registry: Any
    register: Any  # (name, files) -> version
    write: Any  # (name, version, text)
    read: Any  # (name, version) -> text


@pytest.fixture(params=["memory", "mlflow"])
def world(request, tmp_path):
    if request.param == "memory":
        registry = plugins.load("model_registries", "memory").open(Settings(home=tmp_path))
        told = registry.descriptions
        return World(
            registry,
            registry.register,
            lambda name, version, text: told.update({(name, version): text}),
            lambda name, version: told.get((name, version), ""),
        )
    server = request.getfixturevalue("mlflow_server")
    registry = sources.opened(Settings(home=tmp_path), Source("reg", "mlflow", f"{server.url}/"))
    publisher = Publisher(server.url)
    return World(registry, publisher.register, publisher.describe, publisher.described)


def aliases_of(world, name):
    return {alias: version for (model, alias), version in world.registry.aliases().items() if model == name}


def test_versions_are_known_by_name_and_number(world):
    name = new_name()
    assert (world.register(name, FILES), world.register(name, FILES)) == ("1", "2")
    found = world.registry.version(name, "2")
    assert (found.name, found.version, found.run, found.tags, found.author) == (name, "2", None, (), None)


def test_files_have_paths_and_sizes_and_are_read_whole(world):
    name = new_name()
    version = world.register(name, FILES)
    listed = world.registry.files(name, version)
    assert listed == tuple(sorted((path, len(data)) for path, data in FILES.items()))
    for path, _ in listed:
        pieces = list(world.registry.read(name, version, path))
        assert b"".join(pieces) == FILES[path]
        assert all(len(piece) <= 1 << 20 for piece in pieces)


def test_a_digest_is_the_same_each_time_and_another_for_other_files(world):
    name = new_name()
    one, two, three = (
        world.register(name, {"MLmodel": text, "model.pkl": data})
        for text, data in ((b"a", b"1"), (b"b", b"1"), (b"a", b"22"))
    )
    digests = [world.registry.version(name, version).digest for version in (one, two, three, one)]
    assert digests[0] == digests[3]
    assert len(set(digests)) == 3


def test_an_alias_moves_and_goes_and_saying_it_twice_changes_nothing(world):
    name = new_name()
    one, two = world.register(name, FILES), world.register(name, FILES)
    assert aliases_of(world, name) == {}
    for version in (two, one, two, two):
        world.registry.set_alias(name, "challenger", version)
        assert aliases_of(world, name) == {"challenger": version}
    world.registry.set_alias(name, "champion", one)
    assert aliases_of(world, name) == {"challenger": two, "champion": one}
    for _ in range(2):
        world.registry.set_alias(name, "challenger", None)
        assert aliases_of(world, name) == {"champion": one}
    world.registry.set_alias(name, "never-there", None)


def test_tags_are_set_over_those_that_were_there(world):
    name = new_name()
    version = world.register(name, FILES)
    for tags in ((("segue.state", "canary"), ("segue.release", "4")), (("segue.state", "promoted"),)):
        world.registry.set_tags(name, version, tags)
    world.registry.set_tags(name, version, ())
    told = (("segue.release", "4"), ("segue.state", "promoted"))
    assert world.registry.version(name, version).tags == told


def test_a_tag_may_be_empty(world):
    name = new_name()
    version = world.register(name, FILES)
    world.registry.set_tags(name, version, (("segue.served_until", "2026-11-26T14:03:12Z"),))
    world.registry.set_tags(name, version, (("segue.served_until", ""),))
    assert world.registry.version(name, version).tags == (("segue.served_until", ""),)


def test_a_description_has_a_line_for_each_target_beside_what_people_wrote(world):
    name = new_name()
    version = world.register(name, FILES)
    digest = world.registry.version(name, version).digest
    told = (("production", "rel-1 *goes* on"), ("staging", "there"), ("production", "it <b>serves</b>"))
    for about, text in told * 2:
        world.registry.describe(name, version, f"churn/{about}", text)
        assert text.split()[0] in world.read(name, version)
    ours = world.read(name, version)
    assert ours == (
        "<!-- segue -->\n* churn/staging: there\n* churn/production: it &lt;b&gt;serves&lt;/b&gt;\n<!-- /segue -->"
    )
    world.write(name, version, f"Trained in May.\n\n{ours}\n\nAsk Ann.")
    world.registry.describe(name, version, "churn/staging", "gone")
    written = world.read(name, version)
    assert (written.startswith("Trained in May.\n\n<!-- segue -->"), written.endswith("\n\nAsk Ann.")) == (
        True,
        True,
    )
    assert "* churn/staging: gone\n" in written
    assert world.registry.version(name, version).digest == digest


def test_tags_change_no_digest(world):
    name = new_name()
    version = world.register(name, FILES)
    before = world.registry.version(name, version).digest
    world.registry.set_tags(name, version, (("segue.state", "canary"),))
    assert world.registry.version(name, version).digest == before


@pytest.mark.parametrize(
    "ask",
    [
        lambda registry, name, version: registry.version(name, version),
        lambda registry, name, version: registry.files(name, version),
        lambda registry, name, version: list(registry.read(name, version, "MLmodel")),
        lambda registry, name, version: registry.set_alias(name, "champion", version),
        lambda registry, name, version: registry.set_tags(name, version, (("segue.a", "b"),)),
        lambda registry, name, version: registry.describe(name, version, "churn/production", "it serves"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(world, ask):
    name = new_name()
    world.register(name, FILES)
    with pytest.raises(Refused, match=f"model '{name}' has no version 7; the newest is 1"):
        ask(world.registry, name, "7")
    with pytest.raises(Refused, match=f"no model '{name}x'.*known: "):
        ask(world.registry, f"{name}x", "1")


def test_an_alias_of_a_model_that_is_not_there_cannot_be_removed(world):
    with pytest.raises(Refused, match="no model 'nowhere'"):
        world.registry.set_alias("nowhere", "champion", None)


@pytest.mark.parametrize("path", ["absent.txt", "../MLmodel", "/etc/passwd", "data", "data/../MLmodel", ""])
def test_a_path_that_is_no_file_of_the_version_is_refused(world, path):
    name = new_name()
    version = world.register(name, FILES)
    with pytest.raises(Refused):
        list(world.registry.read(name, version, path))


def test_a_webhook_may_be_registered_again_and_is_known_by_its_address(world):
    for _ in range(2):
        address = f"http://127.0.0.1:9/hooks/{new_name()}"
        assert not world.registry.has_webhook(address)
        world.registry.register_webhook(address, "a secret of some length")
        assert world.registry.has_webhook(address)
