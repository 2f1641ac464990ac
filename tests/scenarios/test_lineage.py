"""What served when: at a moment, as OpenLineage run events and as a CycloneDX document, by the schemas of both."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from referencing import Registry, Resource

from service.engine.served import HANDED_BACK
from tests.scenarios.conftest import LTV, World

SCHEMAS = Path(__file__).parent.parent / "schemas"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A target that served one version, then another; a third was taken back, a fourth is on its way."""
    world = World(tmp_path_factory.mktemp("world"))
    world.moments = {"before": world.clock.now - 1}
    world.live()
    world.moments["first"] = world.clock.now
    world.play(400, until=world.rollout().name)
    world.moments["second"] = world.clock.now
    bad = world.rollout({"serve.py": "3"})
    world.serve(1500, {bad.backend: 0.5})
    world.play(400, until=bad.name)
    world.serve(1500)
    world.rollout({"serve.py": "4"})
    world.moments["now"] = world.clock.now
    yield world
    world.close()


def ask(world, path):
    headers = {"Authorization": f"Bearer {world.people['bob']}"}
    answer = world.web.get(f"/api/v1/{path}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def served(world, at):
    return ask(world, f"targets/wine/production/served?at={at:.3f}").json["served"]


def events(world, path="targets/wine/production/lineage"):
    return [json.loads(line) for line in ask(world, path).text.splitlines()]


# --- at a moment -----------------------------------------------------------------------------


def test_before_the_first_release_nothing_of_ours_served(world):
    assert served(world, world.moments["before"]) == []


def test_at_each_moment_it_says_what_served_and_for_how_long(world):
    first, second = (world.release(name) for name in ("rel-1", "rel-2"))
    (one,) = served(world, world.moments["first"])
    assert (one["release"], one["share"], one["since"], one["until"]) == (
        "rel-1", 100.0, first.ended, second.ended,
    )  # fmt: skip
    (one,) = served(world, world.moments["second"])
    assert (one["release"], one["image"], one["commit"]) == ("rel-2", second.image, second.cause.commit)


def test_while_traffic_shifts_both_served_by_the_shares_that_were_confirmed(world):
    shares = [(one["release"], one["share"]) for one in served(world, world.release("rel-2").began + 2)]
    assert shares == [("rel-1", 90.0), ("rel-2", 10.0)]
    now = [(one["release"], one["share"], one["until"]) for one in served(world, world.moments["now"])]
    assert now == [("rel-2", 90.0, None), ("rel-4", 10.0, None)]


def test_one_that_was_taken_back_served_until_then_and_not_after(world):
    bad = world.release("rel-3")
    assert "rel-3" in [one["release"] for one in served(world, bad.ended - 1)]
    assert [one["release"] for one in served(world, bad.ended)] == ["rel-2"]


def test_what_was_handed_back_served_until_then(tmp_path):
    world = World(tmp_path)
    world.live()
    world.clock.now += 10
    with world.store.change() as change:
        change.record("wine/production", "segue", HANDED_BACK)
    assert served(world, world.clock.now - 1)[0]["until"] == world.clock.now
    assert served(world, world.clock.now + 1) == []
    world.close()


# --- OpenLineage -----------------------------------------------------------------------------


def open_lineage():
    """The schema of events, and those of facets by their address."""
    core = json.loads((SCHEMAS / "OpenLineage-2-0-2.json").read_text())
    facets = json.loads((SCHEMAS / "OpenLineage-facets.json").read_text())
    known = {one["$id"]: one for one in (core, *facets)}
    registry = Registry().with_resources((name, Resource.from_contents(one)) for name, one in known.items())
    return {
        name: Draft202012Validator(one, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER)
        for name, one in known.items()
    }


def facets_in(part):
    """Every facet of an event, under its name."""
    for key, value in part.items():
        if key == "facets":
            yield from value.items()
        elif isinstance(value, dict):
            yield from facets_in(value)
        elif isinstance(value, list):
            for one in value:
                yield from facets_in(one)


def test_every_event_and_facet_is_of_its_schema(world):
    known, seen = open_lineage(), set()
    for event in events(world):
        known["https://openlineage.io/spec/2-0-2/OpenLineage.json"].validate(event)
        for name, facet in facets_in(event):
            seen.add(name)
            if facet["_schemaURL"] in known:
                known[facet["_schemaURL"]].validate({name: facet})
            else:
                assert name == "segue_release"
    assert seen == {"jobType", "version", "segue_release", "errorMessage"}


def test_a_release_is_a_run_from_its_start_over_each_share_to_its_end(world):
    told = {}
    for event in events(world):
        facet = event["run"]["facets"]["segue_release"]
        told.setdefault(facet["release"], []).append((event["eventType"], facet["weight"]))
    assert told["rel-2"] == [("START", 0.0), ("RUNNING", 10.0), ("RUNNING", 100.0), ("COMPLETE", 100.0)]
    assert told["rel-3"][0] == ("START", 0.0)
    assert told["rel-3"][-2:] == [("RUNNING", 0.0), ("FAIL", 0.0)]
    assert told["rel-4"] == [("START", 0.0), ("RUNNING", 10.0)]


def test_what_it_came_from_and_where_it_went_are_datasets_by_their_versions(world):
    *_, last = events(world, "releases/rel-2/lineage")
    release = world.release("rel-2")
    (code,), (target,) = last["inputs"], last["outputs"]
    assert code["facets"]["version"]["datasetVersion"] == release.cause.commit
    assert target["name"] == "targets/wine/production"
    assert target["facets"]["version"]["datasetVersion"] == release.image


def test_a_release_without_traffic_put_nothing_out(world):
    first, *_ = events(world, "releases/rel-3/lineage")
    assert (first["eventType"], first["outputs"]) == ("START", [])


def test_the_same_release_is_told_by_the_same_bytes(world):
    one, other = (ask(world, "releases/rel-2/lineage").data for _ in range(2))
    assert one == other


# --- CycloneDX -------------------------------------------------------------------------------


def bom(world, path):
    answer = ask(world, f"{path}/lineage?form=cyclonedx")
    assert answer.content_type == "application/vnd.cyclonedx+json"
    names = ("bom-1.6", "spdx", "jsf-0.82")
    known = [json.loads((SCHEMAS / f"{name}.schema.json").read_text()) for name in names]
    registry = Registry().with_resources((one["$id"], Resource.from_contents(one)) for one in known)
    validator = Draft7Validator(known[0], registry=registry, format_checker=Draft7Validator.FORMAT_CHECKER)
    validator.validate(answer.json)
    return answer.json


def test_a_release_is_a_bill_of_its_version_image_commit_and_traffic(world):
    told, release = bom(world, "releases/rel-2"), world.release("rel-2")
    model, (image,) = told["metadata"]["component"], told["components"]
    assert (model["type"], model["name"], model["version"]) == (
        "machine-learning-model", "wine", release.cause.commit,
    )  # fmt: skip
    assert image["hashes"] == [{"alg": "SHA-256", "content": release.image.removeprefix("sha256:")}]
    assert told["dependencies"] == [{"ref": model["bom-ref"], "dependsOn": [image["bom-ref"]]}]
    (workflow,) = told["formulation"][0]["workflows"]
    properties = [(one["name"], one["value"]) for one in workflow["properties"]]
    assert ("segue:phase", "promoted") in properties
    assert [value.split()[1] for name, value in properties if name == "segue:share"] == ["10%", "100%"]


def test_a_target_is_a_bill_of_all_its_versions_and_releases(world):
    told = bom(world, "targets/wine/production")
    kinds = [one["type"] for one in told["components"]]
    assert (kinds.count("machine-learning-model"), kinds.count("container")) == (4, 4)
    workflows = told["formulation"][0]["workflows"]
    assert [one["uid"] for one in workflows] == ["rel-4", "rel-3", "rel-2", "rel-1"]
    assert "timeEnd" not in workflows[0]


def test_numbers_of_an_evaluation_are_the_models_card_and_a_registered_version_its_version(tmp_path):
    world = World(tmp_path)
    world.push({"segue.yaml": LTV.replace("serve: none", "serve: none\nevaluate: {run: python evaluate.py}")})
    world.settle()
    world.jobs.results[""] = {"auc": 0.91}
    version = world.registry.register("ltv", {"MLmodel": b"1"})
    world.move_alias("ltv", version)
    world.settle()
    (release,) = world.releases()
    model = bom(world, f"releases/{release.name}")["metadata"]["component"]
    assert model["version"] == version
    metrics = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert {"type": "auc", "value": "0.91"} in metrics
    world.close()
