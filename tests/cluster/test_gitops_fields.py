"""The printed lines beside Argo CD and Flux themselves: without them each write is undone, with them peace.

Both run as they are built from their modules, read Git over HTTP, and look by themselves all the time.
"""

import time
from dataclasses import replace

import pytest
import yaml

from service.adapters.kubernetes.api import Api
from service.ports.connections import Cluster
from tests.cluster import fields
from tests.cluster.fields import OURS, THEIRS, changed_in_git, is_applied, release, told, written
from tests.cluster.gitops.argocd import ArgoCd
from tests.cluster.gitops.flux import Flux
from tests.cluster.gitops.keeping import Folder
from tests.cluster.selfheal import printed
from tests.cluster.whole import eventually
from tests.repositories import Repository

pytestmark = [pytest.mark.whole, pytest.mark.timeout(3600)]  # they may have to be built first
ROUNDS = 4
ROUND_SECONDS = 4  # longer than each waits until it looks again


@pytest.fixture
def api(kubeconfig):
    return Api.of(Cluster("test", str(kubeconfig)))


@pytest.fixture
def manifests(namespace):
    return fields.manifests(namespace)


@pytest.fixture
def repository(git_server):
    return Repository(git_server.root, f"team-{time.time_ns()}.git")


@pytest.fixture
def folder(git_server, repository, namespace):
    """What a team gives to the tool, before it has read a line of ours."""
    return Folder(namespace, git_server.url(repository.folder), "ml", namespace)


def commit(repository, manifests):
    text = yaml.safe_dump_all(manifests)
    return repository.commit({"ml/all.yaml": text.encode()})


def all_applied(keeper, folder, tip):
    eventually(lambda: keeper.applied(folder.name) == tip, f"{keeper.tool} does not apply {tip}", 90)


def taught(keeper, folder, api):
    """The same with the lines that Segue prints from what the tool has applied."""
    text = told(api, folder.namespace)
    assert keeper.tool in text
    return replace(folder, spec=printed(text))


def test_without_the_lines_each_write_is_undone(keeper, folder, repository, api, manifests):
    tip = commit(repository, manifests)
    with keeper.keep(folder):
        all_applied(keeper, folder, tip)
        assert written(api, folder.namespace) == THEIRS
        release(api, folder.namespace)
        eventually(lambda: written(api, folder.namespace) == THEIRS, "nobody undoes it", 90)


def test_with_the_printed_lines_there_is_peace(keeper, folder, repository, api, manifests):
    tip = commit(repository, manifests)
    with keeper.keep(folder):
        all_applied(keeper, folder, tip)
    with keeper.keep(taught(keeper, folder, api)):
        keeper.look(folder.name)
        release(api, folder.namespace)
        for _ in range(ROUNDS):
            keeper.look(folder.name)
            time.sleep(ROUND_SECONDS)
            assert written(api, folder.namespace) == OURS
        assert keeper.applied(folder.name) == tip, "all is in order by its own account"


def test_what_people_change_in_git_is_still_applied_and_spares_what_is_ours(
    keeper, folder, repository, api, manifests
):
    tip = commit(repository, manifests)
    with keeper.keep(folder):
        all_applied(keeper, folder, tip)
    with keeper.keep(taught(keeper, folder, api)):
        keeper.look(folder.name)
        release(api, folder.namespace)
        changed_in_git(manifests)
        all_applied(keeper, folder, commit(repository, manifests))
        eventually(lambda: is_applied(api, folder.namespace), "what people changed is not there")
        for _ in range(ROUNDS):
            keeper.look(folder.name)
            assert written(api, folder.namespace) == OURS


@pytest.mark.parametrize("keeper", [ArgoCd], indirect=True)
def test_argo_cd_needs_the_sync_option_too(keeper, folder, repository, api, manifests):
    """Without it differences are not seen, but the next sync for another reason writes all of Git."""
    tip = commit(repository, manifests)
    with keeper.keep(folder):
        all_applied(keeper, folder, tip)
    half = taught(keeper, folder, api)
    with keeper.keep(replace(half, spec={"ignoreDifferences": half.spec["ignoreDifferences"]})):
        keeper.look(folder.name)
        release(api, folder.namespace)
        keeper.look(folder.name)
        assert written(api, folder.namespace) == OURS
        manifests[2]["spec"]["hostnames"] = ["new.example"]
        commit(repository, manifests)
        eventually(lambda: written(api, folder.namespace)["weights"] == THEIRS["weights"], "it is spared", 90)


@pytest.mark.parametrize("keeper", [Flux], indirect=True)
def test_before_flux_2_9_an_annotation_in_git_keeps_the_peace(keeper, folder, repository, api, manifests):
    key, _, value = "kustomize.toolkit.fluxcd.io/ssa: IfNotPresent".partition(": ")
    for one in manifests:
        one["metadata"]["annotations"] = {key: value}
    tip = commit(repository, manifests)
    with keeper.keep(folder):
        all_applied(keeper, folder, tip)
        assert f"{key}: {value}" in told(api, folder.namespace)
        release(api, folder.namespace)
        for _ in range(ROUNDS):
            keeper.look(folder.name)
            assert written(api, folder.namespace) == OURS
