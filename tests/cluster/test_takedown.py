"""A cluster of ours goes without a trace, however it was left."""

import signal

import pytest

from tests.cluster.local import building, cluster, node, processes
from tests.cluster.local.control_plane import apply, kubectl
from tests.cluster.local.known import cluster_under_test
from tests.cluster.local.place import Beside


@pytest.fixture
def place():
    """A second cluster beside the one under test; removed even where the test fails."""
    made = cluster_under_test().beside(Beside.GONE)
    yield made
    cluster.down(made)


def test_a_cluster_whose_processes_were_killed_is_taken_down_without_a_trace(place):
    cluster.up(place, building.gateway_api())
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "holds-mounts"},
        "spec": {"containers": [{"name": "pause", "image": node.PAUSE, "imagePullPolicy": "Never"}]},
    }
    apply(place, [pod])
    waited = kubectl(place, "wait", "--for=condition=Ready", "pod/holds-mounts", "--timeout=60s")
    assert waited.returncode == 0, waited.stderr
    assert all(cluster.left(place).values()), "the look for what is left must see a cluster that runs"
    elsewhere = cluster.elsewhere(place)
    for name in ("kube-apiserver", "kubelet", "containerd"):
        processes.stop(place, name, signal.SIGKILL)
    cluster.down(place)
    assert not any(cluster.left(place).values()), cluster.left(place)
    assert elsewhere
    assert not [path for path in elsewhere if path.exists()]


@pytest.mark.whole
def test_a_component_is_ended_and_started_again(place):
    cluster.up(place, building.gateway_api())
    processes.stop(place, "etcd", signal.SIGKILL)
    assert kubectl(place, "get", "--raw", "/readyz").returncode != 0
    processes.again(place, "etcd").wait_for(
        lambda: kubectl(place, "get", "namespace", "default").returncode == 0
    )
