"""Weights that are no layer: each version mounts its own, to be evaluated and to serve, and cannot write them."""

import re
import shutil
import tempfile
from pathlib import Path

import pytest
import requests

from policies.place import Place
from policies.spec.declaration import ClaimWeights, ImageWeights
from service.adapters.kubernetes.workloads import KubernetesWorkloads
from service.ports.connections import Cluster
from service.ports.jobs import Job, Limits, Result
from service.ports.workloads import Serving, WorkloadOrder
from tests.cluster import interpreter
from tests.cluster.jobs_world import World
from tests.cluster.test_jobs import CLAIM, PERSISTENT_VOLUME
from tests.cluster.test_workloads import address, until
from tests.contracts.test_job_runner import end

PATH = "/opt/segue/model"
SMALL = Limits(0.1, 256 << 20, 60)
MOUNTS_IMAGES = (2, 1)  # containerd that can mount an image as a volume
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


@pytest.fixture
def mounting(kubectl):
    """Skips where the node's container runtime cannot mount images."""
    runtime = kubectl.get("nodes")["items"][0]["status"]["nodeInfo"]["containerRuntimeVersion"]
    found = re.fullmatch(r"containerd://(\d+)\.(\d+).*", runtime)
    if found and tuple(map(int, found.groups())) < MOUNTS_IMAGES:
        pytest.skip(f"{runtime} cannot mount images; containerd 2.1 can")


def measured(world, weights):
    """What an evaluation with these weights finds."""
    run = (str(interpreter.executable()), "-I", "-S", "-c", READ)
    world.jobs.start(Job("job", world.image, run, SMALL, (("SEGUE_MODEL_PATH", PATH),), weights=weights))
    return end(world), world.jobs.logs("job")


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


@pytest.mark.usefixtures("mounting")
def test_each_version_has_its_own_image_of_weights(kubectl, world, workloads, images):
    made = {
        version: images.files("weights", {"weights.bin": f"version {version}".encode()}) for version in "12"
    }
    result, said = measured(world, ImageWeights(made["1"], PATH))
    assert result == Result((("size", 9.0),))
    assert said == "Read-only file system\n['weights.bin'] version 1\n"
    for version, image in made.items():
        assert served(kubectl, world, workloads, version, ImageWeights(image, PATH)) == f"version {version}"
