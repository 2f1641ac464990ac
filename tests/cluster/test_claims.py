"""Who else is for the same requests, and callers inside: by what a real API server stores.

No mesh runs here: what its controller answers is written into the route's status by the test.
"""

import threading
from dataclasses import replace

import pytest

from policies.place import Place
from service.adapters.kubernetes import confirming, looking, passing
from service.adapters.kubernetes.gateway import GatewayRouter
from service.adapters.kubernetes.kinds import DEPLOYMENT, HTTP_ROUTE
from service.ports.clusters import Served
from service.ports.outcomes import Refused, Retry
from service.ports.traffic import Route
from tests.cluster.routing import Nowhere, pods

TARGET = "fraud/production"
OWN = "fraud.production-segue"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Nobody serves these routes."""
    monkeypatch.setattr(confirming, "SECONDS", 0.2)


@pytest.fixture
def spaces():
    with Nowhere() as one, Nowhere() as other:
        for space in (one, other):
            space.cluster = replace(space.cluster, gateway=f"infra/{one.namespace}")
            space.service("fraud", selector={"app": "fraud"})
            space.service("fraud-2", TARGET)
            space.create(
                DEPLOYMENT, "fraud", spec={**pods("example.invalid/fraud:1", {"app": "fraud"}), "replicas": 0}
            )
        yield one, other


def installation(space, owner, route=None):
    """A Segue of its own in the namespace, on the gateway that all share."""
    place = Place("test", space.namespace, None if route is None else "fraud", route)
    return GatewayRouter(space.api, replace(space.cluster, owner=owner), place)


def split(space, weight=0.0, attempt=0):
    shares = (("fraud", 100.0 - weight), ("fraud-2", weight))
    return Route(TARGET, 1, tuple(space.backend(*one) for one in shares), attempt=attempt)


def written(router, route):
    """The split is stored; nobody serves it."""
    with pytest.raises(Retry, match="nobody answers for Gateway infra/"):
        router.set(route)


def test_a_second_installation_is_refused_the_path_that_another_has(spaces):
    one, other = spaces
    first, second = installation(one, "one"), installation(other, "two")
    written(first, split(one))
    with pytest.raises(Refused) as refused:
        second.set(split(other))
    said = str(refused.value)
    assert f"HTTPRoute {one.namespace}/{OWN} is for the same host and path of the same gateway" in said
    assert "it is of the installation one of Segue: give the model or the environment another name" in said
    assert other.api.get(HTTP_ROUTE, other.namespace, OWN) is None
    written(first, split(one, 50.0, 1))  # who was there goes on
    first.remove(TARGET, 2)
    written(second, split(other))


def taken(space, router, name, **spec):
    """A route that leads to the Service, as people have one."""
    match = {"path": {"type": "PathPrefix", "value": "/fraud"}}
    rules = [{"matches": [match], "backendRefs": [{"name": "fraud", "port": 80}]}]
    space.create(HTTP_ROUTE, name, spec={"rules": rules, **spec})
    return installation(space, router, f"{space.namespace}/{name}")


def attached(space):
    return [{"name": space.cluster.gateway.partition("/")[2], "namespace": "infra"}]


def test_a_route_of_yours_that_the_gateway_does_not_prefer_is_told_at_the_takeover_and_by_the_doctor(spaces):
    one, other = spaces
    first = taken(one, "one", "shop", parentRefs=attached(one))
    threading.Event().wait(1.1)  # ages are whole seconds
    second = taken(other, "two", "late", parentRefs=attached(one))
    written(first, split(one))
    with pytest.raises(
        Refused, match=rf"{one.namespace}/shop .*kubectl edit httproute shop -n {one.namespace}"
    ):
        second.set(split(other))
    found = [
        looking.existing(
            space.api,
            Served(TARGET, Place("test", space.namespace, "fraud", f"{space.namespace}/{name}")),
        )
        for space, name in ((one, "shop"), (other, "late"))
    ]
    troubles = [[(one.detail, one.mend) for one in some if not one.ok] for some in found]
    told = (
        f"HTTPRoute {one.namespace}/shop is for the same host and path of the same gateway, which prefers it"
    )
    mend = f"change its match: kubectl edit httproute shop -n {one.namespace}"
    assert troubles == [[], [(told, mend)]]


def test_the_doctor_says_it_of_a_route_of_segues_own(spaces):
    one, other = spaces
    rival = {"matches": [{"path": {"type": "PathPrefix", "value": f"/{TARGET}"}}]}
    written(installation(one, "one"), split(one))
    closer = {"parentRefs": attached(one), "hostnames": ["a.example"], "rules": [rival]}
    other.create(HTTP_ROUTE, "closer", spec=closer)
    (found,) = [
        one for one in passing.own(one.api, TARGET, Place("test", one.namespace)) if not one.ok
    ]  # the closer host is preferred, however young
    assert f"HTTPRoute {other.namespace}/closer is for the same host and path" in found.detail


def test_callers_inside_are_split_by_a_route_whose_parent_is_the_service(spaces):
    space, _ = spaces
    parent = {"group": "", "kind": "Service", "name": "fraud", "port": 80}
    router = taken(space, "one", "mesh", parentRefs=[parent])
    with pytest.raises(Retry, match=f"nobody answers for Service {space.namespace}/fraud"):
        router.set(split(space, 5.0))
    route = space.api.get(HTTP_ROUTE, space.namespace, "mesh")
    weights = [(one["name"], one["weight"]) for one in route["spec"]["rules"][0]["backendRefs"]]
    assert weights == [("fraud", 950_000), ("fraud-2", 50_000)]
    answer(space, route, parent)
    assert router.set(split(space, 5.0)) == router.get(TARGET)
    assert router.address(TARGET) == f"http://fraud.{space.namespace}.svc:80/fraud"

    def past(name):
        place = Place("test", space.namespace, "fraud", f"{space.namespace}/{name}")
        found = looking.existing(space.api, Served(TARGET, place))
        return [one.detail for one in found if one.ok and "callers inside" in one.detail]

    assert past("mesh") == []
    space.api.delete(HTTP_ROUTE, space.namespace, "mesh")
    taken(space, "one", "edge", parentRefs=attached(space))
    (told,) = past("edge")
    assert "has the parent {group: '', kind: Service, name: fraud}" in told


def answer(space, route, parent):
    """What a mesh's controller says of a route that it serves."""
    generation = route["metadata"]["generation"]
    conditions = [
        {
            "type": kind,
            "status": "True",
            "reason": kind,
            "message": "",
            "observedGeneration": generation,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for kind in ("Accepted", "ResolvedRefs")
    ]
    said = {"parentRef": parent, "controllerName": "example.com/mesh", "conditions": conditions}
    patch = {"status": {"parents": [said]}}
    space.api.patch(HTTP_ROUTE, space.namespace, "mesh", patch, subresource="status")
