"""Which weights a version has, and what its pods are told to mount or copy."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from inline_snapshot import snapshot

from policies.events import BuildFinished
from policies.spec.declaration_cluster import BucketWeights, ClaimWeights, External, ImageWeights, Replicas
from policies.version import ModelOrigin, advance, begin, content_key
from service.adapters.kubernetes import manifests, reasons, scaling
from service.adapters.kubernetes.job_manifest import manifest
from service.performing.images import image_of, recipe_of
from service.performing.weights import weights_of
from service.ports.jobs import Job, Limits
from service.ports.outcomes import Refused
from service.ports.workloads import WorkloadOrder
from service.segue_yaml import load
from service.settings import Settings
from service.store.states import VERSION

FILE = "name: ranker\nmodel: models:/rank@challenger\nserve: mlflow\nweights: {WEIGHTS}\n"
SETTINGS = Settings(
    home=Path("/"),
    images="https://registry.example/models",
    base="https://registry.example/python@sha256:0",
    builder_image="registry.example/segue@sha256:2",
)


def installed(**changed):
    """An installation, as far as it decides where weights are."""
    return SimpleNamespace(settings=replace(SETTINGS, **changed))


DIGEST, PATH = f"sha256:{'a' * 64}", "/opt/segue/model"
CLAIM = ClaimWeights("models", "ranker/7", PATH)
IMAGE = ImageWeights(f"registry.example/models/ranker@{DIGEST}", PATH)
BUCKET = BucketWeights("s3://models/ranker/7", PATH, "b" * 64, "keys", "registry.example/segue@sha256:2")
ORDER = WorkloadOrder(
    "ranker-prod-1.ml", f"r.example/ranker@{DIGEST}", (), 8080, Limits(), target="ranker/prod"
)


def version(weights, number="7", sums=None, built=None):
    """A registered version that was built, as its declaration says."""
    (model,) = load(FILE.replace("WEIGHTS", weights).encode(), "")
    begun, _ = begin(model, None, ModelOrigin("mlflow", "rank", number, "d", sums))
    return advance(begun, BuildFinished(begun.step, "sha256:1", (), 1.0, built))[0]


def test_each_version_has_its_own_folder():
    claim = "claim: models, folder: 'ranker/{version}'"
    assert weights_of(installed(), version(claim)) == CLAIM
    assert weights_of(installed(), version(claim, "8")).folder == "ranker/8"


def test_each_version_has_the_image_that_was_built_of_its_files():
    made = version("image: built", built=DIGEST)
    assert weights_of(installed(), made) == IMAGE
    assert VERSION.load(VERSION.dump(made)) == made
    with pytest.raises(Refused, match="was not built"):
        weights_of(installed(), version("image: built"))


def test_each_version_has_its_own_sums_and_they_make_it_another_version():
    bucket = "bucket: 's3://models/ranker/{version}', secret: keys"
    made = version(bucket, sums="b" * 64)
    assert weights_of(installed(), made) == BUCKET
    assert content_key(made.model, None, made.registered, None) == made.key
    assert version(bucket, sums="c" * 64).key != made.key
    with pytest.raises(Refused, match="name it: SEGUE_BUILDER_IMAGE"):
        weights_of(installed(builder_image=None), made)


@pytest.mark.parametrize(
    ("weights", "files"),
    [
        ("image: built", "image"),
        ("claim: models, folder: 'a/{version}'", "elsewhere"),
        ("bucket: 's3://models/a/{version}'", "elsewhere"),
    ],
)
def test_what_is_mounted_is_no_layer(weights, files):
    assert recipe_of(version(weights)).files == files


def test_without_weights_all_is_in_the_image():
    (model,) = load(b"name: ranker\nmodel: models:/rank@challenger\nserve: mlflow\n", "")
    begun, _ = begin(model, None, ModelOrigin("mlflow", "rank", "7", "d"))
    assert recipe_of(begun).files == "layer"
    assert weights_of(installed(), begun) is None
    assert (
        image_of(installed(), replace(begun, image="sha256:1"), "c")
        == "registry.example/models/ranker@sha256:1"
    )


# --- pods ------------------------------------------------------------------------------------------


def pod(weights):
    body = manifests.deployment(replace(ORDER, weights=weights), "ranker-prod-1", {})
    return body["spec"]["template"]["spec"]


def job(weights):
    body = manifest(Job("ranker-1", ORDER.image, ("x",), Limits(), weights=weights), {}, 60)
    return body["spec"]["template"]["spec"]


@pytest.mark.parametrize("weights", [CLAIM, IMAGE, BUCKET])
def test_the_evaluation_has_the_same_weights_as_what_serves(weights):
    measured, serving = job(weights), pod(weights)
    for key in ("volumes", "initContainers"):
        assert measured.get(key) == serving.get(key)
    mounts = [found["containers"][0]["volumeMounts"][-1] for found in (measured, serving)]
    assert mounts[0] == mounts[1]
    assert mounts[0]["readOnly"] is True


def test_a_folder_of_a_claim_is_mounted_read_only():
    found = pod(CLAIM)
    claim = {"persistentVolumeClaim": {"claimName": "models", "readOnly": True}}
    assert found["volumes"][-1] == {"name": "weights", **claim}
    mount = {"name": "weights", "mountPath": PATH, "readOnly": True, "subPath": "ranker/7"}
    assert found["containers"][0]["volumeMounts"][-1] == mount


def test_an_image_is_mounted_by_its_digest():
    image = {"reference": IMAGE.image, "pullPolicy": "IfNotPresent"}
    assert pod(IMAGE)["volumes"][-1] == {"name": "weights", "image": image}


def test_a_bucket_is_copied_by_a_container_that_alone_has_its_keys():
    found = pod(BUCKET)
    assert found["initContainers"] == snapshot(
        [
            {
                "name": "weights",
                "image": "registry.example/segue@sha256:2",
                "imagePullPolicy": "IfNotPresent",
                "command": ["python3", "-m", "service.adapters.buckets.copy"],
                "env": [
                    {"name": "HOME", "value": "/tmp"},
                    {
                        "name": "SEGUE_WEIGHTS",
                        "value": '{"url": "s3://models/ranker/7", "sums": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "path": "/opt/segue/model"}',
                    },
                ],
                "resources": {
                    "requests": {"cpu": "500m", "memory": "268435456"},
                    "limits": {"cpu": "500m", "memory": "268435456"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                },
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": [
                    {"name": "tmp", "mountPath": "/tmp"},
                    {"name": "weights", "mountPath": "/opt/segue/model"},
                ],
                "envFrom": [{"secretRef": {"name": "keys"}}],
            }
        ]
    )
    assert "envFrom" not in found["containers"][0]
    assert found["volumes"][-1] == {"name": "weights", "emptyDir": {}}


def test_an_order_without_weights_has_the_digest_that_it_had_before_there_were_any():
    assert manifests.order_digest(ORDER) == snapshot("61194f73fea61fd8c6d122c605e98a17")
    assert len({manifests.order_digest(replace(ORDER, weights=w)) for w in (None, CLAIM, IMAGE, BUCKET)}) == 4
    newer = replace(BUCKET, copier="registry.example/segue@sha256:3")
    assert manifests.order_digest(replace(ORDER, weights=newer)) == manifests.order_digest(
        replace(ORDER, weights=BUCKET)
    )


def test_why_weights_were_not_copied_is_said():
    ended = {
        "exitCode": 1,
        "message": "Traceback\nthe bucket answers 403 for SHA256SUMS in s3://models/ranker/7\n",
    }
    said = "the weights were not copied: the bucket answers 403 for SHA256SUMS in s3://models/ranker/7"
    again = {
        "name": "weights",
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": ended},
    }
    assert reasons.of_pod({"status": {"initContainerStatuses": [again]}}).words == said
    once = {"name": "weights", "state": {"terminated": ended}}
    never = {"name": "job", "state": {"waiting": {"reason": "PodInitializing"}}}
    status = {"phase": "Failed", "initContainerStatuses": [once], "containerStatuses": [never]}
    assert reasons.ended({"status": status}, "job") == f"did not run: {said}"


# --- what autoscalers look at ----------------------------------------------------------------------


def test_an_autoscaler_looks_at_what_was_written_and_at_nothing_else():
    assert manifests.autoscaler(replace(ORDER, replicas=Replicas(2, 2))) is None
    external = (External("age", each=0.5), External("jobs", total=30, labels=(("queue", "churn"),)))
    found = manifests.autoscaler(replace(ORDER, replicas=Replicas(1, 4, 0.7, (("requests", 20),), external)))
    assert found == snapshot(
        {
            "minReplicas": 1,
            "maxReplicas": 4,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
                },
                {
                    "type": "Pods",
                    "pods": {
                        "metric": {"name": "requests"},
                        "target": {"type": "AverageValue", "averageValue": "20"},
                    },
                },
                {
                    "type": "External",
                    "external": {
                        "metric": {"name": "age"},
                        "target": {"type": "AverageValue", "averageValue": "500m"},
                    },
                },
                {
                    "type": "External",
                    "external": {
                        "metric": {"name": "jobs", "selector": {"matchLabels": {"queue": "churn"}}},
                        "target": {"type": "Value", "value": "30"},
                    },
                },
            ],
        }
    )
    assert scaling.metrics(Replicas(1, 4, None, (("requests", 1.5),))) == snapshot(
        [
            {
                "type": "Pods",
                "pods": {
                    "metric": {"name": "requests"},
                    "target": {"type": "AverageValue", "averageValue": "1500m"},
                },
            }
        ]
    )
