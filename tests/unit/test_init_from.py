"""`segue init --from`: the tag pattern that an image's present tag suggests, and what the file says."""

from dataclasses import replace

import pytest

from policies.spec.declaration import FromImage, ServeDeployment, Strategy
from service.cli import checking
from service.ports.clusters import Existing
from service.segue_yaml import load


@pytest.mark.parametrize(
    ("image", "pattern"),
    [
        ("ghcr.io/acme/fraud:main-42", "ghcr.io/acme/fraud:main-*"),
        ("ghcr.io/acme/fraud:main-a1b2c3", "ghcr.io/acme/fraud:main-*"),
        ("ghcr.io/acme/fraud:v1.2.3", "ghcr.io/acme/fraud:v*"),
        ("ghcr.io/acme/fraud:1.2.3-rc1", "ghcr.io/acme/fraud:*"),
        ("registry.example:5000/fraud:latest", "registry.example:5000/fraud:latest"),
        ("registry.example:5000/fraud", "registry.example:5000/fraud:*"),
        ("ghcr.io/acme/fraud:main-42@sha256:" + "0" * 64, "ghcr.io/acme/fraud:main-*"),
        ("ghcr.io/acme/fraud@sha256:" + "0" * 64, "ghcr.io/acme/fraud:*"),
    ],
)
def test_a_tag_suggests_the_pattern_of_those_to_come(image, pattern):
    assert checking._pattern(image) == pattern


@pytest.mark.parametrize("routes", [(), ("ml/fraud",)])
def test_what_is_written_is_a_file_without_mistakes(routes):
    found = Existing("ml/fraud", "ghcr.io/acme/fraud:main-42", ("ml/fraud",), routes, None, None)
    (model,) = load(checking._declared(found).encode(), "fraud")
    assert model.serve == ServeDeployment("ml/fraud", routes[0] if routes else None)
    assert model.source == FromImage("ghcr.io/acme/fraud", "main-*")
    wanted = Strategy.CANARY if routes else Strategy.BLUEGREEN
    assert model.environments[0].strategy is wanted


@pytest.mark.parametrize(
    ("deployment", "name"),
    [("ml/fraud.v2", "fraud-v2"), (f"ml/{'x' * 39}-y", "x" * 39), ("ml/1", "1")],
)
def test_a_deployments_name_becomes_one_that_a_model_may_have(deployment, name):
    found = Existing(deployment, "ghcr.io/acme/fraud:main-42", (deployment,), (deployment,), None, None)
    (model,) = load(checking._declared(found).encode(), "")
    assert (model.name, model.serve) == (name, ServeDeployment(deployment, deployment))


@pytest.mark.parametrize(
    ("folder", "name"), [("Fraud Größe", "fraud-gr-e"), ("--", "model"), ("wine_2", "wine-2")]
)
def test_a_folders_name_does_too(folder, name):
    assert checking._model_name(folder) == name


def test_which_of_several_containers_was_taken_is_told():
    alone = Existing("ml/fraud", "x:1", (), (), None, None, container="serve")
    assert "container" not in "\n".join(checking._notes(alone))
    told = "\n".join(checking._notes(replace(alone, beside=("auth (acme/auth:1)",))))
    assert "of its container serve; beside it: auth (acme/auth:1)." in told
    assert "write that one's image" in told


def test_who_keeps_it_is_told():
    found = Existing("ml/fraud", "x:1", ("ml/fraud",), ("ml/a", "ml/b"), "ml/fraud", "Argo CD")
    told = "\n".join(checking._notes(found))
    assert "Argo CD" in told
    assert "ml/a, ml/b" in told
    assert "autoscaler ml/fraud" in told


def test_the_lines_for_who_keeps_it_are_shown_as_they_are_to_be_copied():
    mend = "spec:\n  ignoreDifferences:\n  - jqPathExpressions:\n    - .spec.rules[]?.backendRefs"
    found = Existing("ml/fraud", "x:1", (), ("ml/a",), None, "Argo CD", mend)
    assert list(checking._notes(found))[-1] == mend
