"""What is decided about workloads before any cluster is asked: copies, shares, bounds, restarts."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.adapters.kubernetes import copying, manifests, scaling
from service.adapters.kubernetes.restarts import Ledger
from service.ports.jobs import Limits
from service.ports.outcomes import Refused
from service.ports.workloads import WorkloadOrder

DIGEST = f"sha256:{'a' * 64}"
ORDER = WorkloadOrder(
    "fraud-prod-1.ml", f"ghcr.io/acme/fraud@{DIGEST}", (), 8080, Limits(), target="fraud/prod"
)


def found(*containers, worn=None, annotations=None, **pod):
    worn = worn or {"app": "fraud", "tier": "web"}
    metadata = {"labels": worn, **({"annotations": annotations} if annotations else {})}
    return {
        "metadata": {"name": "fraud"},
        "spec": {
            "replicas": 4,
            "selector": {"matchLabels": {"app": "fraud"}},
            "strategy": {"type": "Recreate"},
            "template": {"metadata": metadata, "spec": {"containers": [*containers], **pod}},
        },
    }


def container(name, image):
    return {"name": name, "image": image}


def copied(thing, *selectors):
    before = copy.deepcopy(thing)
    made = copying.deployment(thing, ORDER, "fraud-prod-1", {"segue.dev/backend": "fraud-prod-1"}, copying.Reached(selectors, 80))  # fmt: skip
    assert thing == before, "what was found is not touched"
    return made


def test_a_copy_begins_with_one_pod_and_keeps_how_it_is_rolled():
    made = copied(found(container("model", "ghcr.io/acme/fraud:v1")))
    assert made["spec"]["replicas"] == 1
    assert made["spec"]["strategy"] == {"type": "Recreate"}
    assert made["spec"]["selector"]["matchLabels"] == {"segue.dev/backend": "fraud-prod-1"}
    assert made["spec"]["template"]["spec"]["containers"][0]["image"] == ORDER.image


@pytest.mark.parametrize(
    ("containers", "annotations", "chosen"),
    [
        ([("a", "x/proxy:1"), ("b", "ghcr.io/acme/fraud:v1")], None, "b"),
        ([("a", "x/proxy:1"), ("b", f"ghcr.io/acme/fraud@{DIGEST}")], None, "b"),
        ([("a", "ghcr.io:443/acme/other:1")], None, "a"),
        ([("a", "x/proxy:1"), ("b", "y/model:1")], {copying.CHOSEN: "b"}, "b"),
        ([("a", "ghcr.io/acme/fraud:1"), ("b", "ghcr.io/acme/fraud:2")], {copying.CHOSEN: "a"}, "a"),
    ],
)
def test_the_models_container_is_known_by_its_image(containers, annotations, chosen):
    template = found(*(container(*one) for one in containers), annotations=annotations)["spec"]["template"]
    assert copying.container(template, ORDER.image)["name"] == chosen


def test_of_several_containers_none_is_guessed():
    template = found(container("a", "x/proxy:1"), container("b", "y/model:1"))["spec"]["template"]
    with pytest.raises(Refused, match=r"a \(x/proxy:1\), b \(y/model:1\); annotate the pod template with"):
        copying.container(template, ORDER.image)


SIDECAR = {"name": "auth", "image": "x/auth:1", "ports": [{"containerPort": 9000, "name": "proxy"}]}
MODEL = {"name": "serve", "image": "y/model:1", "ports": [{"containerPort": 8080, "name": "web"}]}


@pytest.mark.parametrize(
    ("ports", "annotations", "chosen"),
    [
        ([{"port": 80, "targetPort": "web"}], None, "serve"),
        ([{"port": 80, "targetPort": 8080}], None, "serve"),
        ([{"port": 8080}], None, "serve"),
        ([{"port": 80, "targetPort": 9000}], None, "auth"),
        ([{"port": 80, "targetPort": 9000}], {copying.CHOSEN: "serve"}, "serve"),
        ([{"port": 80, "targetPort": 7}], None, "auth"),
        ([], None, "auth"),
    ],
)
def test_before_an_image_is_named_the_model_is_where_the_service_leads(ports, annotations, chosen):
    template = found(SIDECAR, MODEL, annotations=annotations)["spec"]["template"]
    assert copying.asked(template, [{"spec": {"ports": ports}}])["name"] == chosen


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("model", "model"),
        ("model:1", "model"),
        ("localhost:5000/model", "localhost:5000/model"),
        (f"localhost:5000/a/model:1@{DIGEST}", "localhost:5000/a/model"),
    ],
)
def test_a_repository_is_an_image_without_tag_and_digest(image, repository):
    assert copying.repository(image) == repository


LABELS = st.dictionaries(
    st.sampled_from(["app", "tier", "team", "track"]), st.sampled_from(["x", "y"]), min_size=1
)


@given(worn=LABELS, selectors=st.lists(LABELS, max_size=6))
def test_no_selector_selects_a_copy_and_no_label_is_changed_in_vain(worn, selectors):
    keys = copying.apart(worn, selectors)
    changed = {**worn, **dict.fromkeys(keys, "other")}
    assert not any(copying.selects(selector, changed) for selector in selectors)
    assert not keys or any(copying.selects(selector, worn) for selector in selectors)
    assert set(keys) <= set(worn)


def test_labels_that_other_tools_use_are_kept_where_another_does_as_well():
    worn = {"app": "fraud", "track": "stable"}
    assert copying.apart(worn, [{"app": "fraud", "track": "stable"}]) == ("track",)
    assert copying.apart(worn, [{"app": "fraud"}, {"app": "fraud", "track": "stable"}]) == ("app",)


def test_pods_that_keep_away_from_their_like_keep_away_from_their_own_version():
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "fraud"}}}
    other = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "database"}}}
    when = copying._AFFINITY
    affinity = {"podAntiAffinity": {when[0]: [term], when[1]: [{"weight": 1, "podAffinityTerm": copy.deepcopy(term)}]}, "podAffinity": {when[0]: [other]}}  # fmt: skip
    spec = copied(found(container("m", "x:1"), affinity=affinity))["spec"]["template"]["spec"]["affinity"]
    anti = spec["podAntiAffinity"]
    assert anti[when[0]][0]["labelSelector"]["matchLabels"] == {"app": "fraud-prod-1"}
    assert anti[when[1]][0]["podAffinityTerm"]["labelSelector"]["matchLabels"] == {"app": "fraud-prod-1"}
    assert spec["podAffinity"][when[0]][0] == other, "it goes on to be near its database"


# --- shares and bounds ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("live", "weight", "replicas"),
    [
        (4, 0, 1),
        (4, 5, 1),
        (4, 25, 1),
        (4, 26, 2),
        (4, 100, 4),
        (1, 50, 1),
        (0, 100, 1),
        (3, 100 / 3, 1),
        (10, 30, 3),
    ],
)
def test_a_share_of_requests_is_a_share_of_replicas(live, weight, replicas):
    assert manifests.share(live, weight) == replicas


def scaler(least, most, note=None):
    annotations = {scaling.HELD: note} if note else {}
    return {"metadata": {"annotations": annotations}, "spec": {"minReplicas": least, "maxReplicas": most}}


def apply(autoscaler, patch):
    note = patch["metadata"]["annotations"][scaling.HELD]
    return scaler(patch["spec"]["minReplicas"], patch["spec"]["maxReplicas"], note)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=5))
def test_whatever_holds_an_autoscaler_it_ends_as_it_was(holds):
    it = scaler(2, 8)
    for least, most in holds:
        patch = scaling.held(it, least, most)
        it = apply(it, patch) if patch else it
    assert scaling.original(it) == {"minReplicas": 2, "maxReplicas": 8}, "a copy does what the original did"
    it = apply(it, scaling.released(it))
    assert scaling.bounds(it) == (2, 8)
    assert scaling.released(it) is None


def test_bounds_that_a_person_set_meanwhile_stay():
    held = apply(scaler(2, 8), scaling.held(scaler(2, 8), 4, 4))
    held["spec"]["maxReplicas"] = 20
    patch = scaling.released(held)
    assert patch["spec"] == {"minReplicas": 4, "maxReplicas": 20}
    assert patch["metadata"]["annotations"] == {scaling.HELD: None}


def test_holding_twice_writes_once():
    held = apply(scaler(2, 8), scaling.held(scaler(2, 8), 4, 4))
    assert scaling.held(held, 4, 4) is None


# --- restarts ---------------------------------------------------------------------------------


def pod(uid, restarts=0, phase="Running", reason=None):
    conditions = [{"type": "DisruptionTarget", "status": "True", "reason": reason}] if reason else []
    status = {"phase": phase, "conditions": conditions, "containerStatuses": [{"restartCount": restarts}]}
    return {"metadata": {"uid": uid}, "status": status}


def seen(*looks, wanted=1):
    ledger = Ledger()
    for pods in looks:
        ledger = Ledger.read(ledger.text()).seen(pods, wanted)
    return ledger.total


def test_restarts_of_pods_that_are_gone_are_not_forgotten():
    assert seen([pod("a")]) == 0
    assert seen([pod("a", 2)]) == 2
    assert seen([pod("a", 2)], [pod("b")]) == 3, "two of its own, and that it was replaced"
    assert seen([pod("a", 2)], [], [pod("b", 1)]) == 4
    assert seen([pod("a")], [pod("b")], [pod("c")], [pod("d")]) == 3


def test_pods_that_the_cluster_takes_away_are_no_restarts():
    assert seen([pod("a")], [pod("a", reason="EvictionByEvictionAPI")], [pod("b")]) == 0
    assert seen([pod("a")], [pod("a", reason="PreemptionByScheduler"), pod("b")], [pod("b")]) == 0


def test_a_pod_that_its_node_evicts_for_its_memory_is_one_restart():
    ended = pod("a", phase="Failed", reason="TerminationByKubelet")
    assert seen([pod("a")], [ended, pod("b")]) == 1
    assert seen([pod("a")], [ended, pod("b")], [pod("b")]) == 1, "not counted again when it is cleaned away"


def test_fewer_wanted_pods_are_no_restarts_however_slowly_they_go():
    ledger = Ledger().seen([pod("a"), pod("b"), pod("c")], 3)
    ledger = ledger.seen([pod("a"), pod("b"), pod("c")], 1)
    ledger = ledger.seen([pod("a"), pod("b")], 1)
    ledger = ledger.seen([pod("a")], 1)
    assert ledger.total == 0
    assert ledger.seen([pod("d")], 1).total == 1, "what goes after that does count"


def test_an_image_is_named_by_its_digest():
    manifests.check_image(ORDER.image)
    for image in ("model:1", "model", "", f"@{DIGEST}", "model@latest"):
        with pytest.raises(Refused, match="not named by its digest"):
            manifests.check_image(image)
