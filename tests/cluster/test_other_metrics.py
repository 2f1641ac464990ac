"""Autoscalers of versions that look at other things than CPU: a queue, and what each pod tells of itself."""

import pytest

from policies.place import Place
from policies.spec.declaration_cluster import External, Replicas
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.workloads import KubernetesWorkloads
from service.ports.connections import Cluster
from service.ports.workloads import Serving, WorkloadOrder
from tests.cluster.test_workloads import OWNER, SMALL, until
from tests.cluster.told_metrics import GROUPS, Adapter, objects
from tests.running import wait_until

pytestmark = pytest.mark.timeout(420)


@pytest.fixture
def workloads(kubeconfig, namespace):
    cluster = Cluster("test", str(kubeconfig), owner=OWNER)
    return KubernetesWorkloads(Api.of(cluster), cluster, Place("test", namespace))


@pytest.fixture
def adapter(kubectl, namespace, outside, tmp_path):
    """Both groups of metrics are answered by the test; the cluster must have had neither."""
    known = kubectl.get("apiservices")["items"]
    if any(f"{one['spec'].get('group')}/{one['spec']['version']}" in GROUPS for one in known):
        pytest.skip("the cluster has an adapter of its own")
    with Adapter(kubectl, outside, tmp_path) as server:
        server.external, server.pods = {"jobs": 25}, {"requests_in_flight": 40}
        made = list(objects(namespace, outside, server.server_port))
        kubectl.apply(*made)
        yield server
        for one in made:
            if one["kind"] == "APIService":
                kubectl.run("delete", "apiservice", one["metadata"]["name"])
        server.shutdown()


@pytest.mark.parametrize(
    ("replicas", "asked"),
    [
        # 25 jobs, 10 for each copy: 3 copies.
        (
            Replicas(1, 5, external=(External("jobs", each=10, labels=(("queue", "churn"),)),)),
            ("jobs", "queue=churn"),
        ),
        # 40 requests in each of ever more copies, 20 are wanted: as many as may be.
        (Replicas(1, 3, per_copy=(("requests_in_flight", 20),)), ("requests_in_flight", "")),
    ],
    ids=["external", "per_copy"],
)
def test_a_version_has_as_many_copies_as_another_metric_asks_for(
    workloads, images, kubectl, namespace, adapter, replicas, asked
):
    name, image = f"churn-prod-0123456789.{namespace}", images.model("1")
    order = WorkloadOrder(name, image, (), 8080, SMALL, "/ready", "churn/prod", replicas=replicas)
    workloads.start(order)
    until(workloads, order.name, Serving)
    workloads.settle((order.name,))
    wait_until(lambda: copies(kubectl, namespace, name.partition(".")[0]) == 3, 240)
    metric, labels = asked
    assert any(one == metric and labels in selector for one, selector in adapter.asked)


def copies(kubectl, namespace, name):
    """How many pods of the version are wanted now."""
    return kubectl.get("deployment", name, "-n", namespace)["spec"]["replicas"]
