"""Calls of gRPC that fail behind a GRPCRoute: the gateway counts none of them, the model's own counters do."""

import time
from collections import Counter
from contextlib import ExitStack

import grpc
import pytest

from policies.guards import asking
from policies.guards.asking import Moment
from policies.guards.counted import Counted
from policies.guards.readings import Versions
from policies.place import Place
from service.adapters.counters.prometheus import PrometheusCounters
from service.adapters.kubernetes import looking
from service.adapters.kubernetes.gateway import GatewayRouter
from service.adapters.kubernetes.kinds import DEPLOYMENT, GRPC_ROUTE, SERVICE
from service.adapters.kubernetes.metrics import ClusterMetrics
from service.ports.clusters import Served
from service.ports.connections import Source
from service.ports.traffic import Route
from service.segue_yaml import check
from service.settings import Settings
from tests.cluster.calls import METHOD, Calls
from tests.cluster.routing import Gateway, pods
from tests.cluster.test_prometheus import Prometheus
from tests.running import wait_until

TARGET = "fraud/production"
FILE = b"""\
name: fraud
image: ghcr.io/acme/fraud:main-*
deployment: ml/fraud
route: ml/calls
guards: {errors: {calls: grpc, version: service}, slo: 1%}
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two versions behind a GRPCRoute, of which the second fails every third call; half goes to each."""
    with ExitStack() as stack:
        servers = {"fraud": stack.enter_context(Calls()), "fraud-2": stack.enter_context(Calls(nth=3))}
        gateway = stack.enter_context(Gateway())
        for name, server in servers.items():
            gateway.service(name, None if name == "fraud" else TARGET, port=server.port)
        gateway.create(DEPLOYMENT, "fraud", spec={**pods("none", {"app": "fraud"}), "replicas": 0})
        gateway.create(SERVICE, "pods", spec={"ports": [{"port": 80}], "selector": {"app": "fraud"}})
        service, method = METHOD.strip("/").split("/")
        rule = {
            "matches": [{"method": {"service": service, "method": method}}],
            "backendRefs": [{"name": "fraud", "port": 80}],
        }
        gateway.create(GRPC_ROUTE, "calls", spec={"parentRefs": [{"name": "gateway"}], "rules": [rule]})
        place = Place("test", gateway.namespace, "fraud", f"{gateway.namespace}/calls")
        router = GatewayRouter(gateway.ours, gateway.cluster, place)
        router.set(Route(TARGET, 1, (gateway.backend("fraud", 50.0), gateway.backend("fraud-2", 50.0))))
        scraped = {f"127.0.0.1:{server.metrics}": {"service": name} for name, server in servers.items()}
        prometheus = stack.enter_context(Prometheus(tmp_path_factory.mktemp("prometheus"), [], scraped))
        wait_until(lambda: called(gateway, 1) and all(server.seen for server in servers.values()), 60)
        yield gateway, servers, prometheus, place


def called(gateway, times):
    """The codes of so many calls through the gateway."""
    codes = Counter()
    with grpc.insecure_channel(gateway.cluster.address.removeprefix("http://")) as channel:
        ask = channel.unary_unary(METHOD)
        for _ in range(times):
            try:
                ask(b"", timeout=10)
                codes["OK"] += 1
            except grpc.RpcError as error:
                codes[error.code().name] += 1
    return codes


def test_failed_calls_are_none_for_the_gateway_and_errors_of_the_candidate_for_the_guard(world, tmp_path):
    gateway, servers, prometheus, _ = world
    (model,) = check(FILE, "").models
    guard = next(one for one in model.environments[0].guards if one.name == "errors")
    source = Source("prom", "prometheus", f"http://127.0.0.1:{prometheus.port}")
    counters = PrometheusCounters.open(Settings(home=tmp_path), source)
    versions = Versions("service", frozenset({"fraud-2"}), frozenset({"fraud"}))
    cut, rows = None, []

    def look():
        nonlocal cut
        now = time.time()
        read = counters.read(asking.selectors(guard), now)
        cut, news = asking.look(guard, cut, read, versions, Moment(now, 50.0, 0.0, 1))
        if isinstance(news, Counted) and not news.gap:
            rows.append(news.rows[0])
        return {dict(one.labels)["service"] for one in read} == servers.keys()

    wait_until(look, 60)
    cut = None
    wait_until(lambda: look() and cut is not None, 60)  # from here on both are counted
    rows.clear()
    before = servers["fraud-2"].seen
    codes = called(gateway, 120)
    asked = servers["fraud-2"].seen - before
    assert codes["INTERNAL"] == codes.total() - codes["OK"] > 10

    def told():
        look()
        return sum(row.candidate.requests + row.stable.requests for row in rows) == 120

    wait_until(told, 60)
    assert sum(row.candidate.errors for row in rows) == codes["INTERNAL"]
    assert sum(row.stable.errors for row in rows) == 0
    assert sum(row.candidate.requests for row in rows) == asked

    sample = ClusterMetrics(gateway.cluster).sample()
    by_gateway = dict(sample.backends)[f"fraud-2.{gateway.namespace}"]
    assert by_gateway.requests >= asked
    assert by_gateway.errors == 0, (
        "the gateway counts calls that fail: the guards no longer need the model's own"
    )


def test_the_doctor_says_whose_failures_nobody_sees(world):
    gateway, _, _, place = world

    def found(**more):
        said = looking.examine(gateway.ours, gateway.cluster, [Served(TARGET, place, **more)])
        return [one.mend for one in said if "a call that fails is answered 200" in one.detail]

    assert found() == ["let the model count them, and write guards: {errors: {calls: grpc}, slo: 1%}"]
    assert found(counted=True) == []
