"""Routes that are no Gateway API's: only our weights are touched, and all comes back as it was found.

TraefikServices are served by a real Traefik here. Of VirtualServices and Ingresses it is tested what the
API server stores, as neither Istio nor NGINX runs here.
"""

import json
import shlex

import pytest
import requests

from policies.place import Place
from service.adapters.kubernetes import gitops, looking
from service.adapters.kubernetes.adoption import TAKEN, Found
from service.adapters.kubernetes.answers import Stale
from service.adapters.kubernetes.gateway import GatewayRouter
from service.adapters.kubernetes.ingress import IngressRouter
from service.adapters.kubernetes.kinds import DEPLOYMENT, INGRESS, TRAEFIK_SERVICE, VIRTUAL_SERVICE, Kind
from service.adapters.kubernetes.metrics import ClusterMetrics
from service.adapters.kubernetes.records import ANNOTATION
from service.adapters.kubernetes.view import KubernetesView
from service.ports.clusters import Served
from service.ports.outcomes import Refused
from service.ports.traffic import Route
from tests.cluster.kubectl import Kubectl
from tests.cluster.routing import CustomResources, Nowhere, kubeconfig, pods
from tests.running import wait_until

TARGET = "fraud/production"
INGRESS_ROUTE = Kind("traefik.io/v1alpha1", "ingressroutes")
CANARY = "fraud.production-segue"


@pytest.fixture(scope="module")
def space(route_kinds):
    with Nowhere() as made:
        made.service("fraud", selector={"app": "fraud"})
        for name in ("fraud-2", "fraud-3", "other"):
            made.service(name, TARGET if name[-1].isdigit() else None)
        made.create(
            DEPLOYMENT, "fraud", spec={**pods("example.invalid/fraud:1", {"app": "fraud"}), "replicas": 0}
        )
        yield made


def destination(name, **more):
    return {"destination": {"host": name, "port": {"number": 80}}, **more}


HTTP = [
    {"match": [{"uri": {"prefix": "/other"}}], "route": [destination("other")]},
    {
        "match": [{"uri": {"prefix": "/fraud"}}],
        "timeout": "9s",
        "retries": {"attempts": 2},
        "route": [destination("fraud", headers={"request": {"remove": ["x-debug"]}})],
    },
    {
        "match": [{"headers": {"x-team": {"exact": "risk"}}}],
        "route": [
            destination("fraud.NAMESPACE.svc.cluster.local", weight=100),
            destination("other", weight=0),
        ],
    },
    {"match": [{"uri": {"exact": "/old"}}], "redirect": {"uri": "/fraud"}},
]
TLS = [{"match": [{"sniHosts": ["shop.example"]}], "route": [{"destination": {"host": "fraud"}}]}]


def path(where, name, port):
    service = {"name": name, "port": port}
    return {"path": where, "pathType": "Prefix", "backend": {"service": service}}


PATHS = [path("/fraud", "fraud", {"name": "http"}), path("/other", "other", {"number": 80})]
SPECS = {
    "virtualservice": (VIRTUAL_SERVICE, {"hosts": ["shop.example"], "http": HTTP, "tls": TLS}),
    "traefikservice": (
        TRAEFIK_SERVICE,
        {"weighted": {"sticky": {"cookie": {"name": "at"}}, "services": [{"name": "fraud", "port": "http"}]}},
    ),
    "ingress": (
        INGRESS,
        {
            "ingressClassName": "nginx",
            "rules": [
                {"host": "shop.example", "http": {"paths": PATHS}},
                {"host": "v2.example", "http": {"paths": [path("/", "fraud", {"number": 80})]}},
            ],
        },
    ),
}


def routed(space, word):
    """The kind of the route that a router for it takes over."""
    kind, spec = SPECS[word]
    said = json.loads(json.dumps(spec).replace("NAMESPACE", space.namespace))
    space.create(kind, "shop", metadata={"annotations": {"team": "risk"}}, spec=said)
    return kind


@pytest.fixture(params=SPECS)
def word(request, space):
    kind = routed(space, request.param)
    yield request.param
    for one in space.api.list(kind, space.namespace):
        space.api.delete(kind, space.namespace, one["metadata"]["name"])


@pytest.fixture
def istio(space):
    yield routed(space, "virtualservice")
    space.api.delete(VIRTUAL_SERVICE, space.namespace, "shop")


@pytest.fixture
def nginx(space):
    yield routed(space, "ingress")
    for one in space.api.list(INGRESS, space.namespace):
        space.api.delete(INGRESS, space.namespace, one["metadata"]["name"])


def adopting(space, word):
    router = IngressRouter if word == "ingress" else GatewayRouter
    return router(space.api, space.cluster, space.place(word, "shop"))


def live(space, word):
    found = space.api.get(SPECS[word][0], space.namespace, "shop")
    return found["spec"], {k: v for k, v in found["metadata"]["annotations"].items() if k != ANNOTATION}


def split(space, weight, attempt=0, candidate="fraud-2", stable="fraud"):
    backends = (space.backend(stable, 100.0 - weight), space.backend(candidate, weight))
    return Route(TARGET, 1, backends, attempt=attempt)


@pytest.mark.parametrize("way", ["removed", "handed back"])
def test_what_was_found_comes_back_exactly(space, word, way):
    before = live(space, word)
    router = adopting(space, word)
    assert router.set(split(space, 5.0)) == router.get(TARGET)
    router.set(split(space, 100.0, 1))
    router.set(split(space, 20.0, 2, candidate="fraud-3", stable="fraud-2"))
    assert live(space, word) != before
    again = adopting(space, word)  # another process, another day
    again.remove(TARGET, 2) if way == "removed" else again.hand_back(TARGET)
    assert live(space, word) == before
    notes = space.api.get(SPECS[word][0], space.namespace, "shop")["metadata"]["annotations"]
    assert (ANNOTATION in notes) is (way == "removed")
    left = {one["metadata"]["name"] for one in space.api.list(SPECS[word][0], space.namespace)}
    assert left - {"shop"} == ({CANARY} if way == "removed" and word == "ingress" else set())


def noted(adopted):
    """What is noted of it; the Deployment's own controller writes it now and then, too."""
    for _ in range(20):
        try:
            return adopted.note(adopted.read())
        except Stale:
            continue
    raise AssertionError("it is never left alone")


def test_a_deployment_behind_it_is_found_taken_over_and_examined(space, word):
    found = KubernetesView(space.api, space.cluster).existing(space.namespace, "fraud")
    assert found.routes == (f"{word}/{space.namespace}/shop",)
    place = space.place(word, "shop")
    known = noted(Found(space.api, space.cluster, place))
    assert (known["service"], known["port"]) == ("fraud", 80)
    Kubectl(kubeconfig()).run("annotate", "deployment", "fraud", f"{TAKEN}-", "-n", space.namespace)
    told = [one.detail for one in looking.existing(space.api, Served(TARGET, place)) if not one.ok]
    assert told == []
    past = [
        one.detail
        for one in looking.existing(space.api, Served(TARGET, place))
        if "past the split" in one.detail
    ]
    assert bool(past) is (word != "virtualservice")  # it says nothing of gateways, so it is for all sidecars
    stray = space.place(word, "gone")
    told = [one.detail for one in looking.existing(space.api, Served(TARGET, stray)) if not one.ok]
    assert told == [f"there is no route {word}/{space.namespace}/gone"]


EDITS = {
    "virtualservice": ("shop", "/spec/http/1/route/0/weight", 7),
    "traefikservice": ("shop", "/spec/weighted/services/0/weight", 7),
    "ingress": (CANARY, "/metadata/annotations/nginx.ingress.kubernetes.io~1canary-weight", "930000"),
}


def edit(space, word):
    """A person, or a controller that knows Git only."""
    name, where, said = EDITS[word]
    Kubectl(kubeconfig()).run(
        *("patch", word, name, "-n", space.namespace, "--field-manager=argocd-controller", "--type=json"),
        *("-p", json.dumps([{"op": "replace", "path": where, "value": said}])),
    )


def test_whoever_undoes_each_write_is_named_and_told_what_mends_it(space, word):
    kind = {"virtualservice": "VirtualService", "traefikservice": "TraefikService", "ingress": "Ingress"}[
        word
    ]
    for attempt in (0, 1, 2):
        router = adopting(space, word)
        router.set(split(space, 50.0, attempt))
        assert router.drift(TARGET) is None
        edit(space, word)
        told = adopting(space, word).drift(TARGET)
        assert told.startswith(f"{kind} {space.namespace}/{EDITS[word][0]} was changed by argocd-controller")
        assert f"fraud-2.{space.namespace} " in told
        assert [one.weight for one in router.get(TARGET).backends] != [50.0, 50.0]
    with pytest.raises(Refused) as refused:
        adopting(space, word).set(split(space, 50.0, 3))
    assert str(refused.value).endswith(gitops.mend("Argo CD", kind, space.namespace, EDITS[word][0]))


def test_a_route_that_leads_elsewhere_or_is_not_there_is_refused(space, word):
    stray = (space.backend("fraud-3", 100.0),)
    with pytest.raises(Refused, match=r"leads to fraud-3\..* lead to fraud\."):
        adopting(space, word).set(Route(TARGET, 1, stray))
    gone = space.place(word, "gone")
    router = IngressRouter if word == "ingress" else GatewayRouter
    with pytest.raises(Refused, match=rf"there is no \w+ {space.namespace}/gone"):
        router(space.api, space.cluster, gone).set(split(space, 5.0))


def test_the_doctor_tells_of_users_that_nobody_keeps_and_its_line_mends_it(space):
    kind = routed(space, "traefikservice")
    space.api.patch(
        kind, space.namespace, "shop", [{"op": "remove", "path": "/spec/weighted/sticky"}], "json"
    )

    def troubles(sticky):
        place = space.place("traefikservice", "shop")
        return [one for one in looking.existing(space.api, Served(TARGET, place, sticky)) if not one.ok]

    assert troubles("none") == []
    (trouble,) = troubles("cookie")
    assert "keeps no user on a version, as `sticky: cookie` asks" in trouble.detail
    line = trouble.mend.removeprefix("write: ").removeprefix("kubectl ")
    Kubectl(kubeconfig()).run(*shlex.split(line))
    assert troubles("cookie") == []
    space.api.delete(kind, space.namespace, "shop")


def test_of_a_virtual_service_only_the_weights_of_our_rules_change(space, istio):
    before = live(space, "virtualservice")[0]
    adopting(space, "virtualservice").set(split(space, 5.0))
    expected = json.loads(json.dumps(before))
    for at in (1, 2):
        expected["http"][at]["route"][0]["weight"] = 95
        expected["http"][at]["route"].append(destination("fraud-2", weight=5))
    assert live(space, "virtualservice")[0] == expected


def test_what_is_no_whole_percent_is_written_finer_and_never_rounded_away(space, istio):
    """Istio's proportions need not add to 100; whole percents do, as older ones want them."""
    router = adopting(space, "virtualservice")
    for attempt, (weight, said) in enumerate(
        [(1.0, [99, 1]), (0.5, [995_000, 5_000]), (1e-9, [1_000_000, 1])]
    ):
        router.set(split(space, weight, attempt))
        rule = live(space, "virtualservice")[0]["http"][1]["route"]
        assert [one["weight"] for one in rule] == said


def test_a_rule_that_splits_by_subsets_is_refused(space, istio):
    """Two references to one Service: neither weight is the version's."""
    two = [{"op": "add", "path": "/spec/http/1/route/-", "value": destination("fraud", weight=5)}]
    words = ("patch", "virtualservice", "shop", "-n", space.namespace, "--type=json", "-p", json.dumps(two))
    Kubectl(kubeconfig()).run(*words)
    with pytest.raises(Refused, match=r"names fraud\.\S+ 2 times"):
        adopting(space, "virtualservice").set(split(space, 5.0))


def canary(space):
    """Where yours leads, and where the canary does with how many parts of a million."""
    backends = [
        one["backend"]["service"]["name"] for one in live(space, "ingress")[0]["rules"][0]["http"]["paths"]
    ]
    other = space.api.get(INGRESS, space.namespace, CANARY)
    served = {
        p["backend"]["service"]["name"] for rule in other["spec"]["rules"] for p in rule["http"]["paths"]
    }
    notes = other["metadata"]["annotations"]
    prefix = "nginx.ingress.kubernetes.io/canary"
    assert (notes[prefix], notes[f"{prefix}-weight-total"]) == ("true", "1000000")
    assert [rule["host"] for rule in other["spec"]["rules"]] == ["shop.example", "v2.example"]
    assert other["spec"]["ingressClassName"] == "nginx"
    return backends, served.pop(), int(notes[f"{prefix}-weight"])


def test_an_ingress_is_split_by_its_canary_and_led_on_once_a_version_has_all(space, nginx):
    router = adopting(space, "ingress")
    router.set(split(space, 0.5))
    assert canary(space) == (["fraud", "other"], "fraud-2", 5_000)
    router.set(split(space, 100.0, 1))
    assert canary(space) == (["fraud-2", "other"], "fraud", 0)
    router.set(split(space, 10.0, 2, candidate="fraud-3", stable="fraud-2"))
    assert canary(space) == (["fraud-2", "other"], "fraud-3", 100_000)
    router.set(split(space, 0.0, 3, candidate="fraud-3", stable="fraud-2"))
    assert canary(space) == (["fraud-2", "other"], "fraud-3", 0)
    three = [
        space.backend(name, share) for name, share in (("fraud", 50.0), ("fraud-2", 30.0), ("fraud-3", 20.0))
    ]
    with pytest.raises(Refused, match="has one canary"):
        router.set(Route(TARGET, 1, tuple(three), attempt=4))


def test_an_ingress_that_was_led_elsewhere_by_hand_is_told_and_left_with_no_canary(space, nginx):
    router = adopting(space, "ingress")
    router.set(split(space, 5.0))
    ours = ("/spec/rules/0/http/paths/0", "/spec/rules/1/http/paths/0")
    moved = [{"op": "replace", "path": f"{at}/backend/service/name", "value": "other"} for at in ours]
    words = ("patch", "ingress", "shop", "-n", space.namespace, "--type=json", "-p", json.dumps(moved))
    Kubectl(kubeconfig()).run(*words)
    assert f"Ingress {space.namespace}/shop was changed by kubectl" in router.drift(TARGET)
    router.remove(TARGET, 1, 1)
    notes = space.api.get(INGRESS, space.namespace, CANARY)["metadata"]["annotations"]
    assert notes["nginx.ingress.kubernetes.io/canary-weight"] == "0"
    with pytest.raises(Refused, match="older write"):
        router.set(split(space, 5.0))
    router.hand_back(TARGET)
    left = [one["metadata"]["name"] for one in space.api.list(INGRESS, space.namespace)]
    assert left == ["shop"]


def test_a_writer_that_stopped_before_its_canary_changes_nothing_later(space, nginx, monkeypatch):
    """It wrote its order into yours, then slept; who came after it has written both."""
    late, take = adopting(space, "ingress"), IngressRouter._take
    newer = Route(TARGET, 2, split(space, 30.0).backends)

    def woken(self, step, route):
        monkeypatch.setattr(IngressRouter, "_take", take)
        assert self.get(TARGET) != route
        assert self.drift(TARGET) is None
        adopting(space, "ingress").set(newer)
        return take(self, step, route)

    adopting(space, "ingress").set(split(space, 1.0))
    monkeypatch.setattr(IngressRouter, "_take", woken)
    with pytest.raises(Refused, match="epoch 2"):
        late.set(split(space, 100.0, 1))
    assert adopting(space, "ingress").get(TARGET) == newer


@pytest.fixture(scope="module")
def traefik(route_kinds):
    with CustomResources() as running:
        running.service("fraud", None, "stable")
        running.service("fraud-2", TARGET, "candidate")
        running.create(
            TRAEFIK_SERVICE, "shop", spec={"weighted": {"services": [{"name": "fraud", "port": 80}]}}
        )
        rule = {
            "kind": "Rule",
            "match": "PathPrefix(`/`)",
            "services": [{"kind": "TraefikService", "name": "shop"}],
        }
        running.create(INGRESS_ROUTE, "shop", spec={"entryPoints": ["web"], "routes": [rule]})
        yield running


def test_a_real_traefik_splits_requests_as_its_traefik_service_says(traefik):
    """By what users get, and by Traefik's own counters for each version."""
    place = Place("test", traefik.namespace, "fraud", f"traefikservice/{traefik.namespace}/shop")
    router = GatewayRouter(traefik.api, traefik.cluster, place)
    metrics = ClusterMetrics(traefik.cluster)
    with requests.Session() as session:

        def seen(times):
            answers = [session.get(router.address(TARGET), timeout=5) for _ in range(times)]
            assert {one.status_code for one in answers} == {200}
            return sum(one.headers["X-Version"] == "candidate" for one in answers)

        wait_until(lambda: session.get(router.address(TARGET), timeout=5).ok)
        for attempt, (weight, wanted) in enumerate([(25.0, 50), (2.5, 5), (100.0, 200), (0.0, 0)]):
            router.set(split(traefik, weight, attempt))
            wait_until(lambda expected=wanted: seen(200) == pytest.approx(expected, abs=1))
            before = dict(metrics.sample().backends)
            served = seen(200)
            after = dict(metrics.sample().backends)
            name = f"fraud-2.{traefik.namespace}"
            assert after[name].requests - before[name].requests == served
            assert served == pytest.approx(wanted, abs=1)
        router.hand_back(TARGET)
        wait_until(lambda: seen(20) == 0)
