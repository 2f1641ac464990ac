"""Beside self-heal: without the printed lines each write of a release is undone; with them there is peace.

The controllers are stand-ins (see `selfheal`); the API server, its field ownership and the lines are real.
"""

import pytest

from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.view import KubernetesView
from service.ports.connections import Cluster
from tests.cluster import fields
from tests.cluster.fields import KINDS, OURS, THEIRS, changed_in_git, is_applied, release, told, written
from tests.cluster.selfheal import Argo, Flux, printed

CONTROLLERS = {"Argo CD": Argo, "Flux": Flux}
ROUNDS = 4


@pytest.fixture
def api(kubeconfig):
    return Api.of(Cluster("test", str(kubeconfig)))


@pytest.fixture
def manifests(namespace):
    return fields.manifests(namespace)


def heal_some_rounds(controller):
    """What it healed in several rounds."""
    return [name for _ in range(ROUNDS) for name in controller.heal()]


@pytest.mark.parametrize("tool", CONTROLLERS)
def test_without_the_lines_each_write_is_undone(kubectl, api, namespace, manifests, tool):
    controller = CONTROLLERS[tool](kubectl, manifests)
    controller.heal()
    assert controller.heal() == [], "what was just applied is in order"
    release(api, namespace)
    assert written(api, namespace) == OURS
    assert {name.partition(" ")[0] for name in controller.heal()} == set(KINDS)
    assert written(api, namespace) == THEIRS


@pytest.mark.parametrize("tool", CONTROLLERS)
def test_with_the_printed_lines_there_is_peace(kubectl, api, namespace, manifests, tool):
    CONTROLLERS[tool](kubectl, manifests).heal()
    text = told(api, namespace)
    assert tool in text
    controller = CONTROLLERS[tool](kubectl, manifests, printed(text))
    release(api, namespace)
    assert heal_some_rounds(controller) == [], "nothing is out of sync"
    assert written(api, namespace) == OURS


@pytest.mark.parametrize("tool", CONTROLLERS)
def test_what_people_change_in_git_is_still_applied_and_spares_what_is_ours(
    kubectl, api, namespace, manifests, tool
):
    CONTROLLERS[tool](kubectl, manifests).heal()
    spec = printed(told(api, namespace))
    release(api, namespace)
    changed_in_git(manifests)
    controller = CONTROLLERS[tool](kubectl, manifests, spec)
    assert len(controller.heal()) == 4
    assert controller.heal() == []
    assert written(api, namespace) == OURS
    assert is_applied(api, namespace)


def test_argo_cd_needs_the_sync_option_too(kubectl, api, namespace, manifests):
    """Without it differences are not seen, but the next sync for another reason writes all of Git."""
    Argo(kubectl, manifests).heal()
    spec = printed(told(api, namespace))
    release(api, namespace)
    manifests[2]["spec"]["hostnames"] = ["new.example"]
    assert Argo(kubectl, manifests, {**spec, "syncPolicy": {}}).heal() == ["HTTPRoute fraud"]
    assert written(api, namespace)["weights"] == THEIRS["weights"]


def test_before_flux_2_9_an_annotation_in_git_keeps_the_peace(kubectl, api, namespace, manifests):
    Flux(kubectl, manifests).heal()
    annotation = "kustomize.toolkit.fluxcd.io/ssa: IfNotPresent"
    assert annotation in told(api, namespace)
    release(api, namespace)
    for one in manifests:
        one["metadata"]["annotations"] = dict([annotation.split(": ")])
    assert heal_some_rounds(Flux(kubectl, manifests)) == []
    assert written(api, namespace) == OURS


def test_who_keeps_a_deployment_and_the_lines_for_it_are_found_in_the_cluster(
    kubectl, kubeconfig, api, namespace, manifests
):
    Argo(kubectl, manifests, application="shop").heal()
    found = KubernetesView.open(Cluster("test", str(kubeconfig))).existing(namespace, "fraud")
    assert found.manager == "Argo CD, Application shop"
    kinds = [rule["kind"] for rule in printed(found.mend)["ignoreDifferences"]]
    assert kinds == ["Deployment", "HTTPRoute", "HorizontalPodAutoscaler"]
