"""What a route of Segue's own says of its versions: set beside other filters, and no difference by itself."""

import copy
import json

from policies.place import served_by
from service.adapters.kubernetes import own_route, records, stamps
from service.adapters.kubernetes.records import Record
from service.ports.traffic import Backend, Route

NAMES = ("fraud-1.shop", "fraud-2.other")


def route(sticky="none"):
    backends = tuple(Backend(name, f"http://{name}.svc:80", 50.0) for name in NAMES)
    return Route("fraud/production", 4, backends, sticky)


def spec(sticky="none"):
    return own_route.own_spec(route(sticky), "infra/web", "shop")


def said(name):
    return [{"name": "X-Segue-Served-By", "value": served_by(name)}]


def test_each_reference_sets_the_name_of_its_version_in_requests_and_answers_also_in_previews():
    rules = stamps.stamped(spec(), "shop")["rules"]
    one, two = NAMES
    assert [[said(one), said(two)], [said(one)], [said(two)], []] == [
        [ref["filters"][0]["requestHeaderModifier"]["set"] for ref in rule.get("backendRefs", ())]
        for rule in rules
    ]
    assert all(
        ref["filters"][1]["responseHeaderModifier"]
        == {"set": ref["filters"][0]["requestHeaderModifier"]["set"]}
        for rule in rules
        for ref in rule.get("backendRefs", ())
    )


def test_what_keeps_users_stands_in_the_same_filter_since_a_reference_has_each_kind_once():
    (first, _) = stamps.stamped(spec("cookie"), "shop")["rules"][0]["backendRefs"]
    assert [one["type"] for one in first["filters"]] == ["RequestHeaderModifier", "ResponseHeaderModifier"]
    assert first["filters"][1]["responseHeaderModifier"].keys() == {"add", "set"}


def test_a_route_with_and_without_names_is_the_same_route_and_one_with_a_wrong_name_is_not():
    bare, named = spec("cookie"), stamps.stamped(spec("cookie"), "shop")
    for live, wanted in ((bare, named), (named, bare), (named, named)):
        assert own_route.own_differences(live, wanted, "shop") == []
    ref = named["rules"][0]["backendRefs"][0]
    ref["filters"][1]["responseHeaderModifier"]["set"] = said(NAMES[1])
    assert own_route.own_differences(named, bare, "shop") != []


def newer_form():
    """The route as a Segue that is yet to come may write it: one more filter, and one more rule."""
    live = copy.deepcopy(stamps.stamped(spec("none"), "shop"))
    live["rules"][0]["backendRefs"][0]["filters"].append({"type": "RequestMirror", "requestMirror": {}})
    live["rules"].append(
        {"matches": [{"path": {"type": "Exact", "value": "/yet-to-come"}}], "backendRefs": []}
    )
    return live


def test_what_a_newer_segue_adds_is_nobodys_change_and_other_shares_are():
    wanted = stamps.stamped(spec("none"), "shop")
    assert own_route.own_differences(newer_form(), wanted, "shop") != []
    assert own_route.own_differences(newer_form(), wanted, "shop", newer=True) == []
    moved = newer_form()
    moved["rules"][0]["backendRefs"][0]["weight"] += 1
    assert own_route.own_differences(moved, wanted, "shop", newer=True) != []
    fewer = newer_form()
    del fewer["rules"][1]
    assert own_route.own_differences(fewer, wanted, "shop", newer=True) != []


def test_a_record_says_of_which_form_the_route_is_that_it_stands_in():
    live = {"metadata": {"name": "fraud", "namespace": "shop"}}
    written = records.with_record(live, "fraud/production", Record("me", 1, 0, form=records.FORM + 1))
    assert records.records(written)["fraud/production"].form == records.FORM + 1
    text = written["metadata"]["annotations"][records.ANNOTATION]
    earlier = {
        "fraud/production": {k: v for k, v in json.loads(text)["fraud/production"].items() if k != "form"}
    }
    written["metadata"]["annotations"][records.ANNOTATION] = json.dumps(earlier)
    assert records.records(written)["fraud/production"].form == 0
