"""The contract of traffic routers on a real cluster, with a real Traefik that confirms what is written."""

import pytest

from policies.place import Place
from service.adapters.kubernetes.gateway import GatewayRouter
from service.adapters.kubernetes.kinds import HTTP_ROUTE
from tests.cluster.routing import Gateway
from tests.contracts.test_traffic_router import *  # noqa: F403 (its tests, on the routers below)

TARGETS = ("fraud/production", "fraud/staging")


@pytest.fixture(scope="module")
def gateway():
    with Gateway() as running:
        for target in TARGETS:
            for number in (1, 2):
                running.service(f"{target.replace('/', '-')}-{number}", target)
        yield running


@pytest.fixture(params=["own", "existing"])
def router(request, gateway):
    """On routes of its own, and on rules of one that is there already."""
    place = Place("test", gateway.namespace)
    if request.param == "existing":
        rules = [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": f"/{target}"}}],
                "backendRefs": [{"name": f"{target.replace('/', '-')}-1", "port": 80}],
            }
            for target in TARGETS
        ]
        gateway.route("shop", rules)
        place = Place("test", gateway.namespace, "fraud", f"{gateway.namespace}/shop")
    yield GatewayRouter(gateway.ours, gateway.cluster, place)
    for found in gateway.api.list(HTTP_ROUTE, gateway.namespace):
        gateway.api.delete(HTTP_ROUTE, gateway.namespace, found["metadata"]["name"])


@pytest.fixture
def backend(gateway):
    return gateway.backend
