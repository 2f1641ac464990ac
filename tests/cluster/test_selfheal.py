"""Beside self-heal: without the printed lines each write of a release is undone; with them there is peace.

The controllers are stand-ins (see `selfheal`); the API server, its field ownership and the lines are real.
"""

import pytest

from service.adapters.kubernetes import gitops
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import DEPLOYMENT, HPA, HTTP_ROUTE, SERVICE
from service.adapters.kubernetes.view import KubernetesView
from service.ports.connections import Cluster
from tests.cluster import objects
from tests.cluster.selfheal import Argo, Flux, printed

KINDS = {
    "HTTPRoute": HTTP_ROUTE,
    "Deployment": DEPLOYMENT,
    "Service": SERVICE,
    "HorizontalPodAutoscaler": HPA,
}
CONTROLLERS = {"Argo CD": Argo, "Flux": Flux}
ROUNDS = 4


@pytest.fixture
def api(kubeconfig):
    return Api.of(Cluster("test", str(kubeconfig)))


@pytest.fixture
def manifests(namespace):
    """What a team has in Git: no image needs to run, so that the Deployment has one that never could."""
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"namespace": namespace, "name": "fraud"},
        "spec": {
            "minReplicas": 1,
            "maxReplicas": 5,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fraud"},
        },
    }
    return [
        objects.deployment(namespace, "fraud", "registry.invalid/fraud:1", replicas=1),
        objects.service(namespace, "fraud"),
        objects.http_route(namespace, "fraud", "fraud.example", ("infra", "web"), {"fraud": 1}),
        autoscaler,
    ]


def release(api, namespace):
    """Write what a release writes, as it does: by compare-and-swap, as field manager segue."""
    route = api.get(HTTP_ROUTE, namespace, "fraud")
    refs = [
        {"group": "", "kind": "Service", "name": "fraud", "port": 80, "weight": 900_000},
        {"group": "", "kind": "Service", "name": "candidate", "port": 80, "weight": 100_000},
    ]
    route["spec"]["rules"][0]["backendRefs"] = refs
    route["metadata"].setdefault("annotations", {})["segue.dev/traffic"] = "{}"
    api.replace(HTTP_ROUTE, namespace, "fraud", route)
    api.patch(DEPLOYMENT, namespace, "fraud", {"spec": {"replicas": 0}})
    service = api.get(SERVICE, namespace, "fraud")
    service["spec"]["selector"] = {"segue.dev/backend": "candidate"}
    api.replace(SERVICE, namespace, "fraud", service)
    api.patch(HPA, namespace, "fraud", {"spec": {"minReplicas": 2, "maxReplicas": 2}})


def written(api, namespace):
    """Those fields, as they are now."""
    route, autoscaler = api.get(HTTP_ROUTE, namespace, "fraud"), api.get(HPA, namespace, "fraud")
    return {
        "weights": {one["name"]: one["weight"] for one in route["spec"]["rules"][0]["backendRefs"]},
        "replicas": api.get(DEPLOYMENT, namespace, "fraud")["spec"]["replicas"],
        "selector": api.get(SERVICE, namespace, "fraud")["spec"]["selector"],
        "bounds": (autoscaler["spec"]["minReplicas"], autoscaler["spec"]["maxReplicas"]),
    }


OURS = {
    "weights": {"fraud": 900_000, "candidate": 100_000},
    "replicas": 0,
    "selector": {"segue.dev/backend": "candidate"},
    "bounds": (2, 2),
}
THEIRS = {"weights": {"fraud": 1}, "replicas": 1, "selector": {"app": "fraud"}, "bounds": (1, 5)}


def told(api, namespace):
    """What Segue prints, from the objects as the cluster has them."""
    things = [gitops.Thing(kind, namespace, "fraud") for kind in KINDS]
    return gitops.mends((one, api.get(KINDS[one.kind], namespace, "fraud")) for one in things)


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
    manifests[0]["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.invalid/fraud:2"
    manifests[1]["spec"]["ports"][0]["port"] = 81
    manifests[2]["spec"]["hostnames"] = ["new.example"]
    manifests[3]["metadata"]["labels"] = {"team": "risk"}
    controller = CONTROLLERS[tool](kubectl, manifests, spec)
    assert len(controller.heal()) == 4
    assert controller.heal() == []
    assert written(api, namespace) == OURS
    container = api.get(DEPLOYMENT, namespace, "fraud")["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "registry.invalid/fraud:2"
    assert api.get(HTTP_ROUTE, namespace, "fraud")["spec"]["hostnames"] == ["new.example"]
    assert api.get(SERVICE, namespace, "fraud")["spec"]["ports"][0]["port"] == 81


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
