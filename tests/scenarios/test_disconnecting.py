"""A connection that is taken away: nothing begins there any more, its past stays, and what serves goes on."""

import json

import pytest

from service import sources
from service.adapters.memory.organisation import MemoryOrganisation
from service.arrivals import disconnecting
from service.cli.main import group
from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.settings import Settings
from service.store.queue import Work
from service.store.store import Store
from tests.scenarios.conftest import World


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.close()


def take_away(world, name):
    return disconnecting.disconnect(world.settings, world.store, name)


def test_nothing_begins_what_serves_goes_on_and_the_past_stays(world):
    release = world.live()
    weights, before = world.weights(), len(world.store.record_of())
    told = take_away(world, "git")
    assert told[0] == "git (bare) is connected no more"
    assert "no longer declared, and serving on: wine" in told
    world.hosts["git"].commit({"serve.py": b"2"})
    world.clock.now += world.settings.sweep_seconds
    world.settle(20)
    assert [one.name for one in world.releases()] == [release.name]
    assert (world.weights(), world.target().stable.release) == (weights, release.name)
    assert [one.name for one in (*world.store.sources(), *sources.load(world.settings.home))] == [
        "mlflow"
    ] * 2
    assert (world.store.models(), world.store.cursors("git")) == ([], [])
    told = world.store.record_of()[before:]
    assert [(one.subject, one.actor, one.action) for one in told] == [
        ("source-git", "operator", "disconnected")
    ]
    assert world.store.verify() is None


def test_a_source_that_is_taken_away_while_it_is_looked_at_leaves_nothing_given_up(world, monkeypatch):
    host, gone = world.hosts["git"], []

    def refs():
        if not gone:
            gone.append(take_away(world, "git"))
        raise Refused("there is no source 'git'; connect it with: segue connect")

    monkeypatch.setattr(host, "refs", refs)
    with world.store.change() as change:
        change.add_work(Work("look:git", "declare", "declare:git:again", "git"))
    world.clock.now += world.settings.sweep_seconds
    world.settle(20)
    assert gone, "it was looked at"
    assert world.store.dead() == []


def test_with_an_organisation_go_its_repositories_and_none_goes_alone(world):
    acme, member = (
        Source("acme", "gitea-org", "https://git.example/acme"),
        Source("acme.wine", "gitea", "https://git.example/acme/wine"),
    )
    world.hosts["acme"] = MemoryOrganisation(acme.url)
    with world.store.change() as change:
        change.save_source(acme)
        change.save_source(member)
    with pytest.raises(Refused, match=r"segue disconnect acme$"):
        take_away(world, "acme.wine")
    told = take_away(world, "acme")
    assert "with it went 1 repository of it" in told
    assert [one.name for one in world.store.sources()] == ["git", "mlflow"]
    with pytest.raises(Refused, match=r"no connection 'acme'; connected: git, mlflow$"):
        take_away(world, "acme")


def test_the_command_says_what_is_left_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SEGUE_HOME", str(tmp_path))
    group.main(["connect", "hook", "--name", "ci", "--json"], standalone_mode=False)
    capsys.readouterr()
    group.main(["disconnect", "ci", "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["name"] == "ci"
    assert told["told"][1:] == [
        "what it still sends is answered 401; remove what sends to /hooks/ci there",
        f"its secrets stay in {tmp_path / 'secrets'}; remove by hand: hook-ci",
    ]
    store = Store.open(Settings(home=tmp_path).store_url("engine"))
    assert store.sources() == []
    store.close()
