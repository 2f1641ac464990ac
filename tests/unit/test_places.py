"""Where models serve: what names no connected cluster, or cannot run where it would, is a mistake."""

import pytest

from service import places
from service.ports.connections import Cluster
from service.segue_yaml import load

PROD, STAGE = Cluster("prod", default=True), Cluster("stg")
IMAGE = "name: fraud\nimage: ghcr.io/acme/fraud:main-*\n"


def messages(text, *clusters):
    return [found.message for found in places.mistakes(clusters, load(text.encode(), ""))]


@pytest.mark.parametrize(
    ("more", "clusters", "refused"),
    [
        ("serve: {port: 8080}", (), True),
        ("serve: {run: python serve.py}", (STAGE,), True),
        ("serve: {run: python serve.py}\nenvironments: {production: {cluster: stg}}", (STAGE,), False),
        ("serve: {port: 8080}", (PROD, STAGE), False),
        ("serve: none", (), False),
        ("serve: none\nevaluate: {run: python backtest.py}", (), True),
        ("serve: none\nevaluate: {run: python backtest.py}", (PROD,), False),
        ("deployment: ml/fraud\nroute: ml/fraud", (STAGE,), False),
    ],
)
def test_an_image_that_segue_did_not_build_runs_in_clusters_only(more, clusters, refused):
    found = messages(IMAGE + more + "\n", *clusters)
    assert bool(found) == refused
    assert all("was built by somebody else and runs only in a cluster" in text for text in found)


@pytest.mark.parametrize("clusters", [(), (PROD,)])
def test_what_a_dockerfile_makes_runs_in_clusters_only(clusters):
    found = messages("name: wine\nbuild: {dockerfile: Dockerfile}\nserve: {port: 8080}\n", *clusters)
    assert bool(found) == (clusters == ())
    assert all(
        "Dockerfile makes an image with a system of its own and runs only in a cluster" in text
        for text in found
    )


def test_what_segue_builds_runs_here():
    assert messages("name: wine\nbuild: {lock: a.txt}\nserve: {run: python serve.py}\n") == []


@pytest.mark.parametrize(
    ("more", "plane", "refused"),
    [
        ("environments: {production: {cluster: prod, sticky: header}}", "istio", True),
        ("environments: {production: {cluster: prod, sticky: cookie}}", "traefik", False),
        ("sticky: cookie", "nginx", True),  # in the default cluster
        ("", "istio", False),
    ],
)
def test_users_are_kept_where_the_data_plane_is_known_for_it(more, plane, refused):
    wine = "name: wine\nbuild: {lock: a.txt}\nserve: {run: python serve.py}\n"
    found = messages(f"{wine}{more}\n", Cluster("prod", default=True, plane=plane))
    assert bool(found) is refused
    assert all(f"is connected with --plane {plane}" in text for text in found)
