"""Versions that are committed to a real repository and applied by a controller that is not Segue.

The controller is a stand-in (see `selfheal`); it looks when the test says so, so that every state in
between can be seen.
"""

import time
from dataclasses import replace

import pytest

from policies.place import Place
from policies.spec.declaration_cluster import Replicas
from service.adapters.bare_writing import BareWriter
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.committing import Committed
from service.adapters.kubernetes.git_workloads import PATIENCE, GitWorkloads
from service.adapters.kubernetes.kinds import DEPLOYMENT, HPA, SERVICE
from service.adapters.kubernetes.workloads import KubernetesWorkloads
from service.commits import Spot
from service.ports.connections import Cluster
from service.ports.jobs import Limits
from service.ports.outcomes import Gone, Refused, Retry, Working
from service.ports.workloads import Serving, WorkloadOrder
from tests.cluster import objects
from tests.cluster.selfheal import Reconciler
from tests.repositories import Repository, git, push

SPOT = Spot("manifests", "main", "apps/ml")
WAIT_SECONDS = 120.0


@pytest.fixture
def repository(tmp_path):
    made = Repository(tmp_path / "git", "manifests.git")
    made.commit({"README.md": b"what is deployed"})
    return made


@pytest.fixture
def controller(kubectl, repository):
    return Reconciler(kubectl, repository.folder, SPOT.branch, SPOT.folder)


@pytest.fixture
def cluster(kubeconfig, namespace):
    return Cluster("test", str(kubeconfig), namespace=namespace, gitops=SPOT.text, owner="0a1b2c3d")


@pytest.fixture
def api(cluster):
    return Api.of(cluster)


@pytest.fixture
def open_at(api, cluster, repository):
    """The workloads of a place, as a process that has just started has them."""

    def opened(place):
        writer = BareWriter.open(repository.settings, repository.source)
        committed = Committed(writer, SPOT, cluster, cluster.namespace)
        return GitWorkloads(KubernetesWorkloads(api, cluster, place), committed, place)

    return opened


@pytest.fixture
def workloads(open_at, namespace):
    return open_at(Place("test", namespace))


@pytest.fixture
def order(images, namespace):
    name = f"wine-production-3f9c1b2a4d.{namespace}"
    limits = Limits(cpu=0.1, memory=64 << 20)
    health = "/ready"
    return WorkloadOrder(name, images.model("1"), (), 8080, limits, health, "wine/production")


def short(order):
    return order.name.partition(".")[0]


def until(look, wanted):
    """The first state of that kind."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not isinstance(found := look(), wanted):
        assert time.monotonic() < deadline, f"the last look gave {found}"
        time.sleep(0.2)
    return found


def cleared(workloads):
    """Clear; a copy ends only once the data plane has forgotten it."""
    try:
        workloads.clear()
    except Retry as reason:
        return reason
    return "cleared"


def commits(repository):
    return repository.git("log", "--format=%an %s", "main").decode().splitlines()


def test_a_version_serves_only_once_its_commit_is_applied(
    workloads, controller, repository, order, api, namespace
):
    assert workloads.state(order.name) == Gone()
    workloads.start(order)
    tip = repository.git("rev-parse", "main").decode()
    waiting = f"waiting for Argo CD or Flux to apply commit {tip[:12]} (manifests:main:apps/ml)"
    assert workloads.state(order.name) == Working(waiting, PATIENCE)
    assert api.get(DEPLOYMENT, namespace, short(order)) is None, "nothing is applied by us"
    assert workloads.logs(order.name) == waiting
    assert controller.look() == tip
    served = until(lambda: workloads.state(order.name), Serving)
    assert served.url == f"http://{short(order)}.{namespace}.svc:8080"
    assert api.proxy(namespace, short(order), 8080, "/") == 200
    assert commits(repository) == [f"Segue Start {order.name}", "ann x"]


def test_starting_again_and_after_a_crash_is_no_second_commit(
    open_at, workloads, repository, order, namespace
):
    workloads.start(order)
    workloads.start(order)
    again = open_at(Place("test", namespace))
    again.start(order)
    assert isinstance(again.state(order.name), Working)
    assert len(commits(repository)) == 2


def test_rolling_back_is_a_commit_and_what_it_took_away_ends(
    workloads, controller, repository, order, api, namespace
):
    workloads.start(order)
    controller.look()
    until(lambda: workloads.state(order.name), Serving)
    workloads.stop(order.name)
    assert workloads.state(order.name) == Gone(), "it is to run no more, even where it still does"
    assert commits(repository)[0] == f"Segue Stop {order.name}"
    controller.look()
    assert api.get(SERVICE, namespace, short(order)) is None
    workloads.stop(order.name)
    assert len(commits(repository)) == 3


def test_one_that_is_started_again_before_it_was_pruned_goes_on(workloads, controller, repository, order):
    workloads.start(order)
    controller.look()
    first = until(lambda: workloads.state(order.name), Serving)
    workloads.stop(order.name)
    workloads.start(order)
    controller.look()
    assert until(lambda: workloads.state(order.name), Serving).started == first.started
    assert [line.split()[1] for line in commits(repository)] == ["Start", "Stop", "Start", "x"]


def test_people_push_between_and_nothing_of_theirs_is_lost(workloads, controller, repository, order):
    clone = repository.clone("work")
    workloads.start(order)
    git("pull", "--quiet", "--rebase", cwd=clone)
    push(clone, {"apps/other/theirs.yaml": b"{}"})
    workloads.stop(order.name)
    assert [line.split()[0] for line in commits(repository)] == ["Segue", "ann", "Segue", "ann"]
    assert repository.git("show", "main:apps/other/theirs.yaml") == b"{}"


def test_replicas_are_ours_although_the_rest_is_in_git(workloads, controller, order, api, namespace):
    """The controller never writes them: what a release scales stays scaled."""
    wanted = replace(order, replicas=Replicas(2))
    workloads.start(wanted)
    controller.look()
    until(lambda: workloads.state(order.name), Serving)
    assert api.get(DEPLOYMENT, namespace, short(order))["spec"]["replicas"] == 2
    api.patch(DEPLOYMENT, namespace, short(order), {"spec": {"replicas": 3}})
    controller.look()
    controller.look()
    assert api.get(DEPLOYMENT, namespace, short(order))["spec"]["replicas"] == 3


def test_an_autoscaler_is_ours_and_goes_with_its_version(
    workloads, controller, repository, order, api, namespace
):
    wanted = replace(order, replicas=Replicas(1, 3, 0.6))
    workloads.start(wanted)
    controller.look()
    assert api.get(HPA, namespace, short(order)) is not None
    assert b"HorizontalPodAutoscaler" not in repository.git("show", f"main:apps/ml/{order.name}.yaml")
    workloads.stop(order.name)
    assert api.get(HPA, namespace, short(order)) is None


def test_a_version_whose_commit_was_reverted_by_a_person_is_gone(workloads, controller, repository, order):
    workloads.start(order)
    controller.look()
    until(lambda: workloads.state(order.name), Serving)
    repository.commit({f"apps/ml/{order.name}.yaml": None})
    assert workloads.state(order.name) == Gone()


def test_a_copy_of_what_was_found_is_committed_and_handed_back(
    open_at, controller, repository, images, order, api, kubectl, namespace
):
    image = images.model("0")
    kubectl.apply(objects.deployment(namespace, "fraud", image), objects.service(namespace, "fraud"))
    kubectl.run("autoscale", "deployment", "fraud", "-n", namespace, "--max=3", "--cpu=60%")
    kubectl.rolled_out(namespace, "fraud")
    workloads = open_at(Place("test", namespace, "fraud"))
    backend, serving, found = workloads.found()
    assert (backend, serving.url, found) == (f"fraud.{namespace}", f"http://fraud.{namespace}.svc:80", image)
    workloads.start(order)
    assert "to apply commit" in workloads.state(order.name).progress
    controller.look()
    until(lambda: workloads.state(order.name), Serving)
    workloads.stop(backend)
    assert api.get(HPA, namespace, "fraud")["spec"]["maxReplicas"] == 3, "theirs is left alone"
    assert workloads.state(backend) == Gone(), "what was found stands without pods, and is not in Git"
    assert len(commits(repository)) == 2
    until(lambda: cleared(workloads), str)
    assert commits(repository)[0].startswith("Segue Stop")
    controller.look()
    assert api.get(DEPLOYMENT, namespace, short(order)) is None


def test_a_name_that_is_somebody_elses_is_not_committed(workloads, repository, order, kubectl, namespace):
    """Whoever applies what is in Git does so by force."""
    kubectl.apply(objects.deployment(namespace, short(order), "registry.invalid/theirs:1", replicas=0))
    with pytest.raises(Refused, match="that Segue did not make"):
        workloads.start(order)
    assert len(commits(repository)) == 1
