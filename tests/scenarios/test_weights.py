"""Weights that are no layer: what is evaluated has those that serve, each version its own, and both are signed."""

import pytest

from policies.release import Phase
from policies.spec.declaration_cluster import BucketWeights, ClaimWeights, ImageWeights
from service import keys
from service.store.states import version_of
from tests.scenarios.test_registry import FILES
from tests.scenarios.test_trust import KEY, Trusting, last

CHURN = """\
name: churn
model: models:/churn@challenger
serve: mlflow
weights: {WEIGHTS}
evaluate: {run: python evaluate.py, gates: {accuracy: ">= 0.5"}}
strategy: bluegreen
warm_up: 0s
watch: 10s
"""
PATH, COPIER = "/opt/segue/model", "registry.example/segue@sha256:2"
BUCKET = "bucket: 's3://models/churn/{version}'"


@pytest.fixture
def world(tmp_path):
    base = "https://registry.example/python@sha256:0"
    world = Trusting(
        tmp_path, "ours", images="https://registry.example/models", base=base, builder_image=COPIER
    )
    world.secret("signing-key", KEY)
    world.jobs.results[""] = {"accuracy": 0.9}
    yield world
    world.close()


def declared(world, weights, **tags):
    """Two versions of the model, with these tags."""
    world.push({"churn/segue.yaml": CHURN.replace("WEIGHTS", weights), "churn/evaluate.py": "1"})
    for number in ("1", "2"):
        world.registry.register("churn", {**FILES, "model.pkl": number.encode()})
        world.registry.set_tags("churn", number, tuple(tags.items()))
    world.settle()


def released(world, number):
    """Move the alias there and see it promoted; the weights that its job and its pods had."""
    world.move_alias("churn", number)
    world.settle()
    world.play(60, until=last(world).name)
    assert last(world).phase is Phase.PROMOTED, last(world).reason
    (order,) = [one for one in world.workloads.orders if one.name == last(world).backend]
    assert order.weights == world.jobs.started[-1].weights, "what was evaluated is what serves"
    assert ("SEGUE_MODEL_PATH", PATH) in order.env
    return order.weights


def test_each_version_serves_its_own_folder_and_the_one_before_keeps_its(world):
    declared(world, "claim: models, folder: 'churn/{version}'")
    first, second = released(world, "1"), released(world, "2")
    assert first == ClaimWeights("models", "churn/1", PATH)
    assert second == ClaimWeights("models", "churn/2", PATH)
    assert {order.weights for order in world.workloads.orders} == {first, second}


def test_an_image_that_was_built_of_its_files_is_signed_as_the_other_one_is(world):
    declared(world, "image: built")
    weights = released(world, "1")
    version = version_of(world.store.version(last(world).version))
    assert weights == ImageWeights(f"registry.example/models/churn@{version.weights}", PATH)
    for digest in (version.image, version.weights):
        (signature,) = world.signatures.found("models/churn", digest)
        assert keys.signed_by(keys.trusted(keys.public(KEY)), signature.payload, signature.signature)
    assert released(world, "2") != weights


def test_a_bucket_is_what_the_version_s_tag_says(world):
    declared(world, BUCKET, **{"segue.sums": "a" * 64})
    url = "s3://models/churn/1"
    assert released(world, "1") == BucketWeights(url, PATH, "a" * 64, None, COPIER)


def test_a_version_that_does_not_say_what_its_bucket_holds_is_not_released(world):
    declared(world, BUCKET)
    world.move_alias("churn", "1")
    world.settle()
    assert world.releases() == []
    (given_up,) = world.store.dead()
    assert "needs the tag segue.sums" in given_up.error
