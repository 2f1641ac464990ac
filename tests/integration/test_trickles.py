"""A server that sends a byte now and then, for ever, holds nobody: each client gives it up."""

import pytest

from service.adapters import steady
from service.adapters.hosts.rest import Rest as HostRest
from service.adapters.kubernetes import metrics
from service.adapters.mlflow.rest import Rest as MlflowRest
from service.adapters.oci.remote import Remote
from service.ports.connections import Cluster
from service.ports.metrics import NoData
from service.ports.outcomes import Retry
from tests.misbehaving import Misbehaving, drip, drip_headers, slowly

GRACE = 0.4


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(steady, "GRACE", GRACE)
    with Misbehaving() as server:
        yield server


def git_host(url):
    HostRest(url, "git", lambda: "token x").get("/x")


def image_registry(url):
    remote = Remote(url, None, actions="pull", seconds=(5, 30), store="write it")
    remote.content(remote.ask("GET", "/tags/list", "acme/x", allowed={200}), 1 << 20)


def model_registry(url):
    MlflowRest(url, "models", None).get("/registered-models/get")


@pytest.mark.timeout(30)
@pytest.mark.parametrize("how", [drip, drip_headers])
@pytest.mark.parametrize("ask", [git_host, image_registry, model_registry])
def test_an_answer_that_trickles_is_not_now(server, ask, how):
    server.does(how)
    with pytest.raises(Retry):
        ask(server.url)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("how", [drip, drip_headers])
def test_counters_that_trickle_are_no_data(server, monkeypatch, how):
    monkeypatch.setattr(metrics, "SECONDS", GRACE)
    server.does(how)
    counters = metrics.ClusterMetrics(Cluster("test", metrics=f"{server.url}/metrics"))
    assert isinstance(counters.sample(), NoData)


def test_what_comes_at_the_pace_may_take_longer(server, monkeypatch):
    monkeypatch.setattr(steady, "PACE", 1.0)
    server.does(slowly(b'{"x": "0123456789abcdef"}'))
    rest = HostRest(server.url, "git", lambda: "")
    assert [rest.get("/x") for _ in range(2)] == [{"x": "0123456789abcdef"}] * 2
