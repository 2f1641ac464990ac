"""From splits to Gateway API routes: what is written out, and what a controller's answer means."""

import copy
import re

import pytest
from inline_snapshot import snapshot

from service.adapters.kubernetes import own_route, records, routes_manifest
from service.adapters.kubernetes.records import ANNOTATION, Record
from service.adapters.kubernetes.shapes import WHOLE, part
from service.ports.outcomes import Refused
from service.ports.traffic import Backend, Route

ROUTE = Route(
    "fraud/production",
    4,
    (
        Backend("fraud-1.shop", "http://fraud-1.shop.svc:8080", 99.99),
        Backend("fraud-2.shop", "http://fraud-2.shop.svc:8080", 0.01),
    ),
)


def test_a_route_of_our_own_is_written_out_whole():
    assert own_route.own_spec(ROUTE, "infra/web", "shop") == snapshot(
        {
            "parentRefs": [
                {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "infra", "name": "web"}
            ],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/fraud/production"}}],
                    "filters": [
                        {
                            "type": "URLRewrite",
                            "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}},
                        }
                    ],
                    "backendRefs": [
                        {"group": "", "kind": "Service", "name": "fraud-1", "port": 8080, "weight": 999900},
                        {"group": "", "kind": "Service", "name": "fraud-2", "port": 8080, "weight": 100},
                    ],
                },
                {
                    "matches": [
                        {
                            "path": {"type": "PathPrefix", "value": "/fraud/production"},
                            "headers": [
                                {"type": "Exact", "name": "X-Segue-Version", "value": "fraud-1.shop"}
                            ],
                        }
                    ],
                    "filters": [
                        {
                            "type": "URLRewrite",
                            "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}},
                        }
                    ],
                    "backendRefs": [
                        {"group": "", "kind": "Service", "name": "fraud-1", "port": 8080, "weight": 1000000}
                    ],
                },
                {
                    "matches": [
                        {
                            "path": {"type": "PathPrefix", "value": "/fraud/production"},
                            "headers": [
                                {"type": "Exact", "name": "X-Segue-Version", "value": "fraud-2.shop"}
                            ],
                        }
                    ],
                    "filters": [
                        {
                            "type": "URLRewrite",
                            "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}},
                        }
                    ],
                    "backendRefs": [
                        {"group": "", "kind": "Service", "name": "fraud-2", "port": 8080, "weight": 1000000}
                    ],
                },
                {
                    "matches": [
                        {
                            "path": {"type": "PathPrefix", "value": "/fraud/production"},
                            "headers": [
                                {"type": "RegularExpression", "name": "X-Segue-Version", "value": ".*"}
                            ],
                        }
                    ]
                },
            ],
        }
    )


@pytest.mark.parametrize(("percent", "whole"), [(0.0, 0), (1e-9, 1), (0.0001, 1), (0.01, 100), (100 / 3, 333_333), (100.0, 1_000_000)])  # fmt: skip
def test_a_weight_is_fine_and_only_nothing_is_nothing(percent, whole):
    assert part(percent, WHOLE) == whole


@pytest.mark.parametrize("name", ["a", "a.b.c", ".b", "a."])
def test_a_backend_in_a_cluster_is_called_service_and_namespace(name):
    with pytest.raises(Refused, match=r"service\.namespace"):
        routes_manifest.service_of(Backend(name, "http://a:80", 1.0))


def live(**condition):
    said = {"type": "Accepted", "status": "True", "observedGeneration": 2, **condition}
    parents = [
        {
            "parentRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"},
            "conditions": [said, {"type": "ResolvedRefs", "status": "True", "observedGeneration": 2}],
        }
    ]
    return {
        "metadata": {"namespace": "shop", "name": "fraud", "generation": 2},
        "spec": {"parentRefs": [{"name": "web"}]},
        "status": {"parents": parents},
    }


def test_a_route_is_confirmed_when_every_parent_took_this_generation():
    assert routes_manifest.unconfirmed(live()) == []


UNCONFIRMED = {
    "generation 1, not 2": live(observedGeneration=1),
    "Accepted is False: NotAllowedByListeners": live(status="False", reason="NotAllowedByListeners"),
    "Accepted is unknown": live(type="Other"),
    "nobody answers for Gateway shop/web": {**live(), "status": {}},
    "attached to no gateway": {**live(), "spec": {}},
}


@pytest.mark.parametrize("why", UNCONFIRMED)
def test_a_route_that_is_not_taken_says_why(why):
    assert why in ", ".join(routes_manifest.unconfirmed(UNCONFIRMED[why]))


def test_a_record_reads_back_as_written_beside_those_of_other_targets():
    record = Record("me", 4, 2, ROUTE.backends, "none", ({"fraud.shop": 7},), (12.5,))
    one = records.with_record({"metadata": {"annotations": {"team": "risk"}}}, "fraud/production", record)
    two = records.with_record(one, "churn/production", Record("me", 1, 0))
    assert records.records(two)["fraud/production"] == record
    gone = records.with_record(records.with_record(two, "churn/production", None), "fraud/production", None)
    assert gone["metadata"]["annotations"] == {"team": "risk"}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a/b": {}}', '{"a/b": 1}'])
def test_a_record_that_cannot_be_read_is_never_taken_for_none(text):
    with pytest.raises(Refused, match="cannot be read"):
        records.records(
            {"metadata": {"namespace": "shop", "name": "fraud", "annotations": {ANNOTATION: text}}}
        )


def kept(sticky, *shares):
    """The split's rule, and the rules behind the previews of a route whose users are kept."""
    backends = tuple(
        Backend(f"fraud-{n}.shop", f"http://fraud-{n}.shop.svc:80", share)
        for n, share in enumerate(shares, 1)
    )
    rules = own_route.own_spec(Route("fraud/production", 4, backends, sticky), "infra/web", "shop")["rules"]
    return rules[0], rules[len(shares) + 2 :]


def test_each_version_with_a_share_gives_its_users_a_cookie_and_keeps_those_that_have_it():
    split, (one, two) = kept("cookie", 90.0, 10.0)
    (told,) = split["backendRefs"][1]["filters"]
    assert told == snapshot(
        {
            "type": "ResponseHeaderModifier",
            "responseHeaderModifier": {
                "add": [
                    {
                        "name": "Set-Cookie",
                        "value": "segue_fraud_production=3d91a8f27607ecf5; Path=/fraud/production; HttpOnly; SameSite=Lax",
                    }
                ]
            },
        }
    )
    assert [(match["headers"], match["path"]["value"]) for match in two["matches"]] == snapshot(
        [
            (
                [
                    {
                        "type": "RegularExpression",
                        "name": "Cookie",
                        "value": "^(.*;\\s*)?segue_fraud_production=3d91a8f27607ecf5(\\s*;.*)?$",
                    }
                ],
                "/fraud/production",
            )
        ]
    )
    assert [(ref["name"], ref["weight"]) for ref in one["backendRefs"]] == [
        ("fraud-2", 0),
        ("fraud-1", WHOLE),
    ]
    assert [(ref["name"], ref["weight"]) for ref in two["backendRefs"]] == [
        ("fraud-1", 0),
        ("fraud-2", WHOLE),
    ]


@pytest.mark.parametrize(
    ("cookies", "kept_there"),
    [
        ("segue_fraud_production=TOKEN", True),
        ("a=b; segue_fraud_production=TOKEN; c=d", True),
        ("a=b;segue_fraud_production=TOKEN", True),
        ("segue_fraud_production=TOKENx", False),
        ("xsegue_fraud_production=TOKEN", False),
        ("segue_fraud_production=other", False),
        ("a=segue_fraud_production=TOKEN", False),
    ],
)
def test_the_cookie_is_found_among_others_whole_by_parts_of_values_and_by_whole_ones(cookies, kept_there):
    split, (_, two) = kept("cookie", 90.0, 10.0)
    said = split["backendRefs"][1]["filters"][0]["responseHeaderModifier"]["add"][0]["value"]
    token = said.partition("=")[2].partition(";")[0]
    pattern = two["matches"][0]["headers"][0]["value"]
    sent = cookies.replace("TOKEN", token)
    assert bool(re.search(pattern, sent)) is bool(re.fullmatch(pattern, sent)) is kept_there


def test_a_header_is_kept_by_its_value_alone():
    split, (one, _) = kept("header", 90.0, 10.0)
    (said,) = split["backendRefs"][0]["filters"][0]["responseHeaderModifier"]["add"]
    (asked,) = one["matches"][0]["headers"]
    assert (asked["type"], asked["name"], asked["value"]) == ("Exact", said["name"], said["value"])
    assert said["name"] == own_route.SESSION_HEADER


@pytest.mark.parametrize(
    ("sticky", "shares", "rules"),
    [
        ("none", (90.0, 10.0), 0),
        ("cookie", (100.0, 0.0), 0),
        ("cookie", (100.0,), 0),
        ("header", (60.0, 40.0, 0.0), 2),
    ],
)
def test_nobody_is_kept_on_a_version_without_a_share_or_where_one_has_all(sticky, shares, rules):
    split, others = kept(sticky, *shares)
    assert len(others) == rules
    assert sum("filters" in ref for ref in split["backendRefs"]) == rules


def test_a_cookie_that_somebody_takes_out_of_the_route_is_a_difference():
    route = Route("fraud/production", 4, ROUTE.backends, "cookie")
    wanted = own_route.own_spec(route, "infra/web", "shop")
    assert own_route.own_differences(wanted, wanted, "shop") == []
    changed = copy.deepcopy(wanted)
    del changed["rules"][0]["backendRefs"][1]["filters"]
    assert own_route.own_differences(changed, wanted, "shop") != []
