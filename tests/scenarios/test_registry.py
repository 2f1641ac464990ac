"""Aliases of registered models: each move is a release, and results are written back."""

import pytest

from policies.release import Phase
from service.store.states import version_of
from tests.scenarios.conftest import CHURN, LTV, World

FILES = {"MLmodel": b"flavors: {}", "requirements.txt": b""}


def declared(world, text, versions=1):
    name = text.split()[1]
    world.push({f"{name}/segue.yaml": text})
    for number in range(versions):
        world.registry.register(name, {**FILES, "model.pkl": b"%d" % number})
    world.settle()
    assert world.releases() == []


def test_an_alias_move_is_approved_by_somebody_named_promoted_and_written_back(world):
    declared(world, CHURN)
    world.move_alias("churn", "1")
    world.settle()
    assert world.phases() == [Phase.APPROVAL]
    refused = world.say("approve", "churn", who="eve")
    assert (refused.ok, refused.text.partition(":")[0]) == (False, "eve")
    (began,) = [entry for entry in world.store.record_of("rel-1") if entry.action == "began"]
    assert began.actor == "unknown", "a registry names no author, and the record says so"
    assert world.say("approve", "churn", who="bob").ok
    world.play(40, until="rel-1")
    world.settle()
    assert world.phases() == [Phase.PROMOTED]
    assert world.registry.aliases()["churn", "champion"] == "1"
    tags = dict(world.registry.version("churn", "1").tags)
    assert tags["segue.result"] == "promoted"
    assert tags["segue.target"] == "churn/production"


def test_each_version_says_since_when_it_serves_and_until_when_it_did_also_after_a_way_back(world):
    declared(world, CHURN.replace("approvals: {count: 1, from: [bob]}", ""), versions=2)
    for number in ("1", "2"):
        world.move_alias("churn", number)
        world.settle()
        if world.release(f"rel-{number}").phase is Phase.APPROVAL:
            assert world.say("approve", "churn", who="bob").ok
        world.play(60, until=f"rel-{number}")
        world.settle()
    first, second = (dict(world.registry.version("churn", number).tags) for number in ("1", "2"))
    assert first["segue.served_since"] < first["segue.served_until"] == second["segue.served_since"]
    assert second["segue.served_until"] == ""
    described = world.registry.descriptions
    assert "served churn/production from " in described["churn", "1"]
    assert "rel-2 on churn/production is promoted" in described["churn", "2"]
    assert world.say("rollback", "churn").ok
    world.play(20, until="rel-3")
    world.settle()
    again, gone = (dict(world.registry.version("churn", number).tags) for number in ("1", "2"))
    assert (again["segue.served_until"], gone["segue.served_until"]) == ("", again["segue.served_since"])
    assert "rel-3 on churn/production is promoted" in described["churn", "1"]
    assert described["churn", "2"].endswith("; then came rel-3\n<!-- /segue -->")


@pytest.mark.parametrize(("notes", "tags", "lines"), [("all", 6, 1), ("tags", 6, 0), ("none", 0, 0)])
def test_the_operator_says_how_much_is_written_to_versions(tmp_path, notes, tags, lines):
    world = World(tmp_path, version_notes=notes)
    declared(world, LTV)
    world.move_alias("ltv", "1")
    world.settle()
    assert world.phases() == [Phase.PROMOTED]
    assert world.registry.aliases()["ltv", "champion"] == "1"
    assert len(world.registry.version("ltv", "1").tags) == tags
    assert len(world.registry.descriptions) == lines
    world.close()


def test_an_alias_that_goes_v2_v1_v2_is_three_releases_of_two_versions(world):
    declared(world, CHURN, versions=2)
    for number in ("2", "1", "2"):
        world.move_alias("churn", number)
        world.settle()
    assert len(world.releases()) == 3
    assert len({release.version for release in world.releases()}) == 2


def test_our_own_alias_writes_start_nothing(world):
    declared(world, LTV.replace("@challenger", "@champion"))
    world.move_alias("ltv", "1", alias="champion")
    world.settle()
    for _ in range(3):
        world.clock.now += world.settings.sweep_seconds
        world.settle()
    assert world.phases() == [Phase.PROMOTED]


def test_a_batch_model_is_evaluated_and_promoted_without_traffic(world):
    gates = "evaluate: {run: python backtest.py, gates: {mape: '<= 12%'}}\n"
    declared(world, LTV + gates, versions=2)
    world.jobs.results[""] = {"mape": 0.08}
    world.move_alias("ltv", "1")
    world.settle()
    assert world.phases() == [Phase.PROMOTED]
    assert world.registry.aliases()["ltv", "champion"] == "1"
    world.jobs.results[""] = {"mape": 0.3}
    world.move_alias("ltv", "2")
    world.settle()
    assert world.phases()[1] is Phase.REFUSED
    assert world.registry.aliases()["ltv", "champion"] == "1"
    assert world.router.writes == []


def test_start_names_a_version_of_a_registered_model(world):
    declared(world, CHURN, versions=2)
    assert "which version" in world.say("start", "churn").text
    refused = world.say("start", "churn", version="7")
    assert not refused.ok
    assert "no version 7" in refused.text
    started = world.say("start", "churn", version="2")
    assert started.ok
    version = version_of(world.store.version(world.release(started.release).version))
    assert version.registered.version == "2"


def test_a_registry_that_is_down_delays_only_what_it_is_told(world):
    declared(world, CHURN)
    world.move_alias("churn", "1")
    world.settle()
    world.say("approve", "churn", who="bob")
    world.registry.away = "connection refused"
    world.play(60, until="rel-1")
    assert world.phases() == [Phase.PROMOTED]
    world.registry.away = None
    world.settle(120)
    assert world.registry.aliases()["churn", "champion"] == "1"
