"""What tests on a cluster are given. Which cluster says SEGUE_TEST_KUBECONFIG; `make test-cluster` sets it.

A cluster that is not ours needs a registry that this machine and its nodes reach by one name: either
its ConfigMap kube-public/local-registry-hosting tells it (kind and ours have one), or SEGUE_TEST_REGISTRY.
"""

import os
import shutil
import uuid
from pathlib import Path

import pytest

from tests.cluster import definitions, traefik
from tests.cluster.images import Images
from tests.cluster.kubectl import Kubectl
from tests.cluster.registries import registry_of

_PROGRAMS = Path(__file__).parents[2] / ".venv/bin"


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


@pytest.fixture
def namespace(kubectl):
    """A namespace of the test's own, under restricted pod security, deleted after it."""
    name = f"segue-test-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "segue-test": "yes"}
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
