"""Who keeps an object, and the lines that are printed for them: they are YAML, and name the right fields."""

import pytest
import yaml
from inline_snapshot import snapshot

from service.adapters.kubernetes.gitops import Thing, lines, manager_of, mend, mends
from tests.docs.pages import blocks

TRACKED = {"annotations": {"argocd.argoproj.io/tracking-id": "fraud:apps/Deployment:ml/fraud"}}


def printed(text):
    """The YAML in a text for people: from the line `spec:` on, as far as it is indented."""
    body = text[text.index("spec:") :].splitlines()
    end = next((at for at, line in enumerate(body) if at and not line.startswith(" ")), len(body))
    return yaml.safe_load("\n".join(body[:end]))


@pytest.mark.parametrize(
    ("metadata", "manager"),
    [
        (TRACKED, "Argo CD, Application fraud"),
        ({"labels": {"argocd.argoproj.io/instance": "shop"}}, "Argo CD, Application shop"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "Flux, Kustomization apps"),
        (
            {
                "labels": {"helm.toolkit.fluxcd.io/name": "fraud"},
                "annotations": {"meta.helm.sh/release-name": "ml-fraud"},
            },
            "Flux's Helm controller, HelmRelease fraud",
        ),
        ({"annotations": {"meta.helm.sh/release-name": "fraud"}}, "Helm, release fraud"),
        ({"managedFields": [{"manager": "kubectl"}, {"manager": "argocd-controller"}]}, "Argo CD"),
        ({"managedFields": [{"manager": "kustomize-controller"}]}, "Flux"),
        ({"managedFields": [{"manager": "helm"}]}, "Helm"),
        # Charts set it whoever installs them: it says nothing about Argo CD.
        ({"labels": {"app.kubernetes.io/instance": "fraud"}, "managedFields": None}, None),
        ({"labels": None, "annotations": None}, None),
        ({}, None),
    ],
)
def test_who_keeps_an_object_is_seen_on_it(metadata, manager):
    assert manager_of({"metadata": metadata}) == manager


def test_argo_cd_is_told_what_to_ignore_and_to_ignore_it_when_it_syncs_too():
    assert mend("Argo CD, Application fraud", "HTTPRoute", "ml", "fraud") == snapshot(
        """\
In Argo CD, add to the Application fraud:
spec:
  ignoreDifferences:
  - group: gateway.networking.k8s.io
    kind: HTTPRoute
    namespace: ml
    name: fraud
    jsonPointers:
    - /spec/rules
  syncPolicy:
    syncOptions:
    - RespectIgnoreDifferences=true\
"""
    )


def test_flux_is_told_the_whole_of_a_list_that_is_one_value():
    assert mend("Flux, Kustomization apps", "GRPCRoute", "ml", "fraud") == snapshot(
        """\
In Flux 2.9 or newer, add to the Kustomization apps:
spec:
  ignore:
  - paths:
    - /spec/rules
    target:
      kind: GRPCRoute
      namespace: ml
      name: fraud
(Before 2.9, give the object this annotation in Git: kustomize.toolkit.fluxcd.io/ssa: IfNotPresent)\
"""
    )


def test_a_helm_release_of_flux_ignores_while_it_looks_for_drift():
    spec = printed(mend("Flux's Helm controller, HelmRelease x", "Deployment", "ml", "fraud"))["spec"]
    target = {"kind": "Deployment", "namespace": "ml", "name": "fraud"}
    assert spec == {"driftDetection": {"ignore": [{"paths": ["/spec/replicas"], "target": target}]}}


def test_helm_alone_is_no_self_heal_and_is_told_so():
    told = mend("Helm, release fraud", "Service", "ml", "fraud")
    assert "when release fraud is upgraded, and at no other time" in told
    assert "/spec/selector of Service ml/fraud" in told


@pytest.mark.parametrize("manager", [None, "", "somebody"])
def test_for_an_unknown_manager_both_are_told(manager):
    told = mend(manager, "Service", "ml", "fraud")
    assert "ignoreDifferences" in told
    assert "add to the Kustomization" in told


@pytest.mark.parametrize(
    "kind", ["HTTPRoute", "GRPCRoute", "Deployment", "Service", "HorizontalPodAutoscaler"]
)
@pytest.mark.parametrize("manager", ["Argo CD", "Flux", "Flux's Helm controller, HelmRelease x"])
def test_what_is_printed_is_yaml_that_names_the_object(manager, kind):
    found = printed(mend(manager, kind, "ml", "1e3"))["spec"]
    rule = next(
        iter(found.get("ignoreDifferences") or found.get("ignore") or found["driftDetection"]["ignore"])
    )
    assert rule.get("target", rule)["name"] == "1e3"  # a name that YAML would read as a number


def test_a_kind_of_which_nothing_is_ours_needs_no_lines():
    things = (Thing("ConfigMap", "ml", "a"), Thing("Service", "ml", "b"))
    rules = printed(lines("Argo CD", things))["spec"]["ignoreDifferences"]
    assert [rule["kind"] for rule in rules] == ["Service"]


def test_objects_of_several_managers_are_told_apart():
    kept = {"metadata": TRACKED}
    flux = {"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/name": "infra"}}}
    deployment, route = Thing("Deployment", "ml", "fraud"), Thing("HTTPRoute", "infra", "fraud")
    told = mends([(deployment, kept), (route, flux), (Thing("Service", "ml", "x"), {"metadata": {}})])
    assert (
        told
        == f"{lines('Argo CD, Application fraud', [deployment])}\n{lines('Flux, Kustomization infra', [route])}"
    )
    assert mends([(deployment, {"metadata": {}})]) == ""


ROUTED = (
    Thing("HTTPRoute", "ml", "fraud"),
    Thing("Deployment", "ml", "fraud"),
    Thing("HorizontalPodAutoscaler", "ml", "fraud"),
)


@pytest.mark.parametrize(
    ("manager", "things"),
    [("Argo CD", ROUTED), ("Flux", ROUTED), ("Argo CD", [Thing("Service", "ml", "fraud")])],
)
def test_the_page_shows_the_lines_that_are_printed(manager, things):
    wanted = printed(lines(manager, things))["spec"]
    wanted.pop("syncPolicy" if len(things) == 1 else "", None)
    shown = [yaml.safe_load(body) for _, body in blocks("docs/how-to/gitops.md", "yml")]
    assert {"spec": wanted} in shown
