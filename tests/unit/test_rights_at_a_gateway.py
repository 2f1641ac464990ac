"""What the doctor asks of the gateway: the one that it was told of, by name, as the chart's Role gives it."""

import pytest

from service.adapters.kubernetes import looking
from service.adapters.kubernetes.kinds import GATEWAY
from service.ports.connections import Cluster

CLUSTER = Cluster("prod", namespace="ml", gateway="ml/edge")


class Roles:
    """An API server's answer where all is allowed but gateways, of which only these may be read."""

    def __init__(self, *names):
        self._names = names

    def allowed(self, verb, kind, namespace, name=""):
        return kind != GATEWAY or (verb == "get" and namespace == "ml" and name in self._names)


def test_a_right_for_the_one_gateway_is_enough():
    assert [one.ok for one in looking.rights(Roles("edge"), CLUSTER, "ml")] == [True]


@pytest.mark.parametrize("names", [(), ("other",)])
def test_without_it_the_rule_that_is_told_names_the_gateway(names):
    (found,) = looking.rights(Roles(*names), CLUSTER, "ml")
    assert not found.ok
    assert found.mend.endswith("resources: [gateways], resourceNames: [edge], verbs: [get]}")


def test_a_gateway_elsewhere_is_not_asked_for_here():
    assert [one.ok for one in looking.rights(Roles(), CLUSTER, "shop")] == [True]
