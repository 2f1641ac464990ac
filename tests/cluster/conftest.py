"""What tests on a cluster are given. Which cluster says SEGUE_TEST_KUBECONFIG; `make test-cluster` sets it.

A cluster that is not ours needs a registry that this machine and its nodes reach by one name: either
its ConfigMap kube-public/local-registry-hosting tells it (kind and ours have one), or SEGUE_TEST_REGISTRY.
"""

import os
import re
import shutil
import socket
import tempfile
import time
import uuid
from pathlib import Path

import pytest

from service.demo.mlflow_server import MlflowServer
from tests.cluster import beside, buildah, definitions, logins, traefik
from tests.cluster.gitops.argocd import ArgoCd
from tests.cluster.gitops.flux import Flux
from tests.cluster.gitops.serving import GitServer
from tests.cluster.helm import Release
from tests.cluster.images import Images
from tests.cluster.kubectl import Kubectl
from tests.cluster.registries import registry_of
from tests.conftest import MLFLOW
from tests.running import free_port

_PROGRAMS = Path(__file__).parents[2] / ".venv/bin"
_HERE = Path(__file__).parent
_FIRST = [
    "test_workloads", "test_releases", "test_takeover", "test_chart", "test_image_builds", "test_jobs", "test_adoption",
    "test_weights",
]  # fmt: skip
_SHARING = {"test_route_kinds", "test_route_kinds_contract", "test_sticky"}  # what the first one defines


def pytest_collection_modifyitems(items):
    """A file's tests stay in one process. What takes minutes begins first: else the other one waits for it, and a
    slice would leave it out."""
    ours = [item for item in items if item.path.is_relative_to(_HERE)]
    for item in ours:
        name = item.path.stem
        item.add_marker(pytest.mark.xdist_group("definitions" if name in _SHARING else name))
    if len(ours) == len(items):
        ranks = {name: rank for rank, name in enumerate(_FIRST)}
        items.sort(key=lambda item: ranks.get(item.path.stem, len(ranks)))


def pytest_runtest_setup(item):
    """In a slice, what cannot begin in time is left out, and says so; never what failed and is run once more."""
    until = float(os.environ.get("SEGUE_TEST_UNTIL") or "inf")
    if item.path.is_relative_to(_HERE) and time.time() > until and not item.config.getoption("lf"):
        pytest.skip(f"the slice is over before {item.name}; `make test-cluster` runs it")


@pytest.fixture(scope="session")
def kubeconfig():
    """The path of an administrator's kubeconfig."""
    path = os.environ.get("SEGUE_TEST_KUBECONFIG")
    if not path:
        pytest.fail("set SEGUE_TEST_KUBECONFIG, or run `make test-cluster`, which starts a cluster")
    return Path(path)


@pytest.fixture(scope="session")
def kubectl(kubeconfig):
    """The cluster's administrator."""
    return Kubectl(kubeconfig)


@pytest.fixture(scope="session")
def registry(kubectl):
    """`host:port` of a registry without TLS that this machine pushes to and nodes pull from."""
    return registry_of(kubectl)


@pytest.fixture(scope="session")
def images(registry):
    """Builds and pushes images: `images.model("2", error_rate=0.05)` is a reference by digest."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Images(Path(cache) / "segue-cluster", registry)


@pytest.fixture(scope="session")
def segue_image(registry):
    """Segue's own image, by its digest; what was built before is not built again."""
    image = buildah.chart_image()
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "segue-cluster" / "segue"
    digest = image.build(home)
    image.send(home, digest, f"http://{registry}/segue", "test", None)
    return {"repository": f"{registry}/segue", "digest": digest}


@pytest.fixture(scope="session")
def outside(kubectl):
    """The address of this machine that pods reach: the one from which it reaches their node."""
    addresses = kubectl.get("nodes")["items"][0]["status"]["addresses"]
    node = next(one["address"] for one in addresses if one["type"] == "InternalIP")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((node, 9))
        return probe.getsockname()[0]


@pytest.fixture(scope="session")
def mounts_images(kubectl):
    """Whether the node's container runtime can mount an image as a volume, as containerd can since 2.1."""
    runtime = kubectl.get("nodes")["items"][0]["status"]["nodeInfo"]["containerRuntimeVersion"]
    found = re.fullmatch(r"containerd://(\d+)\.(\d+).*", runtime)
    return not found or tuple(map(int, found.groups())) >= (2, 1)


@pytest.fixture
def namespace(kubectl):
    """A namespace of the test's own, under restricted pod security, deleted after it."""
    name = f"segue-test-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "segue-test": "yes"}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    yield name
    # The next test may have a route of the same path, and the oldest one would answer for it.
    kubectl.run("delete", "httproutes", "--all", "-n", name)
    kubectl.run("delete", "namespace", name, "--wait=false")


@pytest.fixture
def builds(kubectl):
    """A namespace of its own for builds, whose pods may be what Buildah needs."""
    name = f"segue-docker-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "privileged", "segue-test": "yes"}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    yield name
    kubectl.run("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def route_kinds(kubectl):
    """The cluster knows Istio's VirtualServices and Traefik's custom resources, for as long as tests run."""
    istio = definitions.installed(kubectl, definitions.ISTIO, "virtualservices.networking.istio.io")
    with istio, definitions.installed(kubectl, definitions.TRAEFIK):
        yield


@pytest.fixture(scope="session")
def gateway(kubectl, images):
    """Traefik in the cluster as the controller of a Gateway that takes routes from all namespaces."""
    program = shutil.which("traefik", path=_PROGRAMS)
    assert program, "traefik is not in the virtual environment; run `make setup`"
    return traefik.install(kubectl, images.program("traefik", Path(program).resolve(), "traefik"))


@pytest.fixture(scope="module", params=[ArgoCd, Flux], ids=lambda tool: tool.__name__)
def keeper(request, kubectl, tmp_path_factory):
    """Argo CD, then Flux, themselves; built the first time, which takes many minutes."""
    with request.param(kubectl, tmp_path_factory.mktemp("keeper")) as running:
        yield running


@pytest.fixture(scope="session")
def git_server(tmp_path_factory):
    """Repositories below its `root` can be read over HTTP."""
    with GitServer(tmp_path_factory.mktemp("git")) as server:
        yield server


@pytest.fixture(scope="session")
def mlflow(outside, tmp_path_factory):
    """A real MLflow server beside the cluster, which pods reach; shared by the run: use names of your own."""
    if not MLFLOW.exists():
        pytest.skip(f"{MLFLOW} is not there; `make test-cluster` installs it")
    server = MlflowServer(MLFLOW, tmp_path_factory.mktemp("mlflow"), free_port(), outside)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def database(postgres, outside):
    """A new database's URL for pods."""
    with beside.database(postgres, outside) as url:
        yield url


@pytest.fixture
def broker(tmp_path, outside):
    """A broker's URL for pods."""
    with beside.broker(tmp_path, outside) as url:
        yield url


@pytest.fixture
def release(kubeconfig, namespace):
    """The release `segue` in a namespace of the test's own."""
    made = Release(kubeconfig, namespace)
    yield made
    made.uninstall()


@pytest.fixture
def volume(kubectl, namespace):
    """Values for a volume: of the cluster's default class, else a folder of this machine, its only node."""
    classes = kubectl.get("storageclasses")["items"]
    default = "storageclass.kubernetes.io/is-default-class"
    if any((one["metadata"].get("annotations") or {}).get(default) == "true" for one in classes):
        yield {}
        return
    folder = Path(tempfile.mkdtemp(prefix="segue-volume-"))
    node = kubectl.get("nodes")["items"][0]["metadata"]["labels"]["kubernetes.io/hostname"]
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": namespace},
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": namespace,
                "persistentVolumeReclaimPolicy": "Retain",
                "local": {"path": str(folder)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
            },
        }
    )
    yield {"storageClass": namespace, "size": "1Gi"}
    kubectl.run("delete", "persistentvolume", namespace, "--wait=false")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def login(kubectl, namespace, gateway, tmp_path_factory):
    """A kubeconfig with exactly the rights that the chart gives in the test's namespace, none of which may be missing."""
    path = tmp_path_factory.mktemp("login") / "kubeconfig"
    with logins.given(kubectl, namespace, gateway, path) as login:
        yield login
