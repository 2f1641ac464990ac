"""Users who are kept on a version, through a real Traefik: by what they get, and by what is counted."""

import subprocess
from dataclasses import replace

import pytest
import requests

from policies.place import Place
from service.adapters.kubernetes.gateway import GatewayRouter
from service.adapters.kubernetes.kinds import TRAEFIK_SERVICE, Kind
from service.adapters.kubernetes.metrics import ClusterMetrics
from service.adapters.kubernetes.own_route import SESSION_HEADER
from service.ports.outcomes import Refused
from service.ports.traffic import Route
from service.preview import PREVIEW_HEADER
from tests.cluster.routing import CustomResources, Gateway
from tests.cluster.test_doctor import _env
from tests.running import wait_until

TARGET = "fraud/production"
INGRESS_ROUTE = Kind("traefik.io/v1alpha1", "ingressroutes")


class User:
    """Somebody who sends back what the answers gave: cookies as browsers do, or the header of a session."""

    def __init__(self, address, way):
        self.address, self.way = address, way
        self.session = requests.Session()

    def ask(self, **headers):
        answer = self.session.get(self.address, headers=headers, timeout=5)
        assert answer.status_code == 200
        if self.way == "header" and SESSION_HEADER in answer.headers:
            self.session.headers[SESSION_HEADER] = answer.headers[SESSION_HEADER]
        return answer.headers["X-Version"]


@pytest.fixture(scope="module")
def gateway():
    with Gateway() as running:
        running.service("fraud-1", TARGET, "stable")
        running.service("fraud-2", TARGET, "candidate")
        yield running


def split(gateway, weight, attempt, sticky, names=("fraud-1", "fraud-2")):
    shares = zip(names, (100.0 - weight, weight), strict=True)
    return Route(TARGET, 1, tuple(gateway.backend(*one) for one in shares), sticky, attempt)


def settled(address, weight):
    """New users are divided as the weight says: the data plane has it."""
    said = [requests.get(address, timeout=5).headers.get("X-Version", "") for _ in range(20)]
    return "" not in said and said.count("candidate") == weight / 5


@pytest.mark.parametrize(("way", "first"), [("cookie", 0), ("header", 10)])
def test_a_route_of_segues_own_keeps_users_until_their_version_has_no_share(gateway, way, first):
    router = GatewayRouter(gateway.ours, gateway.cluster, Place("test", gateway.namespace))
    metrics = ClusterMetrics(gateway.cluster)
    assert router.set(split(gateway, 50.0, first, way)) == router.get(TARGET)
    assert router.drift(TARGET) is None
    address = router.address(TARGET)
    wait_until(lambda: settled(address, 50))
    # What was counted by rules of an earlier route is gone after a while: a reading then is no number.
    wait_until(lambda: counted(metrics, gateway) == counted(metrics, gateway))
    before = counted(metrics, gateway)
    users = [User(address, way) for _ in range(20)]
    got = [{user.ask() for _ in range(6)} for user in users]
    assert all(len(one) == 1 for one in got)
    versions = [one.pop() for one in got]
    assert versions.count("candidate") == versions.count("stable") == 10
    assert counted(metrics, gateway) - before == 20 * 6  # those who are kept are users, too

    kept, other = (users[versions.index(name)] for name in ("candidate", "stable"))
    preview = f"fraud-1.{gateway.namespace}"
    before = counted(metrics, gateway)
    assert kept.ask(**{PREVIEW_HEADER: preview}) == "stable"  # whoever asks for a version gets that
    assert counted(metrics, gateway) == before
    router.set(split(gateway, 25.0, first + 1, way))
    wait_until(lambda: settled(address, 25))
    assert ({kept.ask() for _ in range(8)}, {other.ask() for _ in range(8)}) == ({"candidate"}, {"stable"})
    router.set(split(gateway, 0.0, first + 2, way))
    wait_until(lambda: settled(address, 0))
    assert {user.ask() for user in users} == {"stable"}
    router.set(split(gateway, 100.0, first + 3, way))
    wait_until(lambda: settled(address, 100))
    assert {user.ask() for user in users} == {"candidate"}


def test_a_rollback_is_written_even_where_the_data_plane_is_not_known_to_keep_users_any_more(gateway):
    cluster = replace(gateway.cluster, plane="istio")
    router = GatewayRouter(gateway.ours, cluster, Place("test", gateway.namespace))
    with pytest.raises(Refused, match="cannot do sticky:cookie"):
        router.set(split(gateway, 50.0, 20, "cookie"))
    back = split(gateway, 0.0, 20, "cookie")
    assert router.set(back) == router.get(TARGET) == back


def counted(metrics, gateway):
    return sum(
        one.requests for name, one in metrics.sample().backends if name.endswith(f".{gateway.namespace}")
    )


@pytest.fixture
def traefik(route_kinds):
    with CustomResources() as running:
        running.service("fraud", None, "stable")
        running.service("fraud-2", TARGET, "candidate")
        running.create(
            TRAEFIK_SERVICE, "shop", spec={"weighted": {"services": [{"name": "fraud", "port": 80}]}}
        )
        service = {"kind": "TraefikService", "name": "shop"}
        rule = {"kind": "Rule", "match": "PathPrefix(`/`)", "services": [service]}
        running.create(INGRESS_ROUTE, "shop", spec={"entryPoints": ["web"], "routes": [rule]})
        yield running


def test_a_traefik_service_keeps_users_once_the_line_that_is_told_was_run(traefik):
    place = Place("test", traefik.namespace, "fraud", f"traefikservice/{traefik.namespace}/shop")
    router = GatewayRouter(traefik.api, traefik.cluster, place)
    names = ("fraud", "fraud-2")
    with pytest.raises(Refused, match="keeps no user on a version") as refused:
        router.set(split(traefik, 0.0, 0, "cookie", names))
    line = str(refused.value).partition("write: ")[2]
    subprocess.run(line, shell=True, check=True, env=_env())  # noqa: S602 (the line that people paste)
    with pytest.raises(Refused, match="it can do: sticky:cookie"):
        router.set(split(traefik, 50.0, 0, "header", names))
    router.set(split(traefik, 50.0, 0, "cookie", names))
    address = router.address(TARGET)
    wait_until(lambda: settled(address, 50))
    users = [User(address, "cookie") for _ in range(10)]
    got = [{user.ask() for _ in range(6)} for user in users]
    assert all(len(one) == 1 for one in got)
    assert set.union(*got) == {"stable", "candidate"}
    router.set(split(traefik, 0.0, 1, "cookie", names))
    wait_until(lambda: settled(address, 0))
    assert {user.ask() for user in users} == {"stable"}
