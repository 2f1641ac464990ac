"""Which of two routes a gateway prefers, and who is told what to change."""

import pytest

from service.adapters.kubernetes import claims
from service.adapters.kubernetes.labels import MANAGED_BY, OWNER
from service.adapters.kubernetes.shapes.known import SHAPES

OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
PATH = {"path": {"type": "PathPrefix", "value": "/fraud/production"}}


def route(name="ours", *matches, namespace="ml", created=None, hosts=(), parent=None, **worn):
    stamp = {} if created is None else {"creationTimestamp": created}
    spec = {
        "parentRefs": [{"name": "web", "namespace": "infra", **(parent or {})}],
        "rules": [{"matches": list(matches)} if matches else {}],
    }
    if hosts:
        spec["hostnames"] = list(hosts)
    return {"metadata": {"name": name, "namespace": namespace, "labels": worn, **stamp}, "spec": spec}


def wins(other, ours=None, rules=(0,)):
    ours = ours or route("ours", PATH, created=NEW)
    return claims.preferred(ours, rules, [ours, other]) == [other]


def other(*matches, created=OLD, **changed):
    return route("theirs", *(matches or [PATH]), namespace="b", created=created, **changed)


def test_of_two_with_one_match_the_older_one_is_preferred_and_among_equals_the_first_by_name():
    assert wins(other())
    assert not wins(other(created="2026-03-01T00:00:00Z"))
    assert wins(other(created=NEW))  # b/theirs before ml/ours
    assert not wins(route("theirs", PATH, namespace="z", created=NEW))


def test_one_that_is_still_to_be_made_is_younger_than_all():
    assert wins(other(created="2099-01-01T00:00:00Z"), route("ours", PATH))


def test_it_is_never_its_own_rival():
    ours = route("ours", PATH, created=NEW)
    assert claims.preferred(ours, [0], [ours, {**ours, "kind": "HTTPRoute"}]) == []


SAME = {
    "the slash at its end": {"path": {"type": "PathPrefix", "value": "/fraud/production/"}},
    "the type left out": {"path": {"value": "/fraud/production"}},
}
ANOTHER = {
    "another path": {"path": {"type": "PathPrefix", "value": "/fraud"}},
    "a path below it": {"path": {"type": "PathPrefix", "value": "/fraud/production/docs"}},
    "another type": {"path": {"type": "Exact", "value": "/fraud/production"}},
    "a header, which asks for more": {**PATH, "headers": [{"name": "x-team", "value": "risk"}]},
    "a method": {**PATH, "method": "GET"},
    "a parameter": {**PATH, "queryParams": [{"name": "q", "value": "1"}]},
}


@pytest.mark.parametrize("how", SAME)
def test_the_same_match_written_otherwise_is_the_same(how):
    assert wins(other(SAME[how]))


@pytest.mark.parametrize("how", ANOTHER)
def test_another_match_is_somebodys_intention(how):
    assert not wins(other(ANOTHER[how]))


def test_headers_are_the_same_in_any_letters_and_order():
    one = [{"name": "X-A", "value": "1"}, {"name": "x-b", "value": "2"}]
    ours = route("ours", {**PATH, "headers": one}, created=NEW)
    assert wins(other({**PATH, "headers": [{**one[1], "name": "X-B"}, {**one[0], "name": "x-a"}]}), ours)


def test_a_rule_without_matches_is_for_every_path():
    everything = route("ours", created=NEW)
    assert wins(other({"path": {"type": "PathPrefix", "value": "/"}}), everything)


def test_only_the_rules_that_are_asked_for_count():
    ours = route("ours", PATH, created=NEW)
    ours["spec"]["rules"].append({"matches": [ANOTHER["another path"]]})
    assert not wins(other(ANOTHER["another path"]), ours)
    assert wins(other(ANOTHER["another path"]), ours, [1])


@pytest.mark.parametrize(
    ("ours", "theirs", "older", "younger"),
    [
        ((), (), True, False),
        (("a.example",), ("a.example",), True, False),
        (("a.example",), ("b.example",), False, False),
        ((), ("a.example",), True, True),  # closer than none
        (("a.example",), (), False, False),
        (("*.example",), ("a.example",), True, True),
        (("a.example",), ("*.example",), False, False),
        (("*.example",), ("*.a.example",), True, True),
        (("*.example",), ("example",), False, False),
        (("a.example", "b.example"), ("b.example",), True, False),
    ],
)
def test_the_closer_host_is_preferred_before_the_older_route(ours, theirs, older, younger):
    mine = route("ours", PATH, created=NEW, hosts=ours)
    assert wins(other(hosts=theirs), mine) is older
    assert wins(other(created="2026-03-01T00:00:00Z", hosts=theirs), mine) is younger


@pytest.mark.parametrize(
    ("parent", "meets"),
    [
        ({}, True),
        ({"group": "gateway.networking.k8s.io", "kind": "Gateway"}, True),
        ({"sectionName": "https"}, True),
        ({"name": "other"}, False),
        ({"namespace": "b"}, False),
        ({"group": "", "kind": "Service"}, False),
    ],
)
def test_only_what_is_attached_to_the_same_parent_is_a_rival(parent, meets):
    assert wins(other(parent=parent)) is meets


def test_two_that_name_different_listeners_do_not_meet():
    ours = route("ours", PATH, created=NEW, parent={"sectionName": "http"})
    assert not wins(other(parent={"sectionName": "https"}), ours)
    assert wins(other(parent={"sectionName": "http"}), ours)


def test_each_kind_of_rival_is_told_with_what_to_change():
    assert claims.told(other()) == (
        "HTTPRoute b/theirs is for the same host and path of the same gateway, which prefers it; change its"
        " match: kubectl edit httproute theirs -n b"
    )
    segues = other(**{MANAGED_BY: "segue", OWNER: "lab"})
    assert "of the installation lab of Segue: give the model or the environment another" in claims.told(
        segues
    )


GAMMA = {"group": "", "kind": "Service", "name": "fraud", "port": 80}
WEB = {"name": "web"}


@pytest.mark.parametrize(
    ("parents", "covered", "host"),
    [
        ([GAMMA], True, "fraud.ml.svc:80"),
        ([{**GAMMA, "name": "other"}], False, "other.ml.svc:80"),
        ([{**GAMMA, "namespace": "shop"}], False, "fraud.shop.svc:80"),
        ([WEB], False, None),
        ([WEB, GAMMA], True, None),
    ],
)
def test_callers_inside_are_split_where_the_very_service_is_a_parent(parents, covered, host):
    spec = {"parentRefs": parents, "rules": [{"backendRefs": [{"name": "fraud", "port": 80}]}]}
    shape = SHAPES[""]
    assert shape.covers_inside(spec, "fraud.ml", "ml") is covered
    assert shape.reached(spec, [0], "ml").host == host
