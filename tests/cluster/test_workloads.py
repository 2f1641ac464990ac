"""Versions as Deployments of Segue's own: they serve, drain, fail for a reason, and leave nothing behind."""

import http.client
import json
import threading
import time
from dataclasses import replace

import pytest

from policies.place import Place
from policies.spec.declaration_cluster import PodNeeds, Replicas
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import DEPLOYMENT, HPA, PDB, POD, SERVICE
from service.adapters.kubernetes.workloads import KubernetesWorkloads
from service.ports.connections import Cluster
from service.ports.jobs import Limits
from service.ports.outcomes import Failed, Gone, Refused, Retry, Working
from service.ports.workloads import Serving, WorkloadOrder
from tests.cluster import interpreter
from tests.cluster.faults import never
from tests.cluster.load import Load
from tests.cluster.trials import through
from tests.running import wait_until

SMALL = Limits(cpu=0.05, memory=64 << 20, seconds=0)
OWNER = "tests"
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def api(kubeconfig):
    return Api.of(Cluster("test", str(kubeconfig)))


@pytest.fixture
def workloads(api, namespace, kubeconfig):
    return KubernetesWorkloads(api, Cluster("test", str(kubeconfig), owner=OWNER), Place("test", namespace))


@pytest.fixture
def order(namespace, images):
    return WorkloadOrder(
        f"churn-prod-0123456789.{namespace}", images.model("1"), (), 8080, SMALL, "/ready", "churn/prod"
    )


def until(workloads, name, kind, seconds=90):
    """Look until the state is of this kind; what it was."""
    seen = []

    def there():
        seen.append(workloads.state(name))
        assert isinstance(seen[-1], kind | Working), seen[-1]
        return isinstance(seen[-1], kind)

    wait_until(there, seconds)
    return seen[-1]


def says(workloads, name, words, seconds=60):
    """Wait until its state says these words."""
    wait_until(lambda: words in str(workloads.state(name)), seconds)


def address(kubectl, namespace, name):
    """The Service's own address, which this machine reaches as pods do."""
    service = kubectl.get("service", name, "-n", namespace)
    return f"http://{service['spec']['clusterIP']}:{service['spec']['ports'][0]['port']}"


def left(api, namespace):
    """The names of all that Segue made in the namespace."""
    kinds = (DEPLOYMENT, SERVICE, PDB, HPA)
    return [one["metadata"]["name"] for kind in kinds for one in api.list(kind, namespace, "segue.dev/owner")]


def test_a_version_serves_and_leaves_nothing_when_it_is_stopped(workloads, order, api, namespace):
    workloads.start(order)
    workloads.start(order)
    serving = until(workloads, order.name, Serving)
    assert serving.url == f"http://churn-prod-0123456789.{namespace}.svc:8080"
    assert serving.restarts == 0
    assert api.proxy(namespace, "churn-prod-0123456789", 8080, "/predict") == 200
    assert workloads.logs(order.name) == "version 1 listens\n"
    with pytest.raises(Refused, match="runs with another order; stop it first"):
        workloads.start(replace(order, port=8081))
    workloads.stop(order.name)
    workloads.stop(order.name)
    assert workloads.state(order.name) == Gone()
    assert not left(api, namespace)


def test_one_that_is_started_anew_knows_nothing_of_the_one_before(workloads, order, api, namespace):
    assert workloads.state(order.name) == Gone()
    assert not workloads.logs(order.name)
    workloads.start(order)
    first = until(workloads, order.name, Serving)
    workloads.stop(order.name)
    time.sleep(1.1)  # the API server tells times in whole seconds
    workloads.start(order)
    assert until(workloads, order.name, Serving).started > first.started
    wait_until(lambda: workloads.state(order.name) and len(api.list(POD, namespace)) == 1, 90)
    assert until(workloads, order.name, Serving).restarts == 0, "pods that were still ending are not its own"


def test_any_process_finds_what_another_started(workloads, order, api, namespace, kubeconfig):
    workloads.start(order)
    until(workloads, order.name, Serving)
    place = Place("test", namespace)
    other = KubernetesWorkloads(api, Cluster("test", str(kubeconfig), owner=OWNER), place)
    assert isinstance(other.state(order.name), Serving)
    stranger = KubernetesWorkloads(api, Cluster("test", str(kubeconfig), owner="strangers"), place)
    for call in (
        lambda: stranger.start(order),
        lambda: stranger.stop(order.name),
        lambda: stranger.state(order.name),
    ):
        with pytest.raises(Refused, match="one of 'tests'"):
            call()


def test_a_start_that_was_broken_off_is_finished(workloads, order, api, namespace):
    workloads.start(order)
    api.delete(DEPLOYMENT, namespace, "churn-prod-0123456789")
    assert workloads.state(order.name) == Gone()
    workloads.start(order)
    until(workloads, order.name, Serving)


def test_a_look_at_what_has_just_been_started_is_one_call(order, kubeconfig, namespace):
    with through(Cluster("test", str(kubeconfig), owner=OWNER)) as (proxy, cluster):
        workloads = KubernetesWorkloads(Api.of(cluster), cluster, Place("test", namespace), lambda: 0.0)
        workloads.start(order)
        proxy.does(never)
        assert workloads.state(order.name) == Working("starting")
        assert proxy.counts() == {("get", "deployments.apps"): 1}


def test_an_object_of_somebody_else_is_never_touched(workloads, order, kubectl, namespace):
    theirs = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "churn-prod-0123456789", "namespace": namespace}, "spec": {"ports": [{"port": 1}], "selector": {"a": "b"}}}  # fmt: skip
    kubectl.apply(theirs)
    with pytest.raises(Refused, match="one that Segue did not make"):
        workloads.start(order)
    with pytest.raises(Refused):
        workloads.stop(order.name)
    assert kubectl.get("service", "churn-prod-0123456789", "-n", namespace)["spec"]["selector"] == {"a": "b"}


def test_an_image_without_a_digest_is_refused(workloads, order, api, namespace):
    with pytest.raises(Refused, match="not named by its digest"):
        workloads.start(replace(order, image="registry.example/model:latest"))
    assert not left(api, namespace)


# --- no request is lost -----------------------------------------------------------------------


def test_no_request_is_lost_while_pods_come_and_go(workloads, order, api, kubectl, namespace):
    workloads.start(replace(order, replicas=Replicas(2, 2)))
    name = "churn-prod-0123456789"
    kubectl.rolled_out(namespace, name)
    with Load(address(kubectl, namespace, name), path="/predict", rate=60, workers=8) as load:
        for pod in api.list(POD, namespace):
            api.delete(POD, namespace, pod["metadata"]["name"])
            kubectl.rolled_out(namespace, name)
        workloads.make_room(order.name, order.name, 100)
        api.patch(DEPLOYMENT, namespace, name, {"spec": {"replicas": 1}})
        time.sleep(3)
    assert len(load.answers) > 200
    assert not load.lost()


def test_a_request_that_is_under_way_when_its_version_is_stopped_is_answered(
    workloads, order, images, kubectl, namespace
):
    slow = replace(order, image=images.model("1", latency_seconds=4))
    workloads.start(slow)
    until(workloads, order.name, Serving)
    host = address(kubectl, namespace, "churn-prod-0123456789").removeprefix("http://")
    answers = []

    def ask():
        connection = http.client.HTTPConnection(host, timeout=20)
        connection.request("GET", "/predict")
        answers.append(connection.getresponse().status)
        connection.close()

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(1)
    workloads.stop(order.name)
    thread.join(30)
    assert answers == [200]


# --- why it does not serve --------------------------------------------------------------------


def test_an_image_that_is_not_there_is_said_by_name(workloads, order, registry):
    workloads.start(replace(order, image=f"{registry}/nothing-here@sha256:{'0' * 64}"))
    says(workloads, order.name, f"the image {registry}/nothing-here@sha256:{'0' * 64} cannot be pulled: ")


@pytest.mark.whole
def test_a_model_that_crashes_fails_with_its_last_words(workloads, order):
    words = (
        str(interpreter.executable()),
        "-c",
        "print('no model file $(HOME)', flush=True); raise SystemExit(7)",
    )
    workloads.start(replace(order, run=words))
    failed = until(workloads, order.name, Failed, 150)
    assert "exit code 7" in failed.reason
    assert failed.log == "no model file $(HOME)\n", "what people wrote is meant as it is written"


@pytest.mark.parametrize(
    ("needs", "words"),
    [
        ({"limits": Limits(500, 64 << 20, 0)}, "too little cpu"),
        ({"pod": PodNeeds(extended=(("example.com/nobodys-gpu", 1),))}, "too little example.com/nobodys-gpu"),
        ({"pod": PodNeeds(node_selector=(("zone", "moon"),))}, "without the labels of its node selector"),
        ({"pod": PodNeeds(secrets=("login",))}, "there is no secret login"),
    ],
)
def test_what_the_cluster_cannot_give_is_waited_for_and_said(workloads, order, needs, words):
    workloads.start(replace(order, **needs))
    says(workloads, order.name, words)


def test_a_quota_is_waited_for_and_said(workloads, order, kubectl, namespace):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small", "namespace": namespace}, "spec": {"hard": {"limits.cpu": "10m"}}}  # fmt: skip
    kubectl.apply(quota)
    workloads.start(order)
    says(workloads, order.name, "the quota small is used up")
    kubectl.run("delete", "resourcequota", "small", "-n", namespace)
    until(workloads, order.name, Serving, 120)


# --- evidence that a version does not live ----------------------------------------------------


def test_a_version_that_is_killed_for_its_memory_says_so_while_it_serves_again(workloads, order, images):
    workloads.start(replace(order, image=images.model("1", hungry_seconds=4)))
    until(workloads, order.name, Serving)
    wait_until(lambda: _restarts(workloads, order) >= 1, 60)
    assert until(workloads, order.name, Serving).ended == "used more memory than its limit"


def test_a_version_that_never_gets_ready_for_its_memory_says_so(workloads, order, images):
    workloads.start(replace(order, image=images.model("1", hungry_seconds=0.01)))
    says(workloads, order.name, "it used more memory than its limit")


def test_pods_that_are_not_ready_beside_others_are_counted_with_the_reason(
    workloads, order, kubectl, namespace
):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small", "namespace": namespace}, "spec": {"hard": {"pods": "1"}}}  # fmt: skip
    kubectl.apply(quota)
    wait_until(lambda: kubectl.get("resourcequota", "small", "-n", namespace)["status"].get("hard"), 60)
    workloads.start(replace(order, replicas=Replicas(2, 2)))
    wait_until(lambda: isinstance(workloads.state(order.name), Serving), 60)
    words = "1 of 2 pods are ready: the quota small is used up"
    wait_until(lambda: getattr(workloads.state(order.name), "unwell", "").startswith(words), 30)


@pytest.mark.whole
def test_restarts_are_counted_and_survive_the_pod(workloads, order, api, kubectl, namespace, images):
    workloads.start(replace(order, image=images.model("1", crash_seconds=6)))
    first = until(workloads, order.name, Serving)
    assert first.restarts == 0
    wait_until(lambda: _restarts(workloads, order) == 1, 60)
    (pod,) = api.list(POD, namespace)
    api.delete(POD, namespace, pod["metadata"]["name"], grace=0)
    wait_until(lambda: _restarts(workloads, order) >= 2, 60)
    assert json.loads(_annotation(kubectl, namespace))["gone"] >= 2
    assert isinstance(workloads.state(order.name), Serving | Working), "it served once: it may do so again"


@pytest.mark.whole
def test_pods_that_are_drained_or_not_wanted_any_more_are_no_restarts(
    workloads, order, api, kubectl, namespace
):
    workloads.start(replace(order, replicas=Replicas(3, 3)))
    name = "churn-prod-0123456789"
    kubectl.rolled_out(namespace, name)
    assert until(workloads, order.name, Serving).restarts == 0
    pod = api.list(POD, namespace)[0]["metadata"]["name"]
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace},
    }
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
    kubectl.run("create", "--raw", path, "-f", "-", given=json.dumps(eviction))
    _gone(workloads, order, api, namespace, pod)
    api.patch(DEPLOYMENT, namespace, name, {"spec": {"replicas": 1}})
    wait_until(lambda: workloads.state(order.name) and len(api.list(POD, namespace)) == 1, 90)
    assert until(workloads, order.name, Serving).restarts == 0


def test_a_disruption_budget_lets_a_drain_go_on(workloads, order, kubectl, namespace):
    workloads.start(replace(order, replicas=Replicas(2, 2)))
    kubectl.rolled_out(namespace, "churn-prod-0123456789")
    wait_until(lambda: _allowed(kubectl, namespace) == 1, 30)


# --- autoscaling of our own -------------------------------------------------------------------


def test_an_autoscaler_is_held_from_the_first_and_let_go_by_whoever_comes(
    workloads, order, api, namespace, kubeconfig
):
    workloads.start(replace(order, replicas=Replicas(1, 4, cpu=0.7)))
    assert _bounds(api, namespace) == (1, 1)
    until(workloads, order.name, Serving)
    other = KubernetesWorkloads(api, Cluster("test", str(kubeconfig), owner=OWNER), Place("test", namespace))
    other.settle((order.name,))
    other.settle((order.name,))
    assert _bounds(api, namespace) == (1, 4)


def test_a_candidate_has_its_share_of_pods_ready_before_it_has_the_traffic(
    workloads, order, api, kubectl, namespace
):
    four = Replicas(1, 8, cpu=0.7)
    candidate = replace(order, name=f"churn-prod-9999999999.{namespace}", replicas=four)
    workloads.start(replace(order, replicas=four))
    workloads.settle((order.name,))
    api.patch(DEPLOYMENT, namespace, "churn-prod-0123456789", {"spec": {"replicas": 4}})
    workloads.start(candidate)
    for weight, replicas in ((5, 1), (30, 2), (75, 3), (100, 4), (50, 4)):
        wait_until(lambda weight=weight: _room(workloads, order.name, candidate.name, weight), 90)
        found = kubectl.get("deployment", "churn-prod-9999999999", "-n", namespace)
        assert found["status"]["readyReplicas"] == replicas
        assert _bounds(api, namespace, "churn-prod-9999999999") == (replicas, replicas)
        assert _bounds(api, namespace) == (4, 8), "stable keeps what it had, for a rollback"
    workloads.settle((order.name, candidate.name))
    assert _bounds(api, namespace) == _bounds(api, namespace, "churn-prod-9999999999") == (1, 8)


def test_room_that_the_cluster_does_not_have_says_why(workloads, order, api, namespace):
    big = replace(order, limits=Limits(0.05, 64 << 20, 0), replicas=Replicas(1, 1))
    candidate = replace(big, name=f"churn-prod-9999999999.{namespace}", limits=Limits(500, 64 << 20, 0))
    workloads.start(big)
    workloads.start(candidate)
    until(workloads, big.name, Serving)
    says(workloads, candidate.name, "too little cpu")
    with pytest.raises(Retry, match=r"0 of 1 pods of .* are ready for 50 %: no node can take it"):
        workloads.make_room(big.name, candidate.name, 50)


def _room(workloads, stable, candidate, weight):
    try:
        workloads.make_room(stable, candidate, weight)
    except Retry:
        return False
    return True


def _restarts(workloads, order):
    state = workloads.state(order.name)
    return state.restarts if isinstance(state, Serving) else -1


def _annotation(kubectl, namespace):
    found = kubectl.get("deployment", "churn-prod-0123456789", "-n", namespace)
    return found["metadata"]["annotations"]["segue.dev/restarts"]


def _gone(workloads, order, api, namespace, pod):
    wait_until(lambda: workloads.state(order.name) and api.get(POD, namespace, pod) is None, 90)


def _allowed(kubectl, namespace):
    found = kubectl.get("poddisruptionbudget", "churn-prod-0123456789", "-n", namespace)
    return found.get("status", {}).get("disruptionsAllowed")


def _bounds(api, namespace, name="churn-prod-0123456789"):
    spec = api.get(HPA, namespace, name)["spec"]
    return spec["minReplicas"], spec["maxReplicas"]
