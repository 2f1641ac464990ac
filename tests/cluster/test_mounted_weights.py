"""Weights that are no layer: each version mounts its own, to be evaluated and to serve, and cannot write them."""

import hashlib
import shutil
import tempfile
from pathlib import Path

import pytest
import requests

from policies.place import Place
from policies.spec.declaration_cluster import BucketWeights, ClaimWeights, ImageWeights
from service.adapters.buckets.order import LIST
from service.adapters.kubernetes.kinds import SECRET
from service.adapters.kubernetes.workloads import KubernetesWorkloads
from service.ports.connections import Cluster
from service.ports.jobs import Job, Limits, Result
from service.ports.outcomes import Failed, Working
from service.ports.workloads import Serving, WorkloadOrder
from tests.cluster import interpreter
from tests.cluster.jobs_world import World
from tests.cluster.test_jobs import CLAIM, PERSISTENT_VOLUME
from tests.cluster.test_workloads import address, until
from tests.integration.test_buckets import Bucket, sums
from tests.running import wait_until

PATH = "/opt/segue/model"
SMALL = Limits(0.1, 256 << 20, 60)
OLD_RUNTIME = "its node cannot mount an image as a volume: that takes containerd 2.1 or CRI-O 1.31"
# Says what it finds there and whether it could have changed it.
READ = """\
import json, os
path = os.environ["SEGUE_MODEL_PATH"]
try:
    open(path + "/new", "w")
    print("written")
except OSError as error:
    print(error.strerror)
print(sorted(os.listdir(path)), open(path + "/weights.bin").read())
json.dump({"size": os.path.getsize(path + "/weights.bin")}, open(os.environ["SEGUE_RESULT"], "w"))
"""
SERVE = """\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = open(os.environ["SEGUE_MODEL_PATH"] + "/weights.bin", "rb").read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def world(kubeconfig, namespace, images):
    world = World(kubeconfig, namespace, images.python("python", {}, []))
    world.settle()
    return world


@pytest.fixture
def workloads(world, kubeconfig):
    cluster = Cluster("test", str(kubeconfig), owner="segue-test")
    return KubernetesWorkloads(world.api, cluster, Place("test", world.namespace))


@pytest.fixture
def claim(world):
    """A claim with a folder for each of two versions."""
    folder = Path(tempfile.mkdtemp(prefix="segue-weights-"))
    folder.chmod(0o755)
    for version in ("1", "2"):
        (folder / "ranker" / version).mkdir(parents=True)
        (folder / "ranker" / version / "weights.bin").write_text(f"version {version}")
    name, spec = world.namespace, {"accessModes": ["ReadOnlyMany"], "storageClassName": "none"}
    place = {"capacity": {"storage": "1Mi"}, "hostPath": {"path": str(folder), "type": "Directory"}}
    world.make(PERSISTENT_VOLUME, name, kind="PersistentVolume", spec={**spec, **place})
    wanted = {**spec, "volumeName": name, "resources": {"requests": {"storage": "1Mi"}}}
    world.make(CLAIM, "models", kind="PersistentVolumeClaim", spec=wanted)
    yield "models"
    world.api.delete(PERSISTENT_VOLUME, None, name)
    shutil.rmtree(folder)


def measured(world, weights):
    """What an evaluation with these weights finds."""
    world.jobs.start(job_with(world, weights))
    return ended(world), world.jobs.logs("job")


def ended(world, name="job"):
    """The job's end; a node that has no image of Segue's yet takes its time to pull one."""
    wait_until(lambda: not isinstance(world.jobs.state(name), Working), 240)
    return world.jobs.state(name)


def job_with(world, weights, name="job"):
    """A job that looks at its weights."""
    run = (str(interpreter.executable()), "-I", "-S", "-c", READ)
    return Job(name, world.image, run, SMALL, (("SEGUE_MODEL_PATH", PATH),), weights=weights)


def served(kubectl, world, workloads, version, weights):
    """What a version with these weights answers."""
    name = f"ranker-prod-{version}.{world.namespace}"
    run = (str(interpreter.executable()), "-I", "-S", "-c", SERVE)
    told = (("SEGUE_MODEL_PATH", PATH),)
    limits = Limits(0.05, 64 << 20, 0)
    order = WorkloadOrder(name, world.image, run, 8080, limits, "/", "ranker/prod", told, weights=weights)
    workloads.start(order)
    until(workloads, name, Serving)
    url = address(kubectl, world.namespace, name.partition(".")[0])
    return requests.get(url, timeout=10).text


def test_each_version_has_its_own_folder_of_a_claim(kubectl, world, workloads, claim):
    result, said = measured(world, ClaimWeights(claim, "ranker/1", PATH))
    assert result == Result((("size", 9.0),))
    assert said == "Read-only file system\n['weights.bin'] version 1\n"
    for version in ("1", "2"):
        weights = ClaimWeights(claim, f"ranker/{version}", PATH)
        assert served(kubectl, world, workloads, version, weights) == f"version {version}"


def test_each_version_has_its_own_image_of_weights(kubectl, world, workloads, images, mounts_images):
    files = {version: {"weights.bin": f"version {version}".encode()} for version in "12"}
    made = {version: images.files("weights", held) for version, held in files.items()}
    result, said = measured(world, ImageWeights(made["1"], PATH))
    if not mounts_images:
        assert result == Failed(f"the job could not run: {OLD_RUNTIME}")
        pytest.skip(OLD_RUNTIME)
    assert result == Result((("size", 9.0),))
    assert said == "Read-only file system\n['weights.bin'] version 1\n"
    for version, image in made.items():
        assert served(kubectl, world, workloads, version, ImageWeights(image, PATH)) == f"version {version}"


def test_an_image_of_weights_that_is_not_there_is_named(world, images):
    image = f"{images.files('weights', {'a': b''}).partition('@')[0]}@sha256:{'0' * 64}"
    result, _ = measured(world, ImageWeights(image, PATH))
    none = f"the image {image} cannot be pulled: the registry has none of this name"
    assert result == Failed(f"the job could not run: {none}")


def test_a_bucket_is_copied_and_proved_before_anything_starts(
    kubectl, world, workloads, outside, segue_image
):
    copier = "{repository}@{digest}".format(**segue_image)
    keys = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG"}
    files = {"weights.bin": b"version 1"}
    listed = sums(files)
    with Bucket({f"/models/ranker/1/{n}": d for n, d in {**files, LIST: listed}.items()}, outside) as bucket:
        keys["AWS_ENDPOINT_URL"] = bucket.url
        world.make(SECRET, "keys", kind="Secret", stringData=keys)
        proved = hashlib.sha256(listed).hexdigest()
        weights = BucketWeights("s3://models/ranker/1", PATH, proved, "keys", copier)
        result, said = measured(world, weights)
        assert result == Result((("size", 9.0),))
        assert said == "Read-only file system\n['weights.bin'] version 1\n"
        assert all("Credential=AKIDEXAMPLE/" in asked for _, asked in bucket.asked)
        assert served(kubectl, world, workloads, "1", weights) == "version 1"
        bucket.files["/models/ranker/1/weights.bin"] = b"version 2"
        job = job_with(world, weights, "other")
        world.jobs.start(job)
        not_proved = "weights.bin in s3://models/ranker/1 is not what SHA256SUMS says"
        assert ended(world, "other") == Failed(
            f"the job did not run: the weights were not copied: {not_proved}"
        )
