"""The recorder of a shadow in a cluster: its objects, when it is made and ended, and who is told its notes."""

import copy
import itertools
import json
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from policies.place import Place
from policies.recording import Keep, Recording
from service.adapters.kubernetes import (
    hearing,
    labels,
    own_route,
    recorders_manifest,
    records,
    shadowing,
    splits,
    stamps,
)
from service.adapters.kubernetes.answers import Taken
from service.adapters.kubernetes.gateway import GatewayRouter
from service.adapters.kubernetes.kinds import (
    DEPLOYMENT,
    ENDPOINT_SLICE,
    GATEWAY,
    HTTP_ROUTE,
    NETWORK_POLICY,
    PDB,
    POD,
    SERVICE,
)
from service.adapters.kubernetes.recorders import Recorders
from service.adapters.kubernetes.shapes.known import SHAPES
from service.machine.installation import TOKEN
from service.ports.clusters import Served
from service.ports.connections import Cluster
from service.ports.outcomes import Refused, Retry
from service.ports.traffic import Backend, Route
from service.recorder import between
from service.recorder.kept import Kept
from service.recorder.spool import Assigned, Lost
from service.settings import Settings

TARGET, NAMESPACE = "fraud/production", "ml"
PLACE = Place("prod", NAMESPACE)
CLUSTER = Cluster("prod", namespace=NAMESPACE, owner="me", gateway="infra/web", address="http://web")
STABLE = Backend("fraud-1.ml", "http://fraud-1.ml.svc:8080", 100.0)
CANDIDATE = Backend("fraud-2.ml", "http://fraud-2.ml.svc:8080", 0.0)
SHADOW = Recording(copies=True, answer="predictions.0", keep=Keep.HASHED, sample=0.5)
ROUTE = Route(TARGET, 3, (STABLE, CANDIDATE), recording=SHADOW, copied=CANDIDATE.name)
CANARY = Route(TARGET, 3, (STABLE, CANDIDATE), attempt=1)
VERSIONS = (STABLE.name, CANDIDATE.name)


class FakeApi:
    """Objects by kind and name, as an API server has them; a recorder answers once its pods are there."""

    def __init__(self):
        self.objects, self.made, self.asked = {}, [], []
        self.endpoints = (True, True, True, False)
        self.recorder, self.token = Kept(), ""
        for name in ("fraud-1", "fraud-2"):
            self.objects[SERVICE, name] = self._with_metadata({"spec": {"ports": [{"port": 8080}]}}, name)
        self.objects[GATEWAY, "web"] = {"status": {"conditions": [{"type": "Programmed", "status": "True"}]}}

    def _with_metadata(self, body, name):
        made = {**copy.deepcopy(body)}
        made["metadata"] = {
            "generation": 1,
            "resourceVersion": "1",
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"u-{name}",
            **made.get("metadata", {}),
        }
        return made

    def get(self, kind, namespace, name):
        return copy.deepcopy(self.objects.get((kind, name)))

    def list(self, kind, namespace, labels="", fields=""):
        if kind == ENDPOINT_SLICE:
            return [{"endpoints": [{"conditions": {"ready": ready}} for ready in self.endpoints]}]
        wanted = dict(pair.split("=") for pair in labels.split(",") if pair)
        found = (one for (known, _), one in self.objects.items() if known == kind)
        return [one for one in found if wanted.items() <= one["metadata"].get("labels", {}).items()]

    def create(self, kind, namespace, body):
        name = body["metadata"]["name"]
        if (kind, name) in self.objects:
            raise Taken(name)
        self.objects[kind, name] = self._with_metadata(body, name)
        self.made.append((kind, name))
        self._serve(kind, name)

    def replace(self, kind, namespace, name, body):
        self.objects[kind, name] = copy.deepcopy(body)
        self._serve(kind, name)

    def _serve(self, kind, name):
        """What a gateway's controller says of a route."""
        if kind == HTTP_ROUTE:
            one = self.objects[kind, name]
            said = {"status": "True", "observedGeneration": one["metadata"].get("generation")}
            conditions = [{"type": kind, **said} for kind in ("Accepted", "ResolvedRefs")]
            parents = [
                {"parentRef": ref, "conditions": conditions} for ref in one["spec"].get("parentRefs", ())
            ]
            one["status"] = {"parents": parents}

    def allowed(self, verb, kind, namespace, name=""):
        return namespace is not None

    def patch(self, kind, namespace, name, patch):
        one = self.objects[kind, name]
        assert patch["metadata"]["resourceVersion"] == one["metadata"]["resourceVersion"]
        one["metadata"]["annotations"] |= patch["metadata"]["annotations"]
        one["metadata"]["generation"] += 1
        one["spec"]["template"] = patch["spec"]["template"]

    def delete(self, kind, namespace, name, grace=None, uid=None):
        assert self.objects[kind, name]["metadata"]["uid"] == uid
        del self.objects[kind, name]

    def be_ready(self):
        for (kind, _), one in self.objects.items():
            if kind == DEPLOYMENT:
                pods, seen = one["spec"]["replicas"], one["metadata"]["generation"]
                one["status"] = {
                    "availableReplicas": pods,
                    "updatedReplicas": pods,
                    "observedGeneration": seen,
                }

    def proxied(self, namespace, service, port, path, query, headers):
        if not self.kinds(service):
            return None
        self.asked.append((service, port, path))
        said = dict(query)
        assert between.proof_of(headers[between.TOKEN]) == self.order(service)["proof"]
        marks = (int(said[name].partition(":")[2] or 0) for name in ("heard", "stored"))
        return json.dumps(self.recorder.tell(*marks)).encode()

    def order(self, name):
        (container,) = self.objects[DEPLOYMENT, name]["spec"]["template"]["spec"]["containers"]
        return json.loads(container["env"][0]["value"])

    def kinds(self, name):
        return {kind for kind, known in self.objects if known == name}


@pytest.fixture
def cluster():
    return FakeApi()


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / TOKEN).write_text("operators")
    return Settings(home=tmp_path, builder_image="registry.example/segue@sha256:1")


@pytest.fixture
def recorders(cluster, settings):
    return Recorders(cluster, CLUSTER, PLACE, settings)


@pytest.fixture
def router(cluster, recorders):
    return GatewayRouter(cluster, CLUSTER, PLACE, recorders=recorders)


def name_of(route=ROUTE):
    stable = next(one.name for one in route.backends if one.weight)
    return recorders_manifest.name_of("me", TARGET, stable, route.copied)


def enter(cluster, router, route=ROUTE):
    with pytest.raises(Retry):
        router.set(route)
    cluster.be_ready()
    return router.set(route)


def refs(cluster):
    rule = cluster.objects[HTTP_ROUTE, own_route.own_name(TARGET)]["spec"]["rules"][0]
    return {ref["name"]: ref["weight"] for ref in rule["backendRefs"]}


# --- its objects ---------------------------------------------------------------------------------


def test_its_pods_are_restricted_drained_and_told_nothing_that_is_secret(cluster, recorders):
    with pytest.raises(Retry, match="starts"):
        recorders.keep(ROUTE)
    name = name_of()
    assert cluster.kinds(name) == {DEPLOYMENT, SERVICE, PDB}
    deployment = cluster.get(DEPLOYMENT, NAMESPACE, name)
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert deployment["spec"]["replicas"] == 3  # as many as stable has that answer
    assert container["image"] == "registry.example/segue@sha256:1"
    assert container["command"] == ["python3", "-m", "service.recorder.pod"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert container["lifecycle"]["preStop"]["sleep"]["seconds"] < pod["terminationGracePeriodSeconds"]
    order = between.read(container["env"][0]["value"])
    assert (order.stable.url, order.candidate.url) == (STABLE.url, CANDIDATE.url)
    assert order.stable.recording.sample == 0
    assert "operators" not in json.dumps(deployment)


def test_its_image_is_pulled_with_the_secrets_of_stables_pods_and_the_installations_own(cluster, settings):
    worn = {"segue.dev/workload": "fraud-1"}
    cluster.objects[SERVICE, "fraud-1"]["spec"]["selector"] = worn
    given = [{"name": "registry"}, {"name": "models"}]
    for number, labelled in enumerate((worn, worn, {"app": "other"})):
        secrets = given if labelled == worn else [{"name": "others"}]
        pod = {"metadata": {"labels": labelled}, "spec": {"imagePullSecrets": secrets}}
        cluster.objects[POD, f"pod-{number}"] = pod
    recorders = Recorders(cluster, CLUSTER, PLACE, replace(settings, builder_pull_secrets=("registry",)))

    def pulled():
        pod = cluster.get(DEPLOYMENT, NAMESPACE, name_of())["spec"]["template"]["spec"]
        return pod["imagePullSecrets"]

    with pytest.raises(Retry, match="starts"):
        recorders.keep(ROUTE)
    assert pulled() == given
    changed = replace(ROUTE, recording=Recording(copies=True))
    with pytest.raises(Retry, match="told otherwise"):
        recorders.keep(changed)
    assert pulled() == given, "a recorder that is told otherwise goes on to be pulled"


@pytest.mark.parametrize(("ready", "pods"), [(0, 2), (1, 2), (3, 3), (500, 20)])
def test_it_has_as_many_pods_as_stable_and_never_one(ready, pods):
    assert recorders_manifest.pods_for(ready) == pods


def test_an_order_with_what_kubernetes_would_replace_reaches_the_pod_as_it_is():
    odd = Recording(copies=True, answer="a.$(HOME)")
    leg = between.Leg(TARGET, "a.ml", "http://a", odd)
    order = between.Order(leg, leg, "p")
    made = recorders_manifest.deployment("r", labels.labels(TARGET, "r", "me"), order, "i", 2)
    said = made["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"]
    assert between.read(said.replace("$$", "$")) == order


# --- a route that leads to it ----------------------------------------------------------------------


def test_a_route_leads_to_it_only_once_all_its_pods_are_ready(cluster, router):
    for _ in range(2):
        with pytest.raises(Retry):
            router.set(ROUTE)
        assert cluster.get(HTTP_ROUTE, NAMESPACE, own_route.own_name(TARGET)) is None
    cluster.be_ready()
    assert router.set(ROUTE) == ROUTE == router.get(TARGET)
    assert refs(cluster) == {"fraud-1": 0, "fraud-2": 0, name_of(): 1_000_000}
    assert router.drift(TARGET) is None


def test_a_route_leads_to_it_only_once_all_its_endpoints_are_ready(cluster, router):
    with pytest.raises(Retry):
        router.set(ROUTE)
    cluster.be_ready()
    cluster.endpoints = (True, True)
    with pytest.raises(Retry, match="2 of 3 endpoints of the recorder are ready"):
        router.set(ROUTE)
    cluster.endpoints = (True, True, True)
    assert router.set(ROUTE) == ROUTE


def test_a_route_names_it_without_a_share_before_it_gets_all(cluster, router):
    router.set(CANARY)
    written, replaced = [], cluster.replace

    def replace_and_look(kind, namespace, name, body):
        replaced(kind, namespace, name, body)
        written.append((refs(cluster), router.get(TARGET)))

    cluster.replace = replace_and_look
    again = replace(ROUTE, attempt=2)
    enter(cluster, router, again)
    (first, shown), (last, _) = written
    assert first == {"fraud-1": 1_000_000, "fraud-2": 0, name_of(): 0}
    assert shown.backends == ROUTE.backends  # it is nobody's version
    assert last == {"fraud-1": 0, "fraud-2": 0, name_of(): 1_000_000}
    router.set(again)
    assert len(written) == 2


def test_it_is_ended_only_after_the_route_leads_past_it(cluster, router):
    enter(cluster, router)
    deleted = cluster.delete

    def delete(kind, namespace, name, grace=None, uid=None):
        assert refs(cluster) == {"fraud-1": 1_000_000, "fraud-2": 0}
        deleted(kind, namespace, name, grace, uid)

    cluster.delete = delete
    assert router.set(CANARY) == CANARY == router.get(TARGET)
    assert cluster.kinds(name_of()) == set()
    assert {"fraud-1", "fraud-2"} <= {name for kind, name in cluster.objects if kind == SERVICE}


def test_one_that_was_made_for_a_write_that_never_came_is_ended_by_the_next(cluster, router):
    with pytest.raises(Retry):
        router.set(ROUTE)
    router.set(CANARY)
    assert cluster.kinds(name_of()) == set()


def test_an_end_that_broke_off_is_ended_by_the_next_write(cluster, router):
    enter(cluster, router)
    del cluster.objects[SERVICE, name_of()]
    router.set(CANARY)
    assert cluster.kinds(name_of()) == set()


def test_an_older_write_moves_nothing_and_ends_nothing(cluster, router):
    enter(cluster, router)
    with pytest.raises(Refused, match="too old"):
        router.set(Route(TARGET, 2, (STABLE,)))
    assert refs(cluster)[name_of()] == 1_000_000
    assert cluster.kinds(name_of()) == {DEPLOYMENT, SERVICE, PDB}


def test_a_target_that_is_removed_has_none_any_more(cluster, router):
    enter(cluster, router)
    router.remove(TARGET, 4)
    assert cluster.kinds(name_of()) == set()


def test_somebody_elses_change_of_the_route_is_drift(cluster, router):
    enter(cluster, router)
    rule = cluster.objects[HTTP_ROUTE, own_route.own_name(TARGET)]["spec"]["rules"][0]
    rule["backendRefs"][1]["weight"] = 500_000
    assert "fraud-2.ml 33" in router.drift(TARGET)


def test_another_pair_of_versions_has_another_recorder_and_each_route_its_own():
    other = Route(
        TARGET, 4, (STABLE, Backend("fraud-3.ml", "http://fraud-3.ml.svc:8080", 0.0)), copied="fraud-3.ml"
    )
    assert name_of(other) != name_of()


def test_one_that_answers_users_is_told_otherwise_pod_by_pod_and_never_ended(cluster, router):
    enter(cluster, router)
    made = list(cluster.made)
    changed = Route(TARGET, 3, ROUTE.backends, recording=Recording(copies=True), copied=CANDIDATE.name)
    with pytest.raises(Retry, match="told otherwise"):
        router.set(changed)
    with pytest.raises(Retry, match="0 of 3 pods"):  # those of before are ready, and do not count
        router.set(changed)
    cluster.be_ready()
    assert router.set(changed) == changed
    assert cluster.made == made
    assert cluster.order(name_of())["stable"]["recording"]["answer"] == ""


def test_somebody_elses_object_of_its_name_is_left_alone(cluster, router):
    cluster.create(DEPLOYMENT, NAMESPACE, {"kind": "Deployment", "metadata": {"name": name_of()}})
    with pytest.raises(Refused, match="that Segue did not make"):
        router.set(ROUTE)


def test_without_the_installations_token_nothing_is_made_and_nobody_is_asked(cluster, tmp_path):
    bare = Recorders(cluster, CLUSTER, PLACE, Settings(home=tmp_path / "bare", builder_image="i"))
    with pytest.raises(Refused, match="operator-token"):
        GatewayRouter(cluster, CLUSTER, PLACE, recorders=bare).set(ROUTE)
    assert cluster.made == []
    assert bare.take(TARGET, VERSIONS, {}, {}) == ([], {})
    assert cluster.asked == []


def test_without_segues_own_image_it_is_said_what_to_set(cluster, settings):
    bare = Recorders(cluster, CLUSTER, PLACE, replace(settings, builder_image=None))
    with pytest.raises(Refused, match="SEGUE_BUILDER_IMAGE"):
        GatewayRouter(cluster, CLUSTER, PLACE, recorders=bare).set(ROUTE)


def test_versions_that_speak_something_else_than_plain_http_are_not_put_behind_it(cluster, router):
    cluster.objects[SERVICE, "fraud-2"]["spec"]["ports"][0]["appProtocol"] = "kubernetes.io/h2c"
    with pytest.raises(Refused, match=r"speaks kubernetes\.io/h2c"):
        router.set(ROUTE)
    assert cluster.made == []


# --- who answered ----------------------------------------------------------------------------------

NOTED = replace(CANARY, recording=Recording(assigns=True))
LISTENER = recorders_manifest.LISTENER


def shared(weight, attempt=2, recording=NOTED.recording):
    backends = (replace(STABLE, weight=100.0 - weight), replace(CANDIDATE, weight=weight))
    return replace(NOTED, backends=backends, attempt=attempt, recording=recording)


def listens_for(cluster):
    return cluster.order(LISTENER)["targets"] if cluster.kinds(LISTENER) else None


def test_before_a_version_gets_its_first_request_somebody_listens_who_stands_in_nobodys_way(cluster, router):
    replaced = []
    cluster.replace, replacing = (
        lambda *given: replaced.append(listens_for(cluster)) or replacing(*given),
        cluster.replace,
    )
    router.set(NOTED)
    assert router.set(shared(5.0)) == shared(5.0)  # and it waits for no pod
    assert replaced == [[TARGET]]
    assert refs(cluster) == {"fraud-1": 950_000, "fraud-2": 50_000}
    assert cluster.kinds(LISTENER) == {DEPLOYMENT, SERVICE, PDB}
    pod = cluster.get(DEPLOYMENT, NAMESPACE, LISTENER)["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    assert "lifecycle" not in pod["containers"][0]
    assert "operators" not in json.dumps(pod)


def test_it_listens_for_all_targets_that_ask_and_ends_with_the_last_of_them(cluster, router, recorders):
    router.set(NOTED)
    recorders.listeners.keep("churn/production")
    assert listens_for(cluster) == ["churn/production", TARGET]
    router.set(shared(5.0))
    assert listens_for(cluster) == ["churn/production", TARGET]
    router.set(shared(10.0, 3, recording=None))
    assert listens_for(cluster) == ["churn/production"]
    recorders.end("churn/production", ())
    assert listens_for(cluster) is None


def test_it_runs_the_image_of_the_segue_that_asks(cluster, router, settings):
    router.set(NOTED)
    newer = Recorders(
        cluster, CLUSTER, PLACE, replace(settings, builder_image="registry.example/segue@sha256:2")
    )
    GatewayRouter(cluster, CLUSTER, PLACE, recorders=newer).set(shared(5.0))
    pod = cluster.get(DEPLOYMENT, NAMESPACE, LISTENER)["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "registry.example/segue@sha256:2"


def test_without_the_installations_token_nobody_listens_and_the_route_is_written(cluster, tmp_path):
    bare = Recorders(cluster, CLUSTER, PLACE, Settings(home=tmp_path / "bare", builder_image="i"))
    with capture_logs() as logs:
        assert GatewayRouter(cluster, CLUSTER, PLACE, recorders=bare).set(NOTED) == NOTED
    assert "operator-token" in logs[0]["reason"]
    assert listens_for(cluster) is None


def test_an_order_that_another_segue_wrote_is_left_alone(cluster, router, recorders):
    router.set(NOTED)
    one = cluster.objects[DEPLOYMENT, LISTENER]["spec"]["template"]["spec"]["containers"][0]
    one["env"][0]["value"] = '{"other": 1}'
    recorders.end(TARGET, ())
    assert cluster.kinds(LISTENER) == {DEPLOYMENT, SERVICE, PDB}


def test_a_target_that_is_removed_asks_nobody_any_more(cluster, router):
    router.set(NOTED)
    router.remove(TARGET, 4)
    assert listens_for(cluster) is None


def test_nothing_that_stands_against_it_holds_up_a_write(cluster, settings):
    bare = Recorders(cluster, CLUSTER, PLACE, replace(settings, builder_image=None))
    router = GatewayRouter(cluster, CLUSTER, PLACE, recorders=bare)
    with capture_logs() as logs:
        assert router.set(NOTED) == NOTED
    (told,) = logs
    assert told["event"] == "nobody notes who answers"
    assert "SEGUE_BUILDER_IMAGE" in told["reason"]


def test_its_notes_are_asked_for_by_a_token_of_its_own(cluster, router, recorders):
    assert recorders.answered({}) == ([], {})
    router.set(NOTED)
    cluster.recorder.add([Assigned(TARGET, "r-1", "abcd", 1.0)])
    notes, heard = recorders.answered({})
    assert notes == [Assigned(TARGET, "r-1", "abcd", 1.0)]
    assert recorders.answered(heard) == ([], heard)
    assert set(cluster.asked) == {(LISTENER, between.CONTROL, between.NOTES)}


@pytest.mark.parametrize(
    ("cluster_of", "place"),
    [
        (replace(CLUSTER, plane="envoy"), PLACE),
        (CLUSTER, Place("prod", NAMESPACE, "fraud", "ml/shop")),
        (CLUSTER, Place("prod", NAMESPACE, "fraud", "virtualservice/ml/fraud")),
    ],
    ids=["another plane", "a route of the team's", "another kind of route"],
)
def test_who_answered_is_noted_only_where_segues_own_route_says_it(cluster, recorders, cluster_of, place):
    with pytest.raises(Refused, match="nothing notes who answered"):
        GatewayRouter(cluster, cluster_of, place, recorders=recorders).set(NOTED)


def test_other_kinds_of_routes_copy_nothing(cluster, recorders):
    place = Place("prod", NAMESPACE, "fraud", "virtualservice/ml/fraud")
    with pytest.raises(Refused, match="nothing copies"):
        GatewayRouter(cluster, CLUSTER, place, recorders=recorders).set(ROUTE)


# --- a route of the team's -------------------------------------------------------------------------

FOUND = {
    "rules": [{"backendRefs": [{"name": "fraud-1", "port": 8080}], "matches": [{"path": {"value": "/f"}}]}]
}


@pytest.fixture
def existing(cluster, recorders):
    body = {"kind": "HTTPRoute", "metadata": {"name": "shop", "resourceVersion": "1"}}
    parents = [{"name": "web", "namespace": "infra"}]
    cluster.create(HTTP_ROUTE, NAMESPACE, {**body, "spec": {**copy.deepcopy(FOUND), "parentRefs": parents}})
    place = Place("prod", NAMESPACE, "fraud", "ml/shop")
    return GatewayRouter(cluster, CLUSTER, place, recorders=recorders)


def test_a_route_of_the_teams_leads_to_it_and_is_handed_back_as_it_was_found(cluster, existing):
    enter(cluster, existing)
    (rule,) = cluster.objects[HTTP_ROUTE, "shop"]["spec"]["rules"]
    assert {ref["name"]: ref["weight"] for ref in rule["backendRefs"]}[name_of()] == 1_000_000
    assert rule["matches"] == FOUND["rules"][0]["matches"]
    existing.hand_back(TARGET)
    assert cluster.objects[HTTP_ROUTE, "shop"]["spec"]["rules"] == FOUND["rules"]
    assert cluster.kinds(name_of()) == set()


def test_a_route_of_another_namespace_is_not_led_to_it(cluster, recorders):
    body = {"kind": "HTTPRoute", "metadata": {"name": "shop", "namespace": "edge"}}
    cluster.create(HTTP_ROUTE, "edge", {**body, "spec": copy.deepcopy(FOUND)})
    place = Place("prod", NAMESPACE, "fraud", "edge/shop")
    with pytest.raises(Refused, match="another namespace"):
        GatewayRouter(cluster, CLUSTER, place, recorders=recorders).set(ROUTE)


# --- what a route says -----------------------------------------------------------------------------


def test_a_record_with_a_recorder_is_read_as_it_was_written_and_one_without_is_as_before():
    recorder = recorders_manifest.backend_of(name_of(), NAMESPACE)
    for record in (
        records.of_route(ROUTE, "me", None, recorder),
        records.of_route(CANARY, "me", None),
    ):
        live = records.with_record({"metadata": {}}, TARGET, record)
        assert records.records(live)[TARGET] == record
        assert ("shadow" in live["metadata"]["annotations"][records.ANNOTATION]) is (
            record.recorder is not None
        )


def test_nobody_is_shown_the_recorder_as_a_version_and_it_says_itself_whose_answer_it_is():
    recorder = recorders_manifest.backend_of(name_of(), NAMESPACE)
    written = records.written_route(TARGET, records.of_route(ROUTE, "me", None, recorder))
    rules = stamps.stamped(own_route.own_spec(written, "infra/web", NAMESPACE), NAMESPACE)["rules"]
    assert len(rules) == 4  # the split, two previews, and no such version
    assert {ref["name"]: bool(ref.get("filters")) for ref in rules[0]["backendRefs"]} == {
        "fraud-1": True,
        "fraud-2": True,
        name_of(): False,
    }


def test_the_versions_of_a_rule_are_known_by_the_recorder_before_them():
    recorder = recorders_manifest.backend_of(name_of(), NAMESPACE)
    record = records.of_route(ROUTE, "me", None, recorder)
    assert splits.names_of(record) == {*VERSIONS, recorder.name}
    spec = splits.with_split(SHAPES[""], copy.deepcopy(FOUND), record, set(), NAMESPACE)
    assert splits.differences(SHAPES[""], spec, record, NAMESPACE) == []


# --- its notes -------------------------------------------------------------------------------------


def test_notes_are_heard_once_and_again_by_who_stored_none(cluster, router, recorders):
    enter(cluster, router)
    cluster.recorder.add([Lost(TARGET, 1.0, 2)])
    notes, heard = recorders.take(TARGET, VERSIONS, {}, {})
    assert notes == [Lost(TARGET, 1.0, 2)]
    assert recorders.take(TARGET, VERSIONS, heard, {}) == ([], heard)
    assert recorders.take(TARGET, VERSIONS, {}, {}) == (notes, heard)
    assert recorders.take(TARGET, VERSIONS, heard, heard) == ([], heard)
    assert recorders.take(TARGET, VERSIONS, {}, {}) == ([], {})
    assert {one[1:] for one in cluster.asked} == {(between.CONTROL, between.NOTES)}


def test_where_no_recorder_answers_there_is_nothing_to_hear(recorders):
    assert recorders.take(TARGET, VERSIONS, {"a": 1}, {}) == ([], {"a": 1})


def test_recorded_requests_are_sent_to_the_pair_of_versions_by_its_token(cluster, router, recorders):
    enter(cluster, router)
    sent, answers = [], iter([202, 429, 404, None])

    def posted(namespace, service, port, path, query, *, headers, content):
        assert between.proof_of(headers[between.TOKEN]) == cluster.order(service)["proof"]
        sent.append((namespace, service, port, path, dict(query), content))
        return next(answers)

    cluster.posted = posted
    cluster.proxy = lambda namespace, service, port, path: 200 if path == between.READY else 404
    assert recorders.ready(TARGET, VERSIONS)
    assert recorders.ask(TARGET, VERSIONS, b"{}\n", 7, 2.5)
    assert not recorders.ask(TARGET, VERSIONS, b"{}\n", 7, 2.5), "its pod is busy"
    for said in ("404", "no answer"):
        with pytest.raises(Retry, match=said):
            recorders.ask(TARGET, VERSIONS, b"{}\n", 7, 2.5)
    query = {between.FIRST: "7", between.RATE: "2.5"}
    assert sent == [(NAMESPACE, name_of(), between.CONTROL, between.LINES, query, b"{}\n")] * 4
    cluster.proxy = lambda *given: 503
    assert not recorders.ready(TARGET, VERSIONS)


def test_the_key_of_what_is_hashed_is_the_one_that_the_pod_makes_of_the_token(cluster, router, recorders):
    enter(cluster, router)
    token = recorders._token_of(name_of())
    assert between.proof_of(token) == cluster.order(name_of())["proof"]
    assert recorders.key(TARGET, VERSIONS) == between.key_of(token)


def test_another_installation_has_another_key(cluster, recorders, tmp_path):
    other = Recorders(cluster, CLUSTER, PLACE, Settings(home=tmp_path / "another"))
    assert other.key(TARGET, VERSIONS) != recorders.key(TARGET, VERSIONS)


# --- what lets nobody in ---------------------------------------------------------------------------

WORN = recorders_manifest.marks(labels.labels(TARGET, "r", "me"))
BY_COMPONENT = {"matchLabels": {recorders_manifest.COMPONENT: recorders_manifest.RECORDER}}


def policy(selector, types=("Ingress",), name="deny"):
    return {"metadata": {"name": name}, "spec": {"podSelector": selector, "policyTypes": list(types)}}


@pytest.mark.parametrize(
    ("policies", "shut"),
    [
        ([], ""),
        ([policy({})], "deny"),
        ([{"metadata": {"name": "old"}, "spec": {"podSelector": {}}}], "old"),  # no types: what comes in
        ([policy({}, ("Egress",))], ""),
        ([policy({"matchLabels": {"app": "fraud"}})], ""),
        ([policy({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]})], "deny"),
        ([policy({"matchExpressions": [{"key": "app", "operator": "Exists"}]})], ""),
        ([policy({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a"]}]})], ""),
        ([policy({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]})], "deny"),
        ([policy({}), policy(BY_COMPONENT, name="let-in")], ""),
        ([policy({}), policy(BY_COMPONENT, ("Egress",), name="let-out")], "deny"),
    ],
)
def test_a_policy_that_lets_nobody_in_to_its_pods_is_named(policies, shut):
    assert recorders_manifest.shut_out(policies, WORN) == shut


def test_nothing_is_made_where_a_policy_lets_nobody_in(cluster, router):
    cluster.objects[NETWORK_POLICY, "deny"] = policy({})
    with pytest.raises(Refused, match=r"ml/deny lets nobody in .*segue-recorder"):
        router.set(ROUTE)
    assert cluster.made == []


def test_the_doctor_says_that_requests_can_be_copied_or_what_stands_against_it(cluster):
    def said(place=PLACE):
        found = shadowing.possible(cluster, CLUSTER, Served(TARGET, place, shadow=True))
        return [(one.ok, one.detail) for one in found]

    assert said() == [(True, "its requests can be copied, by pods of Segue's own image in ml")]
    marks = {"labels": labels.labels(TARGET, "fraud-3", "me")}
    ports = [{"port": 80, "appProtocol": "kubernetes.io/ws"}]
    cluster.create(SERVICE, NAMESPACE, {"metadata": {"name": "fraud-3", **marks}, "spec": {"ports": ports}})
    cluster.objects[NETWORK_POLICY, "deny"] = policy({})
    assert [(ok, detail.split(" ")[2]) for ok, detail in said()] == [
        (False, "ml/fraud-3"),
        (False, "ml/deny"),
    ]
    (first, *_) = said(Place("prod", NAMESPACE, "fraud", "edge/shop"))
    assert first == (
        False,
        "the route edge/shop is in another namespace than its versions, whose recorder it may not lead to",
    )
    for route in (None, "ingress/ml/shop"):
        (first, *_) = said(Place("prod", NAMESPACE, "fraud", route))
        assert first == (False, "requests are copied only where an HTTPRoute leads to the versions")


# --- what the doctor says of who answered ------------------------------------------------------------


def told(cluster, *pods):
    """Pods that answer in turn, each with what it was told."""
    answers = itertools.cycle(
        json.dumps({"recorder": str(n), **dict(zip(between.HEARD, pod, strict=True))}).encode()
        for n, pod in enumerate(pods)
    )
    cluster.proxied = lambda *given, **headers: next(answers)
    return [(one.ok, one.detail, one.mend) for one in hearing.possible(cluster, Served(TARGET, PLACE))]


def test_the_doctor_says_what_the_gateway_is_to_be_told_and_what_it_told(cluster, router):
    lines = (
        "--tracing.otlp.http.endpoint=http://segue-answers.ml.svc:8080/v1/traces"
        " --tracing.capturedRequestHeaders=X-Request-Id"
        " --tracing.capturedResponseHeaders=X-Request-Id,X-Segue-Served-By"
    )
    ((ok, detail, _),) = told(cluster, (0, 0, 0))
    assert ok
    assert detail.endswith(lines)
    router.set(NOTED)
    ((ok, detail, mend),) = told(cluster, (0, 0, 0), (0, 0, 0))
    assert (ok, mend) == (False, f"start Traefik with {lines}")
    assert "told segue-answers of no request" in detail
    ((ok, detail, mend),) = told(cluster, (9, 9, 0), (0, 0, 0))
    assert (ok, mend) == (False, f"start Traefik with {lines.split()[2]}")
    ((ok, detail, mend),) = told(cluster, (9, 0, 9))
    assert (ok, mend) == (False, f"let callers send X-Request-Id, and start Traefik with {lines.split()[1]}")
    ((ok, detail, _),) = told(cluster, (9, 8, 9), (2, 1, 2))
    assert ok
    assert "of the 11 requests" in detail
    assert "9 say their id, 11 who answered" in detail
