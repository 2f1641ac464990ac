"""What the doctor says of a target's counters before its first release, and while two versions share its route."""

import re

import pytest

from policies.place import Place
from service.adapters.kubernetes import looking
from service.adapters.kubernetes.kinds import DEPLOYMENT, HTTP_ROUTE, NAMESPACE, SERVICE
from service.ports.clusters import Served
from service.ports.connections import Cluster
from tests.misbehaving import Misbehaving, answer

TARGET = "fraud/production"
START = "process_start_time_seconds 1.5e+09\n"
HASH = "06ef80b4f4e570b02c3b"
OWN = "shop-fraud.production-segue"


class Objects:
    """What a cluster has, read by a login that may do everything: a Deployment `fraud` with its Service."""

    def __init__(self):
        pods = {"metadata": {"labels": {"app": "fraud"}}, "spec": {}}
        ports = [{"name": "http", "port": 80}]
        self.there = {(NAMESPACE, "shop"): {"metadata": {"name": "shop"}}}
        self.has(DEPLOYMENT, "fraud", {"template": pods, "selector": {"matchLabels": {"app": "fraud"}}})
        self.has(SERVICE, "fraud", {"selector": {"app": "fraud"}, "ports": ports})

    def has(self, kind, name, spec):
        metadata = {"name": name, "namespace": "shop"}
        self.there[kind, name] = {"kind": kind.title, "metadata": metadata, "spec": spec}

    def routed(self, name, **weights):
        refs = [
            {"name": to.replace("_", "-"), "port": 80, "weight": weight} for to, weight in weights.items()
        ]
        self.has(HTTP_ROUTE, name, {"rules": [{"backendRefs": refs}]})

    def version(self):
        return "v1.37.0"

    def get(self, kind, namespace, name):
        return self.there.get((kind, name)) if namespace in {"shop", None} else None

    def list(self, kind, namespace, labels=""):
        assert not labels
        return [one for (of, _), one in self.there.items() if of == kind and namespace in {"shop", None}]

    def allowed(self, verb, kind, namespace, name=""):
        return True


@pytest.fixture
def plane():
    """A data plane that answers with its counters."""
    with Misbehaving() as server:
        yield server


@pytest.fixture
def objects():
    return Objects()


def counted(route, **requests):
    """Counters as Traefik 3.7 has them, by the Service to which a route led."""
    text = START
    for at, (service, count) in enumerate(requests.items()):
        rule = f"httproute-{route}-gw-infra-web-ep-web-0-{HASH}"
        said = f"{rule}-svc-shop-{service.replace('_', '-')}-{at}@kubernetesgateway"
        labels = f'code="200",method="GET",protocol="http",service="{said}"'
        text += f"traefik_service_requests_total{{{labels}}} {count}\n"
        text += f'traefik_service_request_duration_seconds_bucket{{{labels},le="+Inf"}} {count}\n'
    return text


def said(objects, plane, *texts, place=Place("prod", "shop", "fraud", "shop/fraud")):  # noqa: B008 (frozen)
    """What is said of the target's counters, and all troubles."""
    plane.does(answer("".join(texts)))
    cluster = Cluster("prod", namespace="shop", metrics=f"{plane.url}/metrics")
    found = looking.examine(objects, cluster, [Served(TARGET, place)])
    ours = [one.detail for one in found if one.check == TARGET]
    told = [detail for detail in ours if "traefik" in detail or "unknown" in detail]
    return told, [(one.detail, one.mend) for one in found if not one.ok]


def numbers(told):
    """Who is counted by itself, and how often."""
    assert told.startswith("traefik counts each by itself: ")
    return {name: int(count) for name, count in re.findall(r"(\S+\.shop) (\d+) requests", told)}


def test_before_the_first_release_it_says_how_often_what_serves_was_asked(objects, plane):
    objects.routed("fraud", fraud=1)
    (told,), troubles = said(objects, plane, counted("shop-fraud", fraud=1234))
    assert told.startswith(
        'traefik counts each by itself: fraud.shop 1234 requests, 0 of them errors (service="'
    )
    assert "since 2017-07-14T02:40:00Z; a candidate's say another `service`" in told
    assert troubles == []


def test_each_version_that_has_a_share_is_counted_by_itself(objects, plane):
    objects.routed("fraud", fraud=75, fraud_2=25, fraud_3=0)
    (told,), troubles = said(objects, plane, counted("shop-fraud", fraud=40, fraud_2=12, fraud_3=9))
    assert numbers(told) == {"fraud-2.shop": 12, "fraud.shop": 40}
    assert troubles == []


def test_what_was_not_asked_yet_is_unknown_and_not_well(objects, plane):
    objects.routed("fraud", fraud=1)
    told = "unknown whether its versions are counted apart: traefik has counted no request of fraud.shop yet"
    trouble = (told, "send one through the route, then ask again")
    assert said(objects, plane, counted("shop-churn", churn=3)) == ([told], [trouble])


def test_a_target_that_nothing_serves_yet_is_unknown_and_no_trouble(objects, plane):
    told, troubles = said(objects, plane, counted("shop-churn", churn=3), place=Place("prod", "shop"))
    assert any("unknown whether its versions are counted apart: none of it serves yet" in one for one in told)
    assert troubles == []


def test_a_service_that_two_routes_lead_to_is_told_once_with_what_to_change(objects, plane):
    objects.routed("fraud", fraud=1)
    two = counted("shop-fraud", fraud=5), counted("shop-inner", fraud=2)
    detail = (
        "fraud.shop is counted by route shop-fraud and route shop-inner: what is split cannot be told from"
        " the rest"
    )
    mend = "give each target a Service of its own that no other route leads to"
    assert said(objects, plane, *two) == ([], [(detail, mend)])


def test_versions_behind_a_route_of_segues_own_are_counted_the_same_way(objects, plane):
    objects.routed("fraud.production-segue", fraud_1=90, fraud_2=10)
    text = counted(OWN, fraud_1=9, fraud_2=1)
    (told,), troubles = said(objects, plane, text, place=Place("prod", "shop"))
    assert numbers(told) == {"fraud-1.shop": 9, "fraud-2.shop": 1}
    assert troubles == []


def test_two_services_that_somebody_else_shifts_between_are_counted_the_same_way(objects, plane):
    place = Place("prod", "shop", None, None, "fraud-stable", "fraud-canary")
    text = counted("shop-fraud", fraud_stable=8, fraud_canary=2)
    (told,), _ = said(objects, plane, text, place=place)
    assert numbers(told) == {"fraud-stable.shop": 8, "fraud-canary.shop": 2}


def test_counters_that_cannot_be_read_are_one_trouble_and_nothing_is_said_of_versions(objects, plane):
    objects.routed("fraud", fraud=1)
    mend = "segue cluster prod --metrics URL --namespace shop --in-cluster"
    told, troubles = said(objects, plane, "no counters\n")
    assert told == []
    assert [how for _, how in troubles] == [mend]


def test_a_data_plane_that_counts_nobody_is_one_trouble_with_the_flag_that_mends_it(objects, plane):
    objects.routed("fraud", fraud=1)
    entered = 'traefik_entrypoint_requests_total{code="200",entrypoint="web",method="GET"} 5\n'
    trouble = (
        "traefik counts requests, and not by the Service that they went to",
        "start Traefik with --metrics.prometheus.addServicesLabels=true",
    )
    assert said(objects, plane, START + entered)[1] == [trouble]
