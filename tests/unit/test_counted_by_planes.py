"""What the doctor says of counters: whether a target's versions are told apart, by a real text of each plane."""

import json
import re
import shlex
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner

from service import clusters
from service.adapters import exposition
from service.adapters.exposition import Strange
from service.adapters.kubernetes import counted, planes, reconnecting
from service.cli import connecting
from service.ports.connections import Cluster

NAME = "fraud/production"
NOW = 2e9
STARTED = "process_start_time_seconds 1.5e+09\n"
HEAD = "httproute-shop-fraud-gw-infra-web-ep-web-0-06ef80b4f4e570b02c3b-svc-shop"


class DataPlane(HTTPServer):
    """Tells `body` as its own metrics, and as a Prometheus that has scraped it."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body = STARTED

    def answer(self, query):
        """An instant vector of what was scraped."""
        names = re.search(r'"(.*)"|timestamp\((\w+)|on \(job, instance\) (\w+)', query)
        wanted = next(filter(None, names.groups())).split("|")
        started, series = exposition.chosen(self.body, wanted)
        found = [({"__name__": one.name, **one.labels}, one.value) for one in series]
        if not query.startswith("{"):
            found = [({}, NOW if "timestamp" in query else started)] if found else []
        result = [{"metric": metric, "value": [NOW, str(count)]} for metric, count in found]
        return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        query = parse_qs(urlsplit(self.path).query).get("query")
        said = self.server.answer(query[0]) if query else self.server.body.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *words):
        """Nothing."""


@pytest.fixture
def plane():
    with DataPlane() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def cluster(plane):
    """The connection, which reads by a Prometheus where the data plane has several replicas."""

    def connected(name="traefik"):
        url = f"http://127.0.0.1:{plane.server_port}"
        metrics = f"{url}/metrics" if name == "traefik" else f"prometheus+{url}"
        return Cluster("prod", "/k", namespace="shop", gateway="infra/web", address="http://web", metrics=metrics, plane=name, owner="me")  # fmt: skip

    return connected


def told(cluster, *versions):
    """The one thing that is said of the target's counters."""
    (found,) = counted.apart(NAME, versions or ("fraud.shop",), counted.read(cluster))
    assert found.check == NAME
    return found.ok, found.detail, found.mend


def of_all(cluster):
    """The troubles of the whole reading."""
    return [(one.detail, one.mend) for one in counted.whole(counted.read(cluster), ["shop"]) if not one.ok]


def traefik(service, count=1, code="200", what="service"):
    labels = f'code="{code}",method="GET",protocol="http",{what}="{service}"'
    buckets = f'traefik_{what}_request_duration_seconds_bucket{{{labels},le="+Inf"}} {count}\n'
    return f"traefik_{what}_requests_total{{{labels}}} {count}\n{buckets}"


def istio(service, count, reporter="source"):
    labels = f'response_code="200",destination_service_name="{service}",destination_service_namespace="shop"'
    labels += f',reporter="{reporter}"'
    buckets = f'istio_request_duration_milliseconds_bucket{{{labels},le="+Inf"}} {count}\n'
    return f"istio_requests_total{{{labels}}} {count}\n{buckets}"


def nginx(canary, count):
    labels = f'status="200",exported_service="fraud",exported_namespace="shop",canary="{canary}"'
    buckets = f'nginx_ingress_controller_request_duration_seconds_bucket{{{labels},le="+Inf"}} {count}\n'
    return f"nginx_ingress_controller_requests{{{labels}}} {count}\n{buckets}"


def envoy(name, count):
    labels = f'envoy_cluster_name="{name}"'
    buckets = f'envoy_cluster_upstream_rq_time_bucket{{{labels},le="+Inf"}} {count}\n'
    return f'envoy_cluster_upstream_rq{{envoy_response_code="200",{labels}}} {count}\n{buckets}'


STABLE = f"{HEAD}-fraud-0@kubernetesgateway"
SECOND = f"{HEAD}-fraud2-1@kubernetesgateway"
COUNTED = {
    "traefik": (
        traefik(STABLE, 1200) + traefik(STABLE, 34, "502"),
        f'fraud.shop 1234 requests, 34 of them errors (service="{STABLE}")',
        "; a candidate's say another `service`, as its Service has another name",
    ),
    "istio": (
        istio("fraud", 7) + istio("fraud", 7, "destination"),
        'fraud.shop 7 requests, 0 of them errors (reporter="source" destination_service_name="fraud" destination_service_namespace="shop")',
        "; a candidate's say another `destination_service_name`, as its Service has another name",
    ),
    "nginx": (
        nginx("", 9),
        'fraud.shop 9 requests, 0 of them errors (exported_service="fraud" exported_namespace="shop")',
        "; a candidate's say `canary` with its own Service's name",
    ),
}


@pytest.mark.parametrize("name", COUNTED)
def test_what_serves_is_counted_by_labels_that_a_candidate_has_otherwise(plane, cluster, name):
    text, numbers, apart = COUNTED[name]
    plane.body = STARTED + text
    said = f"{name} counts each by itself: {numbers}, since 2017-07-14T02:40:00Z{apart}"
    assert told(cluster(name)) == (True, said, "")


BOTH = {
    "traefik": traefik(STABLE, 90) + traefik(SECOND, 10),
    "istio": istio("fraud", 90) + istio("fraud2", 10),
    "nginx": nginx("", 90) + nginx("shop-fraud2-80", 10),
    "envoy": envoy("shop/fraud", 90) + envoy("shop/fraud2", 10),
}


@pytest.mark.parametrize("name", BOTH)
def test_two_versions_that_are_counted_are_both_told_with_their_numbers(plane, cluster, name):
    plane.body = STARTED + BOTH[name]
    ok, detail, _ = told(cluster(name), "fraud.shop", "fraud2.shop")
    assert ok
    assert "fraud.shop 90 requests, 0 of them errors (" in detail
    assert "fraud2.shop 10 requests, 0 of them errors (" in detail


def test_envoy_is_not_taken_to_count_a_second_backend_apart_before_it_did(plane, cluster):
    plane.body = STARTED + envoy("shop/fraud", 5)
    ok, detail, _ = told(cluster("envoy"))
    assert ok, "a target at rest would have a trouble for ever"
    unknown = "; unknown whether a candidate is counted apart from it until both have a share"
    assert detail.endswith(f"{unknown}: {planes.PLANES['envoy'].mixed}")


def test_backends_that_envoy_counts_as_one_are_a_trouble_and_never_told_as_numbers(plane, cluster):
    plane.body = STARTED + envoy("shop/fraud|shop/fraud2", 5)
    assert list(counted.apart(NAME, ("fraud.shop", "fraud2.shop"), counted.read(cluster("envoy")))) == []
    words = "is counted by one name with others: what is split cannot be told from the rest"
    mend = planes.PLANES["envoy"].mixed
    assert of_all(cluster("envoy")) == [(f"{name}.shop {words}", mend) for name in ("fraud", "fraud2")]


def test_what_was_never_counted_is_unknown_and_not_well(plane, cluster):
    plane.body = STARTED + traefik(f"{HEAD}-other-0@kubernetesgateway", 5)
    words = "unknown whether its versions are counted apart: traefik has counted no request of fraud.shop yet"
    assert told(cluster()) == (False, words, "send one through the route, then ask again")


def test_an_unasked_candidate_beside_what_is_counted_is_no_trouble(plane, cluster):
    plane.body = STARTED + traefik(STABLE, 5)
    both = counted.apart(NAME, ("fraud.shop", "fraud2.shop"), counted.read(cluster()))
    assert [one.ok for one in both] == [True, True]


def test_nginx_says_which_requests_it_counts_only_if_told_to(plane, cluster):
    plane.body = STARTED + nginx("", 5)
    ok, _, mend = told(cluster("nginx"), "other.shop")
    assert not ok
    assert "--metrics-per-host=false" in mend


UNNAMED = {
    "traefik": (traefik("web", 8, what="entrypoint"), "--metrics.prometheus.addServicesLabels=true"),
    "istio": (istio("fraud", 8, "destination"), '(series with reporter="source")'),
    "nginx": (nginx("", 8).replace("exported_service=", "other="), "exported_service"),
    "envoy": (envoy("httproute/shop/fraud/rule/0", 8), 'clusterStatName: "%BACKEND_REFS%"'),
}


@pytest.mark.parametrize("name", UNNAMED)
def test_counts_that_name_no_service_are_told_with_the_exact_setting(plane, cluster, name):
    text, words = UNNAMED[name]
    plane.body = STARTED + text
    ((detail, mend),) = of_all(cluster(name))
    assert detail == f"{name} counts requests, and not by the Service that they went to"
    assert words in mend


def test_where_nothing_was_counted_at_all_a_request_is_asked_for(plane, cluster):
    assert of_all(cluster()) == [("no request was counted yet", "send one, then ask again")]
    assert list(counted.apart(NAME, ("fraud.shop",), counted.read(cluster()))) == []


WRONG = "is counted as traefik counts, and the cluster is connected with --plane nginx"


def test_a_wrong_preset_is_told_with_the_whole_line_that_connects_with_the_right_one(plane, cluster):
    plane.body = STARTED + traefik(STABLE, 3)
    wrong = replace(cluster("nginx"), metrics=cluster().metrics, context="c", default=True)
    line = (
        "segue cluster prod --plane traefik --kubeconfig /k --context c --namespace shop --gateway infra/web"
        f" --address http://web --metrics {wrong.metrics} --default"
    )
    assert of_all(wrong) == [(f"what is there {WRONG}", line)]
    plane.body += nginx("", 5).replace("exported_service", "service").replace('"fraud"', '"other"')
    assert told(wrong) == (False, f"fraud.shop {WRONG}", line)


def test_the_line_that_is_told_connects_the_same_cluster_otherwise(tmp_path, monkeypatch):
    """It is typed, and what it leaves as it was is as it was."""
    made = []
    monkeypatch.setattr(clusters, "connect", lambda settings, store, wanted: made.append(wanted) or [])
    (tmp_path / "kube config").touch()
    before = Cluster("prod", str(tmp_path / "kube config"), "c", "shop", "infra/web", "http://web", "http://m", "nginx", default=True, gitops="g:main:ml")  # fmt: skip
    _, _, *words = shlex.split(reconnecting.line(before, plane="istio"))
    done = CliRunner().invoke(connecting.cluster, words, env={"SEGUE_HOME": str(tmp_path / "home")})
    assert done.exit_code == 0, done.output
    assert made == [replace(before, plane="istio")]


def test_a_prometheus_that_has_another_data_plane_is_told_with_that_one(plane, cluster):
    plane.body = STARTED + istio("fraud", 3)
    with pytest.raises(Strange, match="Prometheus has no envoy_cluster_upstream_rq"):
        counted.read(cluster("envoy"))
    assert "--plane istio" in counted.again(cluster("envoy"))
    plane.body = STARTED
    assert "--metrics URL" in counted.again(cluster("envoy"))
