"""A hundred weight changes under load: no request is lost to them, and the split is the one written."""

import itertools
import os
import time

import pytest
import requests

from policies.place import Place
from service.adapters.kubernetes.gateway import GatewayRouter
from service.adapters.kubernetes.metrics import ClusterMetrics
from service.ports.traffic import Route
from tests.cluster.load import Load
from tests.cluster.routing import Gateway
from tests.running import wait_until

TARGET = "fraud/production"
CHANGES = 100
RATE = float(os.environ.get("SEGUE_TEST_RATE", "150"))
PAUSE = float(os.environ.get("SEGUE_TEST_GAP", "0.3"))  # seconds: longer than the gateway gathers changes
WEIGHTS = (0.01, 1.0, 5.0, 25.0, 50.0, 100.0, 75.0, 10.0, 0.0)


@pytest.fixture(scope="module", params=["own", "existing"])
def world(request):
    with Gateway() as running:
        running.service("fraud-1", TARGET, "stable")
        running.service("fraud-2", TARGET, "candidate")
        place = Place("test", running.namespace)
        if request.param == "existing":
            match = {"path": {"type": "PathPrefix", "value": f"/{TARGET}"}}
            running.route("shop", [{"matches": [match], "backendRefs": [{"name": "fraud-1", "port": 80}]}])
            place = Place("test", running.namespace, "fraud", f"{running.namespace}/shop")
        router = GatewayRouter(running.ours, running.cluster, place)
        router.set(split(running, 0.0, 0))
        wait_until(lambda: requests.get(router.address(TARGET), timeout=5).ok)
        yield running, router


def split(gateway, weight, attempt):
    backends = (gateway.backend("fraud-1", 100.0 - weight), gateway.backend("fraud-2", weight))
    return Route(TARGET, 1, backends, attempt=attempt)


def test_no_request_is_lost_to_a_hundred_weight_changes(world):
    gateway, router = world
    address = router.address(TARGET)
    with Load(address, rate=RATE, path=f"/{TARGET}/predict", workers=16) as load:
        for attempt, weight in zip(range(1, CHANGES + 1), itertools.cycle(WEIGHTS), strict=False):
            router.set(split(gateway, weight, attempt))
            time.sleep(PAUSE)
    answers = sum(load.counts().values())
    print(f"{answers} requests, {len(load.lost())} lost, at most {load.behind:.2f} s behind")
    assert load.lost() == []
    assert answers >= CHANGES
    assert {version for version, _ in load.counts()} == {"stable", "candidate"}


@pytest.mark.parametrize(("weight", "expected"), [(0.0, 0), (1.0, 10), (25.0, 250), (100.0, 1000)])
def test_the_observed_split_is_the_written_one(world, weight, expected):
    """Told by the router's own counters, by version; a request more or less stands at each end."""
    gateway, router = world
    router.set(split(gateway, weight, 1000 + int(weight)))
    with requests.Session() as session:
        others = (lambda: _seen(session, router)) if weight in {0.0, 100.0} else None
        if others is not None:
            wanted = "stable" if weight == 0.0 else "candidate"
            wait_until(lambda: {others() for _ in range(20)} == {wanted})
        else:
            wait_until(lambda: _share(session, router, 1000) == pytest.approx(expected, abs=2))
        metrics = ClusterMetrics(gateway.cluster)
        before = dict(metrics.sample().backends)
        for _ in range(1000):
            _seen(session, router)
        after = dict(metrics.sample().backends)
    name = f"fraud-2.{gateway.namespace}"
    counted = (after[name].requests if name in after else 0) - (
        before[name].requests if name in before else 0
    )
    assert counted == pytest.approx(expected, abs=2)


def _seen(session, router):
    return session.get(router.address(TARGET), timeout=5).headers["X-Version"]


def _share(session, router, requests):
    return sum(_seen(session, router) == "candidate" for _ in range(requests))
