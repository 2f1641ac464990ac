"""What differs between kinds of routes, and the writes that split an Ingress."""

import itertools

import pytest

from policies.place import Place
from policies.spec.forms import ROUTE_KINDS
from service.adapters.kubernetes import site, splits
from service.adapters.kubernetes.gateway import GatewayRouter
from service.adapters.kubernetes.ingress import IngressRouter, steps
from service.adapters.kubernetes.records import Record
from service.adapters.kubernetes.selector import ServiceSelector
from service.adapters.kubernetes.shapes.ingress import canary_marks
from service.adapters.kubernetes.shapes.known import SHAPES
from service.ports.connections import Cluster
from service.ports.outcomes import Refused
from service.ports.traffic import Backend

NAMES = ("a.ml", "b.ml", "c.ml")


def backends(*shares):
    return tuple(
        Backend(name, f"http://{name}.svc:80", share) for name, share in zip(NAMES, shares, strict=False)
    )


@pytest.mark.parametrize(
    ("route", "routed"),
    [
        (None, ("", "", "")),
        ("ml/fraud", ("", "ml", "fraud")),
        ("virtualservice/ml/fraud", ("virtualservice", "ml", "fraud")),
    ],
)
def test_a_route_is_a_kind_a_namespace_and_a_name(route, routed):
    assert Place("prod", "ml", "fraud", route).routed == routed


def test_every_word_that_may_be_written_is_a_kind_that_is_known():
    assert set(SHAPES) == {"", *ROUTE_KINDS}


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("fraud", "fraud.ml"),
        ("fraud.other.svc.cluster.local", "fraud.other"),
        ("fraud.other.svc", "fraud.other"),
        ("fraud.other", None),
        ("api.example.com", None),
    ],
)
def test_a_host_of_istios_is_a_service_only_where_it_says_so(host, key):
    assert SHAPES["virtualservice"].key({"destination": {"host": host}}, "ml") == key


def test_a_lone_destination_of_istios_has_all_and_one_of_several_without_a_weight_nothing():
    shape, (one, two) = SHAPES["virtualservice"], [{"destination": {"host": name}} for name in "ab"]
    assert splits.weights(shape, [one], "ml") == {"a.ml": 100}
    assert splits.weights(shape, [{**one, "weight": 5}, two], "ml") == {"a.ml": 5, "b.ml": 0}


def test_others_that_have_a_share_of_a_rule_are_named():
    shape = SHAPES["virtualservice"]
    rule = {"route": [{"destination": {"host": host}, "weight": 50} for host in ("a", "api.example.com")]}
    with pytest.raises(Refused, match=r"gives a share to api\.example\.com"):
        splits.with_split(shape, {"http": [rule]}, Record("me", 1, 0, backends(95.0, 5.0)), set(), "ml")


def test_an_ingress_leads_to_its_own_namespace_only():
    with pytest.raises(Refused, match="cannot lead to the Service a in ml"):
        SHAPES["ingress"].ref(backends(100.0)[0], "edge")


SHARES = [
    share for share in itertools.product((0.0, 10.0, 50.0, 90.0, 100.0), repeat=3) if sum(share) == 100.0
]


def served(leads, canary, share):
    """What each gets; a canary that leads where yours does is none."""
    return {leads: 100.0} if canary in {None, leads} else {leads: 100.0 - share, canary: share}


@pytest.mark.parametrize("shares", [one for one in SHARES if sum(share > 0 for share in one) < 3])
@pytest.mark.parametrize("leads", NAMES)
@pytest.mark.parametrize(("canary", "share"), [(None, 0.0), *itertools.product(NAMES, (0.0, 10.0, 100.0))])
def test_each_write_gives_nobody_more_than_it_had_or_gets_or_was_led_to(shares, leads, canary, share):
    wanted = {one.name: one.weight for one in backends(*shares)}
    before = served(leads, canary, share)
    most = {name: max(before.get(name, 0.0), wanted[name]) for name in NAMES}
    most[leads] = 100.0
    main = max(wanted, key=lambda name: wanted[name])
    if wanted[leads] == 0:
        most[main] = 100.0  # what gets most takes the place of what gets nothing
    at = leads
    for step in steps(leads, canary, backends(*shares)):
        if step.share is None:
            at = step.backend.name
        else:
            canary, share = step.backend.name, step.share
        assert all(got <= most[name] for name, got in served(at, canary, share).items())
    after = {name: got for name, got in served(at, canary, share).items() if got}
    assert after == {name: got for name, got in wanted.items() if got}


@pytest.mark.parametrize(
    ("route", "router"),
    [
        (None, ServiceSelector),
        ("ml/fraud", GatewayRouter),
        ("virtualservice/ml/fraud", GatewayRouter),
        ("traefikservice/ml/fraud", GatewayRouter),
        ("ingress/ml/fraud", IngressRouter),
    ],
)
def test_a_deployment_has_the_router_of_its_route(route, router):
    found = site._router(None, Cluster("prod"), Place("prod", "ml", "fraud", route))
    assert type(found) is router


STICKY = {
    "httproute": {"spec": {"rules": [{}, {"sessionPersistence": {"type": "Cookie"}}]}, "kind": "HTTPRoute"},
    "traefikservice": {"spec": {"weighted": {"services": []}}, "kind": "TraefikService"},
}


def live(kind, **spec):
    found = STICKY[kind]
    return {**found, "metadata": {"namespace": "ml", "name": "shop"}, "spec": {**found["spec"], **spec}}


def test_a_rule_that_keeps_users_where_no_rollback_reaches_them_is_told_with_the_line_that_mends_it():
    """By its definition `sessionPersistence` holds also at weight 0."""
    assert SHAPES[""].unkept(live("httproute"), [0], "none") == ""
    assert (
        SHAPES[""]
        .unkept(live("httproute"), [0, 1], "none")
        .endswith(
            "remove it: kubectl patch httproute shop -n ml --type json -p"
            """ '[{"op":"remove","path":"/spec/rules/1/sessionPersistence"}]'"""
        )
    )


def test_a_traefik_service_keeps_users_by_its_own_cookie_only():
    shape = SHAPES["traefikservice"]
    assert shape.unkept(live("traefikservice"), [0], "none") == ""
    assert "kubectl patch traefikservice shop -n ml" in shape.unkept(live("traefikservice"), [0], "cookie")
    sticky = {"services": [], "sticky": {"cookie": {}}}
    assert shape.unkept(live("traefikservice", weighted=sticky), [0], "cookie") == ""


def test_a_canary_of_nginx_keeps_nobody_whatever_the_affinity_of_the_main_one():
    main = {"metadata": {"annotations": {"nginx.ingress.kubernetes.io/affinity": "cookie"}}}
    assert canary_marks(main, 5)["nginx.ingress.kubernetes.io/affinity-canary-behavior"] == "legacy"


@pytest.mark.parametrize(
    ("route", "plane", "can"),
    [
        (None, "traefik", {"weights", "preview", "sticky:cookie", "sticky:header"}),
        (None, "istio", {"weights", "preview"}),
        ("ml/fraud", "traefik", {"weights"}),
        ("virtualservice/ml/fraud", "istio", {"weights"}),
        ("traefikservice/ml/fraud", "traefik", {"weights", "sticky:cookie"}),
    ],
)
def test_each_router_says_how_it_keeps_users(route, plane, can):
    place = Place("prod", "ml", None if route is None else "fraud", route)
    assert GatewayRouter(None, Cluster("prod", plane=plane), place).capabilities == can
