"""Which change of a Deployment is somebody's: another image of the model, by digest or by what its pods pulled."""

import copy

import pytest

from service.adapters.kubernetes.kept import KeptDeployments
from service.adapters.kubernetes.kinds import DEPLOYMENT, POD
from service.ports.outcomes import Refused, Retry

OURS, THEIRS = "acme/fraud@sha256:ours", "acme/fraud@sha256:theirs"
NAME = "fraud.ml"


class Namespace:
    """One Deployment and its pods, as an API server holds them; a patch whose test fails changes nothing."""

    def __init__(self, image):
        self.deployment = {
            "metadata": {
                "namespace": "ml",
                "name": "fraud",
                "managedFields": [
                    {
                        "manager": "kubectl-set",
                        "operation": "Update",
                        "time": "2026-11-01T14:03:00Z",
                        "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": {}}}}},
                    }
                ],
            },
            "spec": {
                "selector": {"matchLabels": {"app": "fraud"}},
                "template": {
                    "spec": {
                        "containers": [
                            {"name": "auth", "image": "acme/auth:1"},
                            {"name": "serve", "image": image},
                        ]
                    }
                },
            },
        }
        self.pulled = []  # by each pod, and whether it is ready

    def named(self, name):
        assert name == NAME
        return copy.deepcopy(self.deployment)

    def list(self, kind, namespace, labels):
        assert (kind, namespace, labels) == (POD, "ml", "app=fraud")
        return [pod(*one) for one in self.pulled]

    def patch(self, kind, namespace, name, operations, form):
        assert (kind, namespace, name, form) == (DEPLOYMENT, "ml", "fraud", "json")
        changed = copy.deepcopy(self.deployment)
        for one in operations:
            *way, last = one["path"].strip("/").split("/")
            at = changed
            for step in way:
                at = at[int(step) if isinstance(at, list) else step]
            if one["op"] == "test" and at[last] != one["value"]:
                raise Refused("refuses to patch (422): the test operation does not apply")
            at[last] = one["value"]
        self.deployment = changed

    @property
    def image(self):
        return self.deployment["spec"]["template"]["spec"]["containers"][1]["image"]


def pod(digest, ready):
    return {
        "status": {
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"name": "serve", "imageID": f"registry/fraud@{digest}" if digest else ""}],
        }
    }


def kept(namespace):
    return KeptDeployments(namespace, namespace, "ml")


def test_the_image_that_was_started_is_nobodys_change():
    assert kept(Namespace(OURS)).changed(NAME, OURS) is None


def test_another_image_is_told_with_whoever_gave_it():
    assert kept(Namespace(THEIRS)).changed(NAME, OURS) == (
        "Deployment ml/fraud was changed by kubectl-set (Update) at 2026-11-01T14:03:00Z:"
        f" it runs {THEIRS}, not {OURS}"
    )


@pytest.mark.parametrize(
    ("pulled", "runs"),
    [
        ([("sha256:ours", True), ("sha256:ours", True)], None),
        ([("sha256:theirs", True), ("", False)], THEIRS),
        ([("sha256:ours", True), ("sha256:theirs", True)], None),  # pods come and go: it cannot be said
        ([("sha256:theirs", False)], None),
        ([], None),
    ],
)
def test_a_tag_means_what_the_ready_pods_pulled_and_nothing_while_they_do_not_agree(pulled, runs):
    namespace = Namespace("acme/fraud:v3")
    namespace.pulled = pulled
    told = kept(namespace).changed(NAME, OURS)
    assert told is None if runs is None else told.endswith(f"it runs {runs}, not {OURS}")


def test_what_runs_is_asked_for_once_its_pods_agree():
    namespace = Namespace("acme/fraud:v3")
    with pytest.raises(Retry, match="is being changed"):
        kept(namespace).runs(NAME, OURS)
    namespace.pulled = [("sha256:theirs", True)]
    assert kept(namespace).runs(NAME, OURS) == THEIRS


def test_it_is_put_back_over_exactly_what_was_seen():
    namespace = Namespace(THEIRS)
    seen = kept(namespace).changed(NAME, OURS)
    namespace.deployment["spec"]["template"]["spec"]["containers"][1]["image"] = f"{THEIRS}2"
    with pytest.raises(Refused, match="once more"):
        kept(namespace).mend(NAME, OURS, seen)
    kept(namespace).mend(NAME, OURS, kept(namespace).changed(NAME, OURS))
    assert namespace.image == OURS


def test_a_change_between_the_look_and_the_write_is_not_overwritten(monkeypatch):
    namespace = Namespace(THEIRS)
    seen = kept(namespace).changed(NAME, OURS)
    patch = namespace.patch

    def faster(*words):
        namespace.deployment["spec"]["template"]["spec"]["containers"][1]["image"] = f"{THEIRS}2"
        patch(*words)

    monkeypatch.setattr(namespace, "patch", faster)
    with pytest.raises(Refused, match="does not apply"):
        kept(namespace).mend(NAME, OURS, seen)
    assert namespace.image == f"{THEIRS}2"


def test_a_deployment_that_is_gone_is_told(monkeypatch):
    namespace = Namespace(OURS)
    monkeypatch.setattr(namespace, "named", lambda _: None)
    assert kept(namespace).gone(NAME)
    assert kept(namespace).changed(NAME, OURS) == "the Deployment ml/fraud is gone"
    with pytest.raises(Refused, match="is gone"):
        kept(namespace).runs(NAME, OURS)
