"""The contract of traffic routers on routes that are no Gateway API's, as a real API server stores them.

Their schemas are Istio's and Traefik's own; an Ingress is Kubernetes' own. Who serves them is not asked here.
"""

from dataclasses import replace

import pytest

from service.adapters.kubernetes.gateway import GatewayRouter
from service.adapters.kubernetes.ingress import IngressRouter
from service.adapters.kubernetes.kinds import INGRESS, TRAEFIK_SERVICE, VIRTUAL_SERVICE
from tests.cluster.routing import Nowhere
from tests.contracts.test_traffic_router import *  # noqa: F403 (its tests, on the routers below)

TARGETS = ("fraud/production", "fraud/staging")


@pytest.fixture(scope="module")
def space(route_kinds):
    with Nowhere() as made:
        for target in TARGETS:
            for number in (1, 2):
                made.service(f"{stem(target)}-{number}", target)
        yield made


def stem(target):
    return target.replace("/", "-")


class OnePerTarget:
    """A TraefikService is one target's, as is the router of a place: here each has its own."""

    def __init__(self, routers):
        self.routers = routers
        self.capabilities = routers[TARGETS[0]].capabilities

    def __getattr__(self, name):
        def call(first, *rest):
            target = getattr(first, "target", first)
            return getattr(self.routers.get(target, self.routers[TARGETS[0]]), name)(first, *rest)

        return call


def virtual_service(space):
    rules = [
        {
            "match": [{"uri": {"prefix": f"/{target}"}}],
            "route": [{"destination": {"host": f"{stem(target)}-1", "port": {"number": 80}}}],
        }
        for target in TARGETS
    ]
    space.create(VIRTUAL_SERVICE, "shop", spec={"hosts": ["shop.example"], "http": rules})
    return GatewayRouter(space.api, space.cluster, space.place("virtualservice", "shop"))


def traefik_service(space):
    made = {}
    for target in TARGETS:
        services = [{"name": f"{stem(target)}-1", "port": 80}]
        space.create(
            TRAEFIK_SERVICE, stem(target), spec={"weighted": {"services": services, "sticky": {"cookie": {}}}}
        )
        at = replace(space.cluster, address=f"http://127.0.0.1/{target}")
        made[target] = GatewayRouter(space.api, at, space.place("traefikservice", stem(target)))
    return OnePerTarget(made)


def ingress(space):
    paths = [
        {
            "path": f"/{target}",
            "pathType": "Prefix",
            "backend": {"service": {"name": f"{stem(target)}-1", "port": {"number": 80}}},
        }
        for target in TARGETS
    ]
    rules = [{"host": "shop.example", "http": {"paths": paths}}]
    space.create(INGRESS, "shop", spec={"ingressClassName": "nginx", "rules": rules})
    return IngressRouter(space.api, space.cluster, space.place("ingress", "shop"))


MAKERS = {one.__name__: one for one in (virtual_service, traefik_service, ingress)}


@pytest.fixture(params=MAKERS)
def router(request, space):
    yield MAKERS[request.param](space)
    for kind in (VIRTUAL_SERVICE, TRAEFIK_SERVICE, INGRESS):
        for found in space.api.list(kind, space.namespace):
            space.api.delete(kind, space.namespace, found["metadata"]["name"])


@pytest.fixture
def backend(space):
    return space.backend
