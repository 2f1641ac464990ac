"""What a source may declare: its own models, for targets that the operator gave to it."""

import pytest

from service.engine.declaring import declared
from service.ports.connections import Cluster, Source
from service.ports.git import TreeEntry
from service.store.rows import ModelRow

FILE = b"name: wine\nbuild: {lock: a.txt}\nserve: {run: a}\n"


class Host:
    """A repository with one file."""

    def file(self, commit, path):
        return FILE


def read(owns=("*",), known=(), clusters=()):
    tree = (TreeEntry("wine/segue.yaml", "0" * 40, 0o100644, len(FILE)),)
    source = Source("git", "bare", "/srv/git", owns)
    return declared(Host(), source, known, "c" * 40, tree, now=0.0, clusters=clusters)


@pytest.mark.parametrize("owns", [("*",), ("wine/*",), ("churn/*", "*/production")])
def test_a_source_declares_models_for_its_targets(owns):
    assert [model.name for model in read(owns).models] == ["wine"]


def test_a_target_that_the_source_may_not_own_is_a_mistake_in_its_file():
    found = read(("churn/*",))
    assert found.models == ()
    (mistake,) = found.broken[0].mistakes
    assert mistake.message == (
        "source git may not own wine/production; it may own churn/*."
        " An operator can change that: segue connect ... --owns wine/production"
    )


def test_a_model_of_another_source_is_not_taken_over():
    found = read(known=(ModelRow("wine", "other", "", "d" * 40, {}),))
    assert found.models == ()
    assert "declared by source other" in found.broken[0].mistakes[0].message


def test_a_model_of_the_same_source_is_declared_anew():
    assert read(known=(ModelRow("wine", "git", "", "d" * 40, {}),)).broken == ()


def test_a_repository_that_segue_commits_to_declares_no_models():
    """Each commit would be a push to them, which would start a release, which would be a commit."""
    (broken,) = read(clusters=(Cluster("prod", gitops="git:main:apps"),)).broken
    (mistake,) = broken.mistakes
    assert mistake.message.startswith("workloads of cluster prod are committed to this repository")
    assert read(clusters=(Cluster("prod", gitops="manifests:main:apps"),)).broken == ()
