"""The installation on the page: what is connected, whether it answers, settings without any secret."""

from dataclasses import fields, replace

import pytest

from policies import roles
from service import sources
from service.adapters.memory.git import MemoryGit
from service.identity import tokens
from service.ports.connections import Cluster, Source
from service.ports.outcomes import Retry
from service.settings import Settings, read, written
from service.showing import installed
from tests.scenarios.conftest import World
from tests.unit.test_settings import OTHER
from tests.visiting import Visitor

SECRET = "hunter2"


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    world.people["vic"] = tokens.make(world.store, "vic", grants=[roles.grant("viewer", "*")])
    yield world
    world.close()


class Away(MemoryGit):
    """A host that does not answer."""

    def refs(self):
        raise Retry("git.example does not answer\nin 10 s")


def test_each_source_says_what_the_last_look_at_it_found(world):
    with world.store.change() as change:
        change.save_source(Source("away", "bare", f"https://user:{SECRET}@git.example/ml.git?key={SECRET}"))
        change.save_source(Source("alarms", "alertmanager", "https://alarms.example"))
        change.save_source(Source("prom", "prometheus", "https://prom.example"))
        change.save_source(Source("pager", "webhook", f"https://pager.example/hooks/{SECRET}"))
    world.hosts["away"] = Away()
    told = Visitor(world).text("/-/installation")
    assert "away bare https://(login)@git.example/ml.git may own * It was not looked at yet. new" in told
    world.clock.now += world.settings.sweep_seconds
    world.settle()
    told = Visitor(world).text("/-/installation")
    assert "git.example does not answer since" in told
    assert "in trouble" in told
    assert "git bare memory may own * Looked at" in told
    assert "alarms alertmanager https://alarms.example may own * It tells, and cannot be asked. tells" in told
    assert "prom prometheus https://prom.example may own * Guards ask it" in told
    assert "pager webhook https://pager.example/… may own * It is told how releases go on" in told
    assert SECRET not in told


def test_sources_that_answer_again_say_so(world):
    world.hosts["git"] = Away()
    world.clock.now += world.settings.sweep_seconds
    world.settle()
    assert "in trouble" in Visitor(world).text("/-/installation")
    world.hosts["git"] = MemoryGit()
    world.parts._opened.clear()
    for _ in range(20):
        world.clock.now += world.settings.sweep_seconds
        world.settle(1)
    assert "in trouble" not in Visitor(world).text("/-/installation")


def test_who_is_no_admin_sees_no_settings(world):
    told = Visitor(world, "vic").text("/-/installation")
    assert "What is connected" in told
    assert "SEGUE_HOME" not in told
    assert "shown to who is admin of everything" in told


def test_clusters_are_told_with_where_versions_live(world):
    with world.store.change() as change:
        change.save_cluster(Cluster("prod", namespace="models", gateway="infra/web", metrics="http://prom"))
    told = Visitor(world).text("/-/installation")
    assert "prod namespace models, gateway infra/web counted by traefik" in told


def test_the_api_tells_the_same_of_sources_and_no_more_than_the_page(world):
    with world.store.change() as change:
        change.save_source(Source("away", "bare", f"https://user:{SECRET}@git.example/ml.git?key={SECRET}"))
        change.save_source(Source("pager", "webhook", f"https://pager.example/hooks/{SECRET}"))
    world.hosts["away"] = Away()
    world.clock.now += world.settings.sweep_seconds
    world.settle()
    answer = asked(world, "bob", "sources")
    told = {one["name"]: one for one in answer.json["sources"]}
    assert (told["away"]["tone"], told["away"]["url"]) == ("in trouble", "https://(login)@git.example/ml.git")
    assert told["away"]["says"] == "git.example does not answer\nin 10 s"
    assert told["away"]["since"] <= world.clock.now
    assert (told["pager"]["tone"], told["pager"]["url"]) == ("told", "https://pager.example/…")
    assert SECRET not in answer.text


def test_the_api_tells_clusters_without_where_their_login_lies(world):
    with world.store.change() as change:
        change.save_cluster(
            Cluster(
                "prod",
                kubeconfig=f"/home/ann/{SECRET}",
                metrics=f"https://a:{SECRET}@prom/?token={SECRET}",
                owner=SECRET,
            )
        )
        change.save_cluster(Cluster("here", gateway="infra/web", default=True))
    answer = asked(world, "vic", "clusters")
    here, prod = answer.json["clusters"]
    assert (here["in_cluster"], here["default"], here["gateway"]) == (True, True, "infra/web")
    assert (prod["in_cluster"], prod["metrics"]) == (False, "https://(login)@prom/")
    assert SECRET not in answer.text


def test_the_api_tells_settings_to_who_is_admin_of_everything_without_logins(tmp_path):
    url = f"postgresql://segue:{SECRET}@127.0.0.1/segue"
    world = World(tmp_path)
    world.parts.settings = replace(world.settings, database=url)
    world.people["amy"] = tokens.make(world.store, "amy", grants=[roles.grant("admin", "wine")])
    told = asked(world, "bob", "settings")
    (database,) = (one for one in told.json["settings"] if one["name"] == "SEGUE_DATABASE")
    assert database["value"] == "postgresql://(login)@127.0.0.1/segue"
    assert SECRET not in told.text
    assert asked(world, "amy", "settings").status_code == 403
    world.close()


def asked(world, who, path):
    return world.web.get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {world.people[who]}"})


def test_settings_are_told_with_where_they_are_from_and_without_logins(tmp_path):
    database, broker = f"postgresql://segue:{SECRET}@127.0.0.1/segue", f"redis://:{SECRET}@127.0.0.1:6379/0"
    found = {
        one.name: one for one in installed.in_force(Settings(tmp_path, database=database, broker=broker))
    }
    assert found["SEGUE_DATABASE"].value == "postgresql://127.0.0.1/segue".replace("//", "//(login)@")
    assert found["SEGUE_DATABASE"].origin == "the environment"
    assert found["SEGUE_SWEEP_SECONDS"] == installed.Setting("SEGUE_SWEEP_SECONDS", "30.0", "default")
    assert SECRET not in str(found)


def test_every_setting_is_told_and_what_is_set_is_told_so():
    told = installed.in_force(OTHER)
    assert [one.name for one in told] == list(written(OTHER))
    assert len(told) == len(fields(Settings))
    assert "default" not in {one.origin for one in told}
    assert {one.origin for one in installed.in_force(read({"HOME": "/home/ann"}))[1:]} == {"default"}


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://a.example/b", "https://a.example/b"),
        (f"https://{SECRET}@a.example/b?password={SECRET}#{SECRET}", "https://(login)@a.example/b"),
        (f"amqps://u:{SECRET}@a.example:5671//v?ssl_keyfile=k", "amqps://(login)@a.example:5671//v"),
        (f"unix://:{SECRET}@/run/valkey.sock?virtual_host=1", "unix://(login)@/run/valkey.sock"),
        (f"https://u:{SECRET}@[broken", "(an address that cannot be read)"),
        ("Fri 16:00 - Mon 08:00", "Fri 16:00 - Mon 08:00"),
        ("/srv/git/ml.git", "/srv/git/ml.git"),
    ],
)
def test_an_address_is_told_without_what_may_be_secret(address, shown):
    assert sources.without_login(address) == shown
