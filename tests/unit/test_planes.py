"""What each data plane's counters say, from their own texts: who was asked, how often, with which answer."""

import math

import pytest

from service.adapters import exposition
from service.adapters.exposition import Strange
from service.adapters.kubernetes import planes
from service.adapters.kubernetes.planes import PLANES, counters

START = "process_start_time_seconds 1.5e+09\n"


def seen(plane, text):
    """Requests and errors by backend."""
    found = exposition.read(START + text, PLANES[plane].names)[1]
    return {name: (one.requests, one.errors) for name, one in counters(PLANES[plane], found).items()}


def traefik(service, count=1, code="200"):
    labels = f'code="{code}",method="GET",protocol="http",service="{service}"'
    return (
        f"traefik_service_requests_total{{{labels}}} {count}\n"
        f'traefik_service_request_duration_seconds_bucket{{{labels},le="+Inf"}} {count}\n'
    )


# As Traefik 3.7 says it for the route `fraud` of `shop` at the gateway `web` of `infra`.
HEAD = "httproute-shop-fraud-gw-infra-web-ep-web"
HASH = "06ef80b4f4e570b02c3b"


def test_traefik_tells_the_versions_of_a_split_apart():
    text = traefik(f"{HEAD}-0-{HASH}-svc-shop-fraud-0@kubernetesgateway", 90)
    text += traefik(f"{HEAD}-0-{HASH}-svc-shop-fraud2-1@kubernetesgateway", 9)
    text += traefik(f"{HEAD}-0-{HASH}-svc-shop-fraud2-1@kubernetesgateway", 1, "502")
    assert seen("traefik", text) == {"fraud.shop": (90, 0), "fraud2.shop": (10, 1)}


def test_a_name_with_dashes_is_read_in_every_way_that_it_may_be_meant():
    text = traefik(f"{HEAD}-0-{HASH}-svc-my-shop-fraud-x-0@kubernetesgateway", 5)
    assert seen("traefik", text) == {
        "shop-fraud-x.my": (5, 0),
        "fraud-x.my-shop": (5, 0),
        "x.my-shop-fraud": (5, 0),
    }


def test_several_rules_and_entry_points_of_one_route_are_added_up():
    text = traefik(f"{HEAD}-0-{HASH}-svc-shop-fraud-0@kubernetesgateway", 5)
    text += traefik(f"{HEAD}s-3-{HASH}-svc-shop-fraud-0@kubernetesgateway", 2)
    assert seen("traefik", text) == {"fraud.shop": (7, 0)}


def test_a_service_behind_two_routes_has_no_numbers_and_is_never_taken_for_unasked():
    text = traefik(f"{HEAD}-0-{HASH}-svc-shop-fraud-0@kubernetesgateway", 5)
    text += traefik(
        f"httproute-shop-inner-gw-infra-web-ep-web-0-{HASH}-svc-shop-fraud-0@kubernetesgateway", 2
    )
    assert all(math.isnan(n) for n in seen("traefik", text)["fraud.shop"])
    found = exposition.read(START + text, PLANES["traefik"].names)[1]
    ways = planes.by_two_ways(PLANES["traefik"], found)
    assert ways == {"fraud.shop": ("route shop-fraud", "route shop-inner")}


def test_previews_of_a_route_of_our_own_are_no_users_requests():
    own = "httproute-shop-fraud-production-segue-gw-infra-web-ep-web"
    text = traefik(f"{own}-0-{HASH}-svc-shop-fraud-0@kubernetesgateway", 5)
    text += traefik(f"{own}-1-{HASH}-svc-shop-fraud-0@kubernetesgateway", 2)
    assert seen("traefik", text) == {"fraud.shop": (5, 0)}


def test_traefiks_own_custom_resources_are_read_too_and_nothing_else():
    others = ("api@internal", "fraud@docker", f"{HEAD}-0-{HASH}-wrr@kubernetesgateway", "x@kubernetescrd")
    text = traefik("shop-fraud-80@kubernetescrd", 3) + "".join(map(traefik, others))
    assert seen("traefik", text) == {"fraud.shop": (3, 0)}


def test_istio_counts_what_the_caller_saw_in_milliseconds():
    labels = 'response_code="503",destination_service_name="fraud",destination_service_namespace="shop"'
    text = f'istio_requests_total{{reporter="source",{labels}}} 4\n'
    text += f'istio_requests_total{{reporter="destination",{labels}}} 3\n'
    for bound, count in (("5", 1), ("+Inf", 4)):
        text += (
            f'istio_request_duration_milliseconds_bucket{{reporter="source",{labels},le="{bound}"}} {count}\n'
        )
    assert seen("istio", text) == {"fraud.shop": (4, 4)}
    found = exposition.read(START + text, PLANES["istio"].names)[1]
    assert counters(PLANES["istio"], found)["fraud.shop"].buckets == ((0.005, 1.0), (math.inf, 4.0))


def test_nginx_counts_by_service_and_a_prometheus_may_have_renamed_its_labels():
    labels = 'exported_service="fraud",service="nginx",exported_namespace="shop",namespace="ingress"'
    text = f'nginx_ingress_controller_requests{{status="200",{labels}}} 2\n'
    text += f'nginx_ingress_controller_request_duration_seconds_bucket{{status="200",{labels},le="+Inf"}} 2\n'
    assert seen("nginx", text) == {"fraud.shop": (2, 0)}


def test_what_a_canary_of_nginx_got_is_the_canarys_though_its_service_says_otherwise():
    """The label `service` names the Service of the Ingress that the canary stands beside."""
    text = ""
    for status, canary, n in (("200", "", 90), ("200", "-", 5), ("500", "shop-fraud-2-80", 3)):
        labels = f'service="fraud",namespace="shop",canary="{canary}",status="{status}"'
        text += f"nginx_ingress_controller_requests{{{labels}}} {n}\n"
        text += f'nginx_ingress_controller_request_duration_seconds_bucket{{{labels},le="+Inf"}} {n}\n'
    found = seen("nginx", text)
    assert (found["fraud.shop"], found["fraud-2.shop"]) == ((95, 0), (3, 3))


def test_envoy_that_counts_two_backends_as_one_has_no_numbers():
    text = ""
    for cluster in ("shop/fraud|shop/fraud2", "shop/churn"):
        text += f'envoy_cluster_upstream_rq{{envoy_response_code="200",envoy_cluster_name="{cluster}"}} 2\n'
        text += f'envoy_cluster_upstream_rq_time_bucket{{envoy_cluster_name="{cluster}",le="+Inf"}} 2\n'
        text += f'envoy_cluster_upstream_rq_active{{envoy_cluster_name="{cluster}"}} 1\n'
    found = seen("envoy", text)
    assert found.pop("churn.shop") == (2, 0)
    assert found.keys() == {"fraud.shop", "fraud2.shop"}
    assert all(math.isnan(n) for pair in found.values() for n in pair)


def test_a_data_plane_that_is_not_known_is_named_with_those_that_are():
    with pytest.raises(Strange, match="'haproxy'; known: envoy, istio, nginx, traefik"):
        planes.plane_of("haproxy")


def test_users_that_a_version_keeps_are_counted_and_previews_are_not():
    """The rules of a route of our own: the split, a preview, and one for the users whom the second keeps."""
    head = "httproute-shop-fraud.production-segue-gw-infra-web-ep-web"
    text = traefik(f"{head}-0-{HASH}-svc-shop-fraud-0@kubernetesgateway", 90)
    text += traefik(f"{head}-0-{HASH}-svc-shop-fraud2-1@kubernetesgateway", 9)
    text += traefik(f"{head}-2-{HASH}-svc-shop-fraud2-0@kubernetesgateway", 1000)
    text += traefik(f"{head}-5-{HASH}-svc-shop-fraud2-1@kubernetesgateway", 6)
    assert seen("traefik", text) == {"fraud.shop": (90, 0), "fraud2.shop": (15, 0)}
