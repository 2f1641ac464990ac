"""From splits to Gateway API routes: what is written out, and what a controller's answer means."""

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
