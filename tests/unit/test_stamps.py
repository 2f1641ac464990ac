"""What a route of Segue's own says of its versions: set beside other filters, and no difference by itself."""

from policies.place import served_by
from service.adapters.kubernetes import own_route, stamps
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
