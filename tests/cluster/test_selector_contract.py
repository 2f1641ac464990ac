"""The contract of traffic routers for the Service selector: real pods, and who is behind the Service."""

import pytest

from policies.place import Place
from service.adapters.kubernetes import endpoints, labels
from service.adapters.kubernetes.kinds import DEPLOYMENT, SERVICE
from service.adapters.kubernetes.selector import ServiceSelector
from service.ports.connections import Cluster
from service.ports.outcomes import Refused
from service.ports.traffic import Backend, Route
from tests.cluster.routing import OWNER, Space, pods
from tests.contracts.test_traffic_router import *  # noqa: F403 (its tests, on the router below)
from tests.running import wait_until

TARGETS = ("fraud/production", "fraud/staging")
TARGET = TARGETS[0]


def found(name):
    """A selector as people write it."""
    return {"app": name, "tier": "models"}


@pytest.fixture(scope="module")
def space(images):
    image = images.model("1")
    with Space() as made:
        for target in TARGETS:
            name = target.replace("/", "-")
            ours = labels.labels(target, f"{name}-2", OWNER)
            made.create(DEPLOYMENT, name, spec=pods(image, found(name) | {"version": "1"}))
            copied = found(name) | {"app": f"{name}-2", "version": "1"} | ours
            made.create(DEPLOYMENT, f"{name}-2", metadata={"labels": ours}, spec=pods(image, copied))
            ports = [{"name": "http", "port": 80}]
            made.create(
                SERVICE, f"{name}-2", metadata={"labels": ours}, spec={"ports": ports, "selector": ours}
            )
        yield made


class ByTarget:
    """A place has one Deployment, so each target has a router of its own."""

    def __init__(self, space):
        cluster = Cluster("test", namespace=space.namespace, owner=OWNER)
        self.routers = {
            target: ServiceSelector(
                space.ours, cluster, Place("test", space.namespace, target.replace("/", "-"))
            )
            for target in TARGETS
        }
        self.capabilities = self.routers[TARGET].capabilities

    def set(self, route):
        return self.routers.get(route.target, self.routers[TARGET]).set(route)

    def get(self, target):
        return self.routers[target].get(target)

    def address(self, target):
        return self.routers[target].address(target)

    def remove(self, target, epoch, attempt=0):
        self.routers[target].remove(target, epoch, attempt)


@pytest.fixture
def router(space):
    names = [target.replace("/", "-") for target in TARGETS]
    for name in names:
        ports = [{"name": "http", "port": 80}]
        space.create(SERVICE, f"{name}-1", spec={"ports": ports, "selector": found(name)})
    wait_until(lambda: all(behind(space, f"{name}-1") and behind(space, f"{name}-2") for name in names), 60)
    yield ByTarget(space)
    for name in names:
        space.api.delete(SERVICE, space.namespace, f"{name}-1")


@pytest.fixture
def backend(space):
    return lambda name, weight: Backend(
        f"{name}.{space.namespace}", f"http://{name}.{space.namespace}.svc:80", weight
    )


@pytest.fixture
def split(backend):
    """All or nothing: of two weights that the contract calls for one after another, one is all."""

    def make(weight, epoch=1, target=TARGET, sticky="none"):
        whole, prefix = round(weight / 10) % 2 * 100.0, target.replace("/", "-")
        return Route(
            target, epoch, (backend(f"{prefix}-1", 100.0 - whole), backend(f"{prefix}-2", whole)), sticky
        )

    return make


def behind(space, name):
    return endpoints.ready_pods(endpoints.slices(space.api, space.namespace, name))


def test_each_target_has_an_address_of_its_own(router):
    assert router.address(TARGET).startswith("http://fraud-production-1.")


def test_a_share_between_all_and_nothing_is_refused(router, backend):
    half = (backend("fraud-production-1", 50.0), backend("fraud-production-2", 50.0))
    with pytest.raises(Refused, match="all or nothing"):
        router.set(Route(TARGET, 1, half))
    assert router.get(TARGET) is None


def test_a_confirmed_switch_has_only_the_wanted_pods_behind_the_service(router, split, space):
    stable, candidate = behind(space, "fraud-production-1"), behind(space, "fraud-production-2")
    router.set(split(10.0))
    assert behind(space, "fraud-production-1") == candidate
    router.set(split(0.0, epoch=2))
    assert behind(space, "fraud-production-1") == stable


def test_handing_back_leaves_the_service_as_it_was_found(router, split, space):
    def said():
        live = space.api.get(SERVICE, space.namespace, "fraud-production-1")
        return live["spec"], live["metadata"].get("annotations"), live["metadata"].get("labels")

    before = said()
    router.set(split(10.0))
    assert said() != before
    router.routers[TARGET].hand_back(TARGET)
    spec, annotations, marks = said()
    assert (spec, annotations or None, marks) == before


def test_a_switch_by_hand_is_seen_with_who_did_it(router, split, space):
    router.set(split(10.0))
    assert router.routers[TARGET].drift(TARGET) is None
    space.api.patch(SERVICE, space.namespace, "fraud-production-1", {"spec": {"selector": {"app": None}}})
    told = router.routers[TARGET].drift(TARGET)
    assert "fraud-production-1" in told
    assert "tier=models" in told
    assert [one.weight for one in router.get(TARGET).backends] == [0.0, 0.0]


def test_a_controller_that_undoes_each_switch_ends_in_a_message_that_mends_it(router, split, space):
    back = {"spec": {"selector": found("fraud-production")}}  # merged into ours, as Argo CD does
    stable = behind(space, "fraud-production-1")
    for epoch in (1, 2, 3):
        router.set(split(10.0, epoch))
        space.api.patch(SERVICE, space.namespace, "fraud-production-1", back)
        wait_until(lambda: behind(space, "fraud-production-1") == stable, 30)
    with pytest.raises(Refused, match=r"(?s)changed back each time.*jsonPointers:\s+- /spec/selector"):
        router.set(split(10.0, epoch=4))
