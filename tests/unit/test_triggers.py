"""What a push starts in a repository of several models, and what it does not."""

from dataclasses import replace

import pytest

from policies.events import RefChanged
from policies.triggers import starts
from service.segue_yaml import load

MAIN = "refs/heads/main"
FILE = b"""\
defaults: {build: {lock: requirements.lock}, serve: {run: python serve.py}}
models:
  churn: {}
  fraud: {folder: models/fraud}
  ltv: {"on": {paths: [lib/**, "ltv/*.py", shared]}}
  spam: {"on": {branches: [main, "release/*"]}}
  rank: {"on": {tags: "rank-v*", gto: prod}}
"""
MODELS = load(FILE, "")
PUSH = RefChanged("git", MAIN, "0" * 40, "1" * 40, None, 1.0)


def started(*changed, event=PUSH):
    refs = {event.ref: event.after or ""}
    found = starts(MODELS, event, changed if changed != (None,) else None, MAIN, refs)
    return {start.model.name for start in found}


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("churn/serve.py", {"churn"}),
        ("churn/deep/er/a.txt", {"churn"}),
        ("churn2/serve.py", set()),
        ("fraud/serve.py", set()),
        ("models/fraud/serve.py", {"fraud"}),
        ("ltv/train.py", {"ltv"}),
        ("ltv/deep/train.py", set()),
        ("ltv/README.md", set()),
        ("lib/a.py", {"ltv"}),
        ("lib/a/b/c.py", {"ltv"}),
        ("library/a.py", set()),
        ("shared", {"ltv"}),
        ("shared/x", {"ltv"}),
        ("shared2", set()),
        ("spam/x", {"spam"}),
        ("segue.yaml", set()),
        ("README.md", set()),
    ],
)
def test_only_models_whose_folder_or_paths_a_push_changes_start(path, names):
    assert started(path) == names


def test_a_push_of_several_folders_starts_each_of_them_once():
    assert started("churn/a", "churn/b", "models/fraud/a", "README.md") == {"churn", "fraud"}


def test_a_push_that_changes_nothing_starts_nothing_and_an_unknown_change_all():
    assert started() == set()
    assert started(None) == {"churn", "fraud", "ltv", "spam"}


def test_other_branches_start_only_who_names_them():
    release = replace(PUSH, ref="refs/heads/release/1")
    assert started("churn/a", "spam/a", event=release) == {"spam"}
    assert started("spam/a", event=replace(PUSH, ref="refs/heads/releases")) == set()


def test_a_tag_is_a_whole_commit_whatever_it_changes():
    assert started(event=replace(PUSH, ref="refs/tags/rank-v1")) == {"rank"}
    assert started(event=replace(PUSH, ref="refs/tags/rank#prod")) == {"rank"}
    assert started("rank/a", event=replace(PUSH, ref="refs/tags/rank#dev")) == set()


def test_what_was_deleted_starts_nothing():
    assert started("churn/a", event=replace(PUSH, after=None)) == set()
