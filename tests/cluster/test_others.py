"""What Segue sees where somebody else shifts traffic: pods behind two Services, and the weight of a route."""

import pytest

from policies.place import Place
from service.adapters.kubernetes import looking
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.others import KubernetesOthers, OnlyWatched
from service.ports.clusters import Served
from service.ports.connections import Cluster
from service.ports.others import all_run
from service.ports.outcomes import Gone, Refused
from service.ports.workloads import Serving
from tests.cluster import asking, logins
from tests.cluster.objects import deployment, http_route, service


@pytest.fixture
def watched(kubectl, namespace, images, tmp_path):
    """Two Services with a pod each, a route between them, and a login that may only read them."""
    one, two = images.model("1"), images.model("2")
    split = {"fraud-stable": 80, "fraud-canary": 20}
    kubectl.apply(
        *asking.login(namespace),
        deployment(namespace, "fraud-stable", one),
        deployment(namespace, "fraud-canary", two),
        *(service(namespace, name) for name in split),
        http_route(namespace, "fraud", "fraud.test", ("infra", "web"), split),
    )
    kubectl.rolled_out(namespace, "fraud-stable", "fraud-canary")
    login = logins.kubeconfig(kubectl, namespace, tmp_path / "login.conf")
    cluster = Cluster("test", str(login), namespace=namespace)
    place = Place("test", namespace, None, f"{namespace}/fraud", "fraud-stable", "fraud-canary")
    return Api.of(cluster), cluster, place, (one, two)


def test_it_sees_the_images_that_run_and_what_the_route_says(watched, kubectl):
    api, _, place, (one, two) = watched
    seen = KubernetesOthers(api, place).look()
    assert seen.weight == 20
    assert all_run(seen.stable, one)
    assert all_run(seen.candidate, two.rpartition("@")[2])
    assert not any(pod.runs(two) for pod in seen.stable)
    only = OnlyWatched(KubernetesOthers(api, place))
    assert isinstance(only.state(f"fraud-canary.{place.namespace}"), Serving)
    kubectl.run("scale", "deployment/fraud-canary", "-n", place.namespace, "--replicas=0")
    kubectl.run("wait", "pods", "-l", "app=fraud-canary", "-n", place.namespace, "--for=delete")
    assert KubernetesOthers(api, place).look().candidate == ()
    assert isinstance(only.state(f"fraud-canary.{place.namespace}"), Gone)


def test_what_is_not_there_is_said_and_doctor_asks_for_no_more_than_reading(watched, kubectl):
    api, cluster, place, _ = watched
    told = list(looking.rights(api, cluster, place.namespace, looking.WATCHING))
    assert [one.ok for one in told] == [True]
    served = Served("fraud/production", place)
    (found,) = looking.existing(api, served)
    assert found.ok
    assert (
        "1 pods behind fraud-stable, 1 behind fraud-canary; the route gives the candidate 20 %"
        in found.detail
    )
    kubectl.run("delete", "service", "fraud-canary", "-n", place.namespace)
    with pytest.raises(Refused, match="there is no Service"):
        KubernetesOthers(api, place).look()
    (found,) = looking.existing(api, served)
    assert not found.ok
