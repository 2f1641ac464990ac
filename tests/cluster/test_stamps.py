"""What answers and requests say of the version that is asked, through a real Traefik, and who may change it."""

import contextlib
import copy

import pytest
import requests

from policies.place import SERVED_BY, Place, served_by
from service.adapters.kubernetes import own_route
from service.adapters.kubernetes.answers import Stale
from service.adapters.kubernetes.gateway import GatewayRouter
from service.adapters.kubernetes.kinds import HTTP_ROUTE
from service.ports.traffic import Route
from service.preview import PREVIEW_HEADER
from tests.cluster.routing import Gateway
from tests.running import wait_until

TARGET = "fraud/production"
NAMES = {"stable": "fraud-1", "candidate": "fraud-2"}


@pytest.fixture(scope="module")
def gateway():
    with Gateway() as running:
        for version, name in NAMES.items():
            running.service(name, TARGET, version)
        yield running


@pytest.fixture
def router(gateway):
    return GatewayRouter(gateway.ours, gateway.cluster, Place("test", gateway.namespace))


def split(gateway, attempt, sticky="none"):
    return Route(TARGET, 1, tuple(gateway.backend(name, 50.0) for name in NAMES.values()), sticky, attempt)


def asked(address, **headers):
    """An answer's version by the model's own word, and by the route's."""
    answer = requests.get(address, headers=headers, timeout=5)
    return answer.headers.get("X-Version"), answer.headers.get(SERVED_BY)


def stamp(gateway, version):
    return served_by(f"{NAMES[version]}.{gateway.namespace}")


@pytest.mark.parametrize(("sticky", "attempt"), [("none", 0), ("cookie", 1)])
def test_each_answer_and_request_says_which_version_it_is_whatever_the_caller_says(
    gateway, router, sticky, attempt
):
    assert router.set(split(gateway, attempt, sticky)) == router.get(TARGET)
    assert router.drift(TARGET) is None
    address = router.address(TARGET)
    both = {(version, stamp(gateway, version)) for version in NAMES}
    wait_until(lambda: {asked(address, **{SERVED_BY: "made up"}) for _ in range(10)} == both)
    assert {version: gateway.models[NAMES[version]].heard[SERVED_BY] for version in NAMES} == dict(both)
    preview = {PREVIEW_HEADER: f"{NAMES['candidate']}.{gateway.namespace}"}
    assert asked(address, **preview) == ("candidate", stamp(gateway, "candidate"))


def test_a_route_of_an_earlier_segue_is_nobodys_change_and_a_wrong_name_is(gateway, router):
    router.set(split(gateway, 2))
    where = (HTTP_ROUTE, gateway.namespace, own_route.own_name(TARGET))
    written = gateway.api.get(*where)
    bare = own_route.own_spec(split(gateway, 2), gateway.cluster.gateway, gateway.namespace)
    rewrite(gateway, where, bare)
    assert router.drift(TARGET) is None
    wrong = copy.deepcopy(written["spec"])
    (_, answers) = wrong["rules"][0]["backendRefs"][0]["filters"]
    answers["responseHeaderModifier"]["set"][0]["value"] = stamp(gateway, "candidate")
    rewrite(gateway, where, wrong)
    assert "was changed by" in router.drift(TARGET)
    router.set(split(gateway, 3))
    assert gateway.api.get(*where)["spec"] == written["spec"]


def rewrite(gateway, where, spec):
    """The route with that spec, whatever its gateway says of it meanwhile."""
    for _ in range(20):
        with contextlib.suppress(Stale):
            gateway.api.replace(*where, {**gateway.api.get(*where), "spec": spec})
            return
    raise AssertionError("somebody else writes it all the time")
