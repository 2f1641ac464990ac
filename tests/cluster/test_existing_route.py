"""A route that people have already: only our weights are touched, and whoever undoes them is named."""

import copy
from dataclasses import replace

import pytest

from policies.place import Place
from service.adapters.kubernetes import gitops
from service.adapters.kubernetes.gateway import GatewayRouter
from service.adapters.kubernetes.kinds import GRPC_ROUTE, HTTP_ROUTE
from service.adapters.kubernetes.records import ANNOTATION
from service.ports.connections import Cluster
from service.ports.outcomes import Refused, Retry
from service.ports.traffic import Route
from tests.cluster.kubectl import Kubectl
from tests.cluster.routing import Gateway, kubeconfig

TARGET = "fraud/production"


@pytest.fixture(scope="module")
def gateway():
    with Gateway() as running:
        for name in ("fraud", "fraud-2", "fraud-3", "other"):
            running.service(name, TARGET if name[-1].isdigit() else None)
        yield running


def rules():
    """Two rules lead to the model, by path and by host header; one is somebody else's."""
    ours = {"name": "fraud", "port": 80, "weight": 7}
    return [
        {"matches": [{"path": {"type": "PathPrefix", "value": "/other"}}], "backendRefs": [{"name": "other", "port": 80}]},
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/fraud"}}],
            "timeouts": {"request": "9s"},
            "filters": [
                {
                    "type": "RequestHeaderModifier",
                    "requestHeaderModifier": {"set": [{"name": "X-Team", "value": "risk"}]},
                }
            ],
            "backendRefs": [{**ours, "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["X-Debug"]}}]}],
        },
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/v2/fraud"}}],
            "backendRefs": [ours, {"name": "other", "port": 80, "weight": 0}],
        },
    ]  # fmt: skip


@pytest.fixture
def route(gateway):
    """The name of a route of people's own, and what it says."""
    made = gateway.route("shop", rules(), hostnames=["shop.example"])
    gateway.api.patch(HTTP_ROUTE, gateway.namespace, "shop", {"metadata": {"annotations": {"team": "risk"}}})
    yield made
    gateway.api.delete(HTTP_ROUTE, gateway.namespace, "shop")


@pytest.fixture
def router(gateway, route):
    return adopting(gateway)


def adopting(gateway):
    place = Place("test", gateway.namespace, "fraud", f"{gateway.namespace}/shop")
    return GatewayRouter(gateway.ours, gateway.cluster, place)


def live(gateway):
    found = gateway.api.get(HTTP_ROUTE, gateway.namespace, "shop")
    return found["spec"], {k: v for k, v in found["metadata"]["annotations"].items() if k != ANNOTATION}


def split(gateway, weight, attempt=0, candidate="fraud-2", stable="fraud"):
    backends = (gateway.backend(stable, 100.0 - weight), gateway.backend(candidate, weight))
    return Route(TARGET, 1, backends, attempt=attempt)


def test_only_the_weights_of_our_rules_change(gateway, router, route):
    before, annotations = live(gateway)
    router.set(split(gateway, 5.0))
    after, still = live(gateway)
    assert still == annotations
    expected = copy.deepcopy(before)
    ours = {"group": "", "kind": "Service", "name": "fraud-2", "port": 80, "weight": 50_000}
    for at in (1, 2):
        expected["rules"][at]["backendRefs"][0]["weight"] = 950_000
        expected["rules"][at]["backendRefs"].append(ours)
    assert after == expected


def test_the_found_backend_stays_at_zero_while_later_versions_come_and_go(gateway, router, route):
    router.set(split(gateway, 100.0))
    router.set(split(gateway, 10.0, 1, candidate="fraud-3", stable="fraud-2"))
    said = live(gateway)[0]["rules"][1]["backendRefs"]
    assert [(ref["name"], ref["weight"]) for ref in said] == [
        ("fraud", 0),
        ("fraud-2", 900_000),
        ("fraud-3", 100_000),
    ]
    router.set(split(gateway, 0.0, 2))
    assert [ref["name"] for ref in live(gateway)[0]["rules"][1]["backendRefs"]] == ["fraud", "fraud-2"]


@pytest.mark.parametrize("way", ["removed", "handed back"])
def test_what_was_found_comes_back_exactly(gateway, router, route, way):
    before = live(gateway)
    router.set(split(gateway, 5.0))
    router.set(split(gateway, 100.0, 1))
    router.set(split(gateway, 20.0, 2, candidate="fraud-3", stable="fraud-2"))
    again = adopting(gateway)  # another process, another day
    again.remove(TARGET, 2) if way == "removed" else again.hand_back(TARGET)
    assert live(gateway) == before
    metadata = gateway.api.get(HTTP_ROUTE, gateway.namespace, "shop")["metadata"]
    assert (ANNOTATION in metadata["annotations"]) is (way == "removed")


def test_a_rule_that_gives_others_a_share_is_refused(gateway, router, route):
    Kubectl(kubeconfig()).run(
        *("patch", "httproute", "shop", "-n", gateway.namespace, "--type=json", "-p"),
        '[{"op": "replace", "path": "/spec/rules/2/backendRefs/1/weight", "value": 1}]',
    )
    with pytest.raises(Refused, match="gives a share to other"):
        router.set(split(gateway, 5.0))
    assert router.get(TARGET) is None


def test_a_route_that_does_not_lead_to_the_model_is_refused(gateway, router, route):
    stray = (gateway.backend("fraud-3", 100.0),)
    with pytest.raises(Refused, match=r"no rule of HTTPRoute .*/shop leads to fraud-3.*lead to fraud\."):
        router.set(Route(TARGET, 1, stray))


def test_another_installation_of_segue_is_refused(gateway, router, route):
    router.set(split(gateway, 5.0))
    place = Place("test", gateway.namespace, "fraud", f"{gateway.namespace}/shop")
    theirs = GatewayRouter(gateway.ours, Cluster("test", owner="others"), place)
    with pytest.raises(Refused, match="another installation of Segue"):
        theirs.set(Route(TARGET, 9, (gateway.backend("fraud", 100.0),)))


def edit(gateway, weight):
    """A person, or a controller that knows Git only."""
    Kubectl(kubeconfig()).run(
        *("patch", "httproute", "shop", "-n", gateway.namespace, "--field-manager=argocd-controller"),
        *("--type=json", "-p"),
        f'[{{"op": "replace", "path": "/spec/rules/1/backendRefs/0/weight", "value": {weight}}}]',
    )


def test_a_writer_that_read_before_the_next_holder_wrote_is_refused(gateway, router, route, monkeypatch):
    """It wakes between its read and its write; nothing of its old split reaches the route."""
    late, read = adopting(gateway), gateway.ours.get
    newer = replace(split(gateway, 30.0), epoch=2)

    def woken(kind, *arguments):
        found = read(kind, *arguments)
        if kind == HTTP_ROUTE:
            monkeypatch.setattr(gateway.ours, "get", read)
            router.set(newer)
        return found

    monkeypatch.setattr(gateway.ours, "get", woken)
    with pytest.raises(Refused, match="epoch 2"):
        late.set(split(gateway, 100.0))
    assert router.get(TARGET) == newer


def test_an_annotation_that_was_taken_away_is_told_and_its_order_is_remembered(gateway, router, route):
    router.set(replace(split(gateway, 30.0), epoch=2))
    Kubectl(kubeconfig()).run("annotate", "httproute", "shop", f"{ANNOTATION}-", "-n", gateway.namespace)
    assert "lost Segue's annotation" in router.drift(TARGET)
    with pytest.raises(Refused, match="epoch 2"):
        router.set(split(gateway, 100.0))
    assert router.set(replace(split(gateway, 40.0), epoch=2, attempt=1)).backends[1].weight == 40.0
    before = [rule["backendRefs"] for rule in rules()]
    router.hand_back(TARGET)
    said = [rule["backendRefs"] for rule in live(gateway)[0]["rules"]]
    assert [[ref["name"] for ref in refs] for refs in said] == [
        [ref["name"] for ref in refs] for refs in before
    ]
    assert said[1][0]["weight"] == 7


def test_an_edit_by_hand_is_seen_with_who_did_it(gateway, router, route):
    router.set(split(gateway, 50.0))
    assert router.drift(TARGET) is None
    edit(gateway, 0)
    told = adopting(gateway).drift(TARGET)
    assert "argocd-controller (Update)" in told
    assert f"fraud-2.{gateway.namespace} 100 %" in told
    assert [one.weight for one in router.get(TARGET).backends] == [0.0, 100.0]


def test_an_edit_by_hand_is_written_over_only_as_it_was_seen(gateway, router, route):
    router.set(split(gateway, 50.0))
    edit(gateway, 0)
    seen = router.drift(TARGET)
    edit(gateway, 7)
    now = router.drift(TARGET)
    with pytest.raises(Refused, match="is another one now"):
        router.set(replace(split(gateway, 50.0, 1), over=seen))
    assert router.drift(TARGET) == now
    mended = replace(split(gateway, 50.0, 1), over=now)
    assert router.set(mended) == mended
    assert router.drift(TARGET) is None
    assert router.set(mended) == mended  # as whoever was killed before the answer was stored does again
    with pytest.raises(Refused, match="is as it was written again"):
        router.set(replace(split(gateway, 20.0, 2), over=now))


def test_a_controller_that_undoes_each_write_ends_in_a_message_that_mends_it(gateway, router, route):
    for attempt in (0, 1, 2):
        adopting(gateway).set(split(gateway, 50.0, attempt))
        edit(gateway, 7)
    with pytest.raises(Refused) as refused:
        adopting(gateway).set(split(gateway, 50.0, 3))
    said = str(refused.value)
    assert "argocd-controller" in said
    assert said.endswith(gitops.mend("Argo CD", "HTTPRoute", gateway.namespace, "shop"))


def test_a_write_that_is_undone_while_it_is_confirmed_is_not_confirmed(gateway, router, route, monkeypatch):
    """As by a controller that watches the route."""
    written = gateway.ours.replace

    def undone(*arguments):
        made = written(*arguments)
        edit(gateway, 7)
        return made

    monkeypatch.setattr(gateway.ours, "replace", undone)
    with pytest.raises(Retry, match="changed back by argocd-controller"):
        router.set(split(gateway, 50.0))


def test_a_route_that_the_gateway_does_not_take_is_not_confirmed(gateway):
    gateway.api.create(
        HTTP_ROUTE,
        gateway.namespace,
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "shop"},
            "spec": {"parentRefs": [{"name": "gateway", "sectionName": "tls"}], "rules": rules()},
        },
    )
    try:
        with pytest.raises(Retry, match=r"gateway: Accepted is False|nobody answers for"):
            adopting(gateway).set(split(gateway, 5.0))
    finally:
        gateway.api.delete(HTTP_ROUTE, gateway.namespace, "shop")


def test_the_weights_of_a_grpc_route_are_split_the_same_way(gateway):
    rule = {
        "matches": [{"method": {"service": "fraud.Scores"}}],
        "backendRefs": [{"name": "fraud", "port": 80}],
    }
    gateway.create(GRPC_ROUTE, "calls", spec={"parentRefs": [{"name": "gateway"}], "rules": [rule]})
    place = Place("test", gateway.namespace, "fraud", f"{gateway.namespace}/calls")
    router = GatewayRouter(gateway.ours, gateway.cluster, place)
    before = gateway.api.get(GRPC_ROUTE, gateway.namespace, "calls")["spec"]
    assert router.set(split(gateway, 5.0)) == router.get(TARGET)
    refs = gateway.api.get(GRPC_ROUTE, gateway.namespace, "calls")["spec"]["rules"][0]["backendRefs"]
    assert [(ref["name"], ref["weight"]) for ref in refs] == [("fraud", 950_000), ("fraud-2", 50_000)]
    router.hand_back(TARGET)
    assert gateway.api.get(GRPC_ROUTE, gateway.namespace, "calls")["spec"] == before
