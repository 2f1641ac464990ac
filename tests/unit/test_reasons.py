"""Whoever looks at what came in reads why nothing followed from it."""

import json

import pytest

from handlers import bitbucket, github, gitlab, harbor, mlflow, registry
from policies import idle
from policies.events import AliasChanged, ImageChanged, RefChanged, VersionRegistered
from service.segue_yaml import Mistaken, load

STARTS = "starts nothing: pushes, tags and new comments do"
WROTE = {"sender": {"id": 1, "login": "ann", "type": "User"}, "comment": {"user": {"type": "Bot"}}}
MODELS = load(
    b"""\
defaults: {build: {lock: requirements.lock}, serve: {run: python serve.py}}
models:
  churn: {}
  ltv: {"on": {paths: [lib/**, "ltv/*.py"]}}
  rank: {"on": {tags: "rank-v*"}}
""",
    "",
)


@pytest.mark.parametrize(
    ("kind", "body", "why"),
    [
        ("ping", {"zen": "x"}, "a ping: the webhook works"),
        ("deployment_status", {}, "a deployment, such as Segue's own, starts nothing"),
        ("release", {"action": "published"}, f"release {STARTS}"),
        ("check_run", {"action": "completed"}, f"check_run {STARTS}"),
        ("pull_request", {"action": "opened"}, f"pull_request {STARTS}"),
        ("<b>\n", {}, f"it {STARTS}"),
        ("issue_comment", {"action": "edited", "issue": {"number": 1}} | WROTE, "a comment that was changed"),
        ("issue_comment", {"action": "created", "issue": {"number": 1}} | WROTE, "a comment without a command"),
        ("create", {"ref_type": "repository", "sender": WROTE["sender"]}, "a repository was made or removed"),
    ],
)  # fmt: skip
def test_github(kind, body, why):
    headers, content = {"X-GitHub-Event": kind}, json.dumps(body).encode()
    assert github.parse(headers, content) == ()
    assert github.nothing(headers, content).startswith(why)


@pytest.mark.parametrize(
    ("handler", "headers", "body", "why"),
    [
        (gitlab, {}, {"object_kind": "pipeline"}, f"pipeline {STARTS}"),
        (gitlab, {}, {"event_name": "project_create"}, f"project_create {STARTS}"),
        (bitbucket, {"X-Event-Key": "diagnostics:ping"}, {"test": True}, "a ping: the webhook works"),
        (bitbucket, {"X-Event-Key": "pullrequest:created"}, {}, f"pullrequest:created {STARTS}"),
        (mlflow, {}, {"entity": "registered_model", "action": "created", "data": {"name": "wine"}},
         "registered_model.created starts nothing: an alias that moves does"),
        (mlflow, {}, {"entity": "model_version", "action": "created", "data": {"name": "example_model"}},
         "MLflow's own try of the webhook"),
        (registry, {}, {"events": [{"action": "pull", "target": {}}]},
         "a pull, or a part of an image: a tag that is pushed or removed counts"),
        (harbor, {}, {"type": "SCANNING_COMPLETED"},
         "SCANNING_COMPLETED starts nothing: a tag that is pushed or removed does"),
    ],
)  # fmt: skip
def test_other_senders(handler, headers, body, why):
    content = json.dumps(body).encode()
    assert handler.parse(headers, content) == ()
    assert handler.nothing(headers, content) == why


def pushed(ref, models=MODELS, broken=idle.NONE):
    return idle.why(RefChanged("git", ref, "0" * 40, "1" * 40, None, 1.0), models, "refs/heads/main", broken)


def test_a_push_says_of_each_model_why_it_does_not_start():
    assert pushed("refs/heads/main") == (
        "churn has no change in churn/; ltv has no change in lib/**, ltv/*.py; rank is not released from main"
    )
    assert pushed("refs/heads/try", MODELS[:1]) == "churn is not released from try, but from main"
    assert pushed("refs/tags/v1", MODELS[2:]) == "rank is not released by the tag v1"
    assert pushed("refs/heads/main", ()) == "it holds no segue.yaml"
    assert pushed("refs/heads/main", MODELS * 2).endswith("; and 3 more")


def test_a_push_whose_file_has_mistakes_says_the_first_and_where_the_others_are():
    with pytest.raises(Mistaken) as caught:
        load(b"name: wine\nserve: {run: a, prot: 1}\nwatch: 2\n", "")
    first, *others = caught.value.mistakes
    told = pushed("refs/heads/main", (), {"a/segue.yaml": (first, *others)})
    assert told.startswith(f"a/segue.yaml: {first.path}: {first.message}")
    assert told.endswith(f"(and {len(others)} more, which the commit's status tells)")
    assert (
        pushed("refs/heads/main", (), {"segue.yaml": (first,)})
        == f"segue.yaml: {first.path}: {first.message}"
    )


def test_a_push_to_models_that_come_from_elsewhere_says_what_releases_them():
    models = load(
        b"""\
defaults: {serve: {run: python serve.py}}
models:
  fraud: {image: "registry.example/fraud:v*"}
  churn: {model: "models:/churn@champion", serve: mlflow}
""",
        "",
    )
    told = pushed("refs/heads/main", models)
    assert "fraud is released by the image registry.example/fraud:v*, not by a push" in told
    assert "churn is released by models:/churn@champion, not by a push" in told


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (RefChanged("git", "refs/heads/x", "1" * 40, None, None, 1.0), "what was removed starts nothing"),
        (VersionRegistered("mlflow", "wine", "3", 1.0),
         "a new version starts nothing; an alias that names it does"),
        (AliasChanged("mlflow", "wine", "prod", "3", 1.0),
         "no model that its source may release says `model: models:/wine@prod`"),
        (ImageChanged("oci", "r.example/a", "v*", "v1", "sha256:1", 1.0),
         "no model that its source may release says `image: r.example/a:v*`"),
    ],
)  # fmt: skip
def test_other_changes(event, why):
    assert idle.why(event) == why
