"""The names of what runs somewhere."""

from types import SimpleNamespace

import pytest

from policies.place import HERE, Place, backend_name, place_of
from policies.spec.declaration import Environment, ServeDeployment, ServeMlflow, ServeServices

KEY = "0123456789abcdef"
PROD = Place("prod", "ml")


@pytest.mark.parametrize(
    ("place", "model", "name"),
    [
        (HERE, "wine", "wine-production-0123456789"),
        (PROD, "wine", "wine-production-0123456789.ml"),
        (HERE, "3d-net", "3d-net-production-0123456789"),
        (PROD, "3d-net", "m-3d-net-production-0123456789.ml"),
    ],
)
def test_a_service_s_name_begins_with_a_letter(place, model, name):
    assert backend_name(model, "production", KEY, place) == name


@pytest.mark.parametrize("letter", ["a", "3"])
def test_long_names_differ_in_a_service_s_63_characters(letter):
    names = {backend_name(letter * 40, f"{'b' * 39}{end}", KEY, PROD) for end in "12"}
    assert len(names) == 2
    assert all(len(name.partition(".")[0]) <= 52 for name in names)


DEPLOYMENT = ServeDeployment("ml/fraud", "ingress/gate/shop")
SERVICES = ServeServices("ml/fraud", "ml/fraud-next", "ml/shop")


@pytest.mark.parametrize(
    ("serve", "connected", "place"),
    [
        (ServeMlflow(), None, HERE),
        (ServeMlflow(), "prod", Place("prod", "team")),
        (DEPLOYMENT, "prod", Place("prod", "ml", "fraud", "ingress/gate/shop")),
        (DEPLOYMENT, None, Place("staging", "ml", "fraud", "ingress/gate/shop")),  # it is not connected yet
        (SERVICES, "prod", Place("prod", "ml", None, "ml/shop", "fraud", "fraud-next")),
        (SERVICES, None, Place("staging", "ml", None, "ml/shop", "fraud", "fraud-next")),
    ],
)
def test_a_target_serves_where_its_model_says(serve, connected, place):
    model, environment = SimpleNamespace(serve=serve), Environment(cluster="staging")
    assert place_of(model, environment, connected, "team") == place
    assert place.watched == (serve is SERVICES)


def test_what_is_only_watched_keeps_the_name_of_its_service():
    place = Place("prod", "ml", None, "ml/shop", "fraud", "fraud-next")
    assert backend_name("fraud", "production", KEY, place) == "fraud-next.ml"


@pytest.mark.parametrize(
    ("route", "named"),
    [(None, ("", "", "")), ("ml/shop", ("", "ml", "shop")), ("ingress/ml/shop", ("ingress", "ml", "shop"))],
)
def test_a_route_has_a_kind_a_namespace_and_a_name(route, named):
    assert Place("prod", "ml", "fraud", route).routed == named
