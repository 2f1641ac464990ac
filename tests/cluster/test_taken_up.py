"""No request is lost to a data plane that is late: what is waited for is what it was seen to know."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import requests

from policies.place import Place
from policies.recording import Recording
from service.adapters.kubernetes import confirming, recorders_manifest
from service.adapters.kubernetes.gateway import GatewayRouter
from service.adapters.kubernetes.kinds import ENDPOINT_SLICE, HTTP_ROUTE
from service.ports.outcomes import Retry
from service.ports.traffic import Route
from tests.cluster.load import Load
from tests.cluster.routing import Gateway
from tests.running import wait_until

TARGET = "fraud/production"
RECORDER = recorders_manifest.PREFIX + "1"


class Waiting:
    """The recorders of a place, of which one is ready; the gateway may know of it or not."""

    def __init__(self, backend):
        self._backend = backend
        self.ended = []

    def keep(self, route):
        pass

    def backend(self, route):
        return self._backend

    def end(self, target, used):
        self.ended.append(used)


@pytest.fixture
def gateway(monkeypatch):
    monkeypatch.setattr(confirming, "SECONDS", 0.5)
    with Gateway() as running:
        running.service("fraud", model="found")
        running.service("fraud-2", TARGET, model="second")
        running.route("shop", [{"backendRefs": [{"name": "fraud", "port": 80}]}])
        yield running


@pytest.fixture
def recorder(gateway):
    gateway.service(RECORDER, TARGET, model="recorder", reached=False)
    name = f"{RECORDER}.{gateway.namespace}"
    return Waiting(replace(gateway.backend(RECORDER, 100.0), name=name))


@pytest.fixture
def router(gateway, recorder):
    place = Place("test", gateway.namespace, "fraud", f"{gateway.namespace}/shop")
    return GatewayRouter(gateway.ours, gateway.cluster, place, recorders=recorder)


def split(gateway, weight, attempt=0):
    backends = (gateway.backend("fraud", 100.0 - weight), gateway.backend("fraud-2", weight))
    return Route(TARGET, 1, backends, attempt=attempt)


def copied(gateway, attempt):
    plain = split(gateway, 0.0, attempt)
    return replace(plain, recording=Recording(copies=True), copied=plain.backends[1].name)


@contextmanager
def users(gateway):
    """Load that has begun to be answered; afterwards none of it was lost."""
    with Load(f"http://127.0.0.1:{gateway.port}", rate=100, workers=8) as load:
        wait_until(lambda: any(status == 200 for _, status in load.counts()))
        begun = load.now()
        yield load
        seen(load)
    assert not (lost := load.story(begun)), lost


def seen(load):
    """Requests that were sent from here on are answered."""
    now = load.now()
    wait_until(lambda: sum(load.counts(now).values()) > 20)


def written(act):
    """As soon as it can be: as a worker does it."""

    def tried():
        try:
            act()
        except Retry:
            return False
        return True

    wait_until(tried, 60)


def weights(gateway):
    live = gateway.api.get(HTTP_ROUTE, gateway.namespace, "shop")
    return {ref["name"]: ref.get("weight", 1) for ref in live["spec"]["rules"][0]["backendRefs"]}


def answered_by(gateway):
    return requests.get(f"http://127.0.0.1:{gateway.port}", timeout=5).headers.get("X-Version")


def unready(gateway, name):
    gateway.api.delete(ENDPOINT_SLICE, gateway.namespace, name)
    gateway.reach(name, ready=False)


@pytest.mark.parametrize("way", ["removed", "handed back"])
def test_a_route_is_left_only_once_the_gateway_has_it_so(gateway, router, way):
    written(lambda: router.set(split(gateway, 100.0)))

    def leave():
        return router.remove(TARGET, 2) if way == "removed" else router.hand_back(TARGET)

    with gateway.frozen(), pytest.raises(Retry, match="generation"):
        leave()
    written(leave)
    wait_until(lambda: answered_by(gateway) == "found")  # what it says of a route, it says a moment before


def test_a_route_that_is_attached_to_nothing_any_more_is_left_without_waiting(gateway, router):
    written(lambda: router.set(split(gateway, 100.0)))
    live = gateway.api.get(HTTP_ROUTE, gateway.namespace, "shop")
    gateway.api.replace(
        HTTP_ROUTE, gateway.namespace, "shop", {**live, "spec": {**live["spec"], "parentRefs": []}}
    )
    with gateway.frozen():
        router.hand_back(TARGET)
    assert weights(gateway) == {"fraud": 1}


def test_what_was_found_gets_no_request_before_one_of_its_endpoints_is_ready(gateway, router):
    with users(gateway) as load:
        written(lambda: router.set(split(gateway, 100.0)))
        wait_until(lambda: load.counts(load.now() - 0.3).keys() == {("second", 200)})
        unready(gateway, "fraud")
        with pytest.raises(Retry, match="fraud has no endpoint that is ready"):
            router.remove(TARGET, 2)
        seen(load)
        unreached = gateway.api.get(ENDPOINT_SLICE, gateway.namespace, "fraud")
        unreached["endpoints"][0]["conditions"]["ready"] = True
        gateway.api.replace(ENDPOINT_SLICE, gateway.namespace, "fraud", unreached)
        written(lambda: router.remove(TARGET, 2))


def test_a_version_gets_no_share_before_one_of_its_endpoints_is_ready(gateway, router):
    with users(gateway) as load:
        unready(gateway, "fraud-2")
        with pytest.raises(Retry, match="fraud-2 has no endpoint that is ready"):
            router.set(split(gateway, 50.0))
        seen(load)
        assert weights(gateway) == {"fraud": 1}


def test_a_version_that_is_taken_from_is_not_asked_for_whether_it_answers(gateway, router):
    written(lambda: router.set(split(gateway, 50.0)))
    unready(gateway, "fraud-2")
    unready(gateway, "fraud")  # it has its share already: taking all back waits for nothing
    written(lambda: router.set(split(gateway, 0.0, 1)))
    assert weights(gateway)["fraud-2"] == 0


def test_the_recorder_gets_no_request_while_the_gateway_does_not_know_it(gateway, router, recorder):
    """Traefik answers 500 to the whole share of a Service whose endpoints it has not seen."""
    with users(gateway) as load:
        written(lambda: router.set(split(gateway, 0.0)))
        for _ in range(2):
            with pytest.raises(Retry, match=r"ResolvedRefs|generation"):
                router.set(copied(gateway, 1))
            seen(load)
        assert weights(gateway) == {"fraud": 1_000_000, "fraud-2": 0, RECORDER: 0}
        assert [one.name for one in router.get(TARGET).backends] == [
            one.name for one in split(gateway, 0.0).backends
        ]
        gateway.reach(RECORDER)
        written(lambda: router.set(copied(gateway, 1)))
        assert weights(gateway) == {"fraud": 0, "fraud-2": 0, RECORDER: 1_000_000}
        wait_until(lambda: ("recorder", 200) in load.counts())


def test_the_recorder_gets_no_request_while_the_gateway_stands_still(gateway, router, recorder):
    written(lambda: router.set(split(gateway, 0.0)))
    gateway.reach(RECORDER)
    with gateway.frozen(), pytest.raises(Retry, match="generation"):
        router.set(copied(gateway, 1))
    assert weights(gateway)["fraud"] == 1_000_000
    written(lambda: router.set(copied(gateway, 1)))
    assert weights(gateway)[RECORDER] == 1_000_000


def test_one_that_was_only_made_known_goes_with_the_next_write(gateway, router, recorder):
    written(lambda: router.set(split(gateway, 0.0)))
    with pytest.raises(Retry):
        router.set(copied(gateway, 1))
    written(lambda: router.set(split(gateway, 0.0, 2)))
    assert weights(gateway) == {"fraud": 1_000_000, "fraud-2": 0}
