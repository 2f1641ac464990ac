"""`segue cluster --gitops`: what is refused before anything is stored, each with what to type instead."""

import pytest

from service import clusters
from service.ports.connections import Cluster, Source
from service.ports.outcomes import Refused
from service.settings import Settings
from service.store.rows import ModelRow
from service.store.store import Store
from tests.repositories import Repository


@pytest.fixture
def repository(tmp_path):
    made = Repository(tmp_path / "git", "manifests.git")
    made.commit({"README.md": b"x", "listed/kustomization.yaml": b"resources: []", "charted/Chart.yaml": b""})
    return made


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", git_roots=(tmp_path / "git",))


@pytest.fixture
def store(settings, repository):
    (settings.home / "stores").mkdir(parents=True)
    made = Store.open(settings.store_url("engine"))
    for source in (
        Source("manifests", "bare", str(repository.folder)),
        Source("mlflow", "mlflow", "http://m.example"),
    ):
        made.decide(lambda change, source=source: change.save_source(source))
    yield made
    made.close()


def connect(settings, store, gitops):
    return clusters.connect(settings, store, Cluster("prod", kubeconfig="/nonexistent", gitops=gitops))


@pytest.mark.parametrize(
    ("gitops", "said"),
    [
        ("manifests", r"write a source, a branch and a folder, such as manifests:main:ml"),
        (
            "manifest:main:ml",
            r"connected: manifests; connect it first: segue connect git URL --name manifest$",
        ),
        ("mlflow:main:ml", r"'mlflow' is no Git repository that Segue can commit to"),
        ("manifests:mian:ml", r"has no branch 'mian'; its branches: main"),
        ("manifests:main:listed", r"holds a kustomization.yaml: only what it lists is applied"),
        ("manifests:main:charted", r"holds a Chart.yaml"),
    ],
)
def test_a_place_that_nothing_could_be_applied_from_is_refused(settings, store, gitops, said):
    with pytest.raises(Refused, match=said):
        connect(settings, store, gitops)
    assert store.clusters() == []


def test_a_repository_that_declares_models_is_refused(settings, store):
    store.decide(lambda change: change.save_model(ModelRow("wine", "manifests", "", "d" * 40, {})))
    with pytest.raises(Refused, match=r"declares models \(wine\).*repository of its own"):
        connect(settings, store, "manifests:main:ml")


def test_a_good_place_is_refused_only_for_the_cluster_that_does_not_answer(settings, store):
    with pytest.raises(Refused, match="the kubeconfig /nonexistent cannot be read"):
        connect(settings, store, "manifests:main:ml")
