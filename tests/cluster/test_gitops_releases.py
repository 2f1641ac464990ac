"""Whole releases beside Argo CD and Flux themselves, under 50 requests a second, in both ways to live together.

Either they apply the versions that Segue commits, or they keep a team's objects and leave a release's
fields alone, as they are told by the lines that Segue prints. Both heal and prune all the time.
"""

import time
from dataclasses import replace

import pytest
import yaml

from service.adapters.kubernetes.view import KubernetesView
from service.ports.connections import Cluster
from tests.cluster.gitops.keeping import Folder
from tests.cluster.load import Load
from tests.cluster.pushes import good_and_bad, push
from tests.cluster.selfheal import printed
from tests.cluster.takeover import declared, ours, team
from tests.cluster.whole import SETTLED, Control, eventually, tag
from tests.repositories import Repository

WRITERS = {"Argo CD": "argocd-controller (Update)", "Flux": "kustomize-controller (Apply)"}
pytestmark = [pytest.mark.whole, pytest.mark.timeout(3600)]  # they may have to be built first


@pytest.fixture
def repository(git_server):
    """What is deployed, in Git."""
    made = Repository(git_server.root, f"deployed-{time.time_ns()}.git")
    made.commit({"README.md": b"what is deployed"})
    return made


@pytest.fixture
def folder(git_server, repository, namespace):
    return Folder(namespace, git_server.url(repository.folder), "ml", namespace)


def said(manifests):
    """What each commit of Segue's says, oldest first: `Start echo-production-0a1b2c`."""
    log = manifests.git("log", "--reverse", "--author=Segue", "--format=%s", "main").decode()
    return [line.partition(".")[0] for line in log.splitlines()]


# --- versions are commits -----------------------------------------------------------------------


def test_versions_are_commits_and_traffic_shifts_once_they_are_applied(
    keeper, login, kubectl, images, gateway, namespace, git_server, repository, folder, tmp_path
):
    with Control(
        tmp_path, login, namespace, images, gateway, SEGUE_GIT_ROOTS=f"{tmp_path}:{git_server.root}"
    ) as control:
        control.say("connect", "git", str(repository.folder))
        name = repository.folder.name.removesuffix(".git")
        control.say(
            "cluster", "test", "--namespace", namespace, "--default", "--gitops", f"{name}:main:ml",
            "--gateway", "/".join(gateway.reference), "--address", gateway.url, "--metrics", gateway.metrics,
        )  # fmt: skip
        push(control, 1)
        begun = control.next_release("echo")
        eventually(lambda: said(repository), f"nothing is committed: {control.say('show', begun)}", 120)
        tip = repository.git("rev-parse", "main").decode()
        waits = control.client.logs(begun)["workload"]
        assert waits == f"waiting for Argo CD or Flux to apply commit {tip[:12]} ({name}:main:ml)"
        assert kubectl.get("deployments", "-n", namespace)["items"] == []
        with keeper.keep(folder):
            first = control.outcome(begun)
            assert first["phase"] == "promoted", control.say("show", begun)
            with Load(control.target("echo/production")["address"], rate=50) as load:
                _, good, bad = good_and_bad(control, load, first, 90)
                stopped = f"Stop {short(bad)}"
                eventually(lambda: stopped in said(repository), "what was rolled back is still in Git")
                eventually(lambda: short(bad) not in deployments(kubectl, namespace), "it is not pruned", 90)
                control.say("rollback", "echo")
                back = control.outcome("rel-4")
                assert back["phase"] == "promoted", control.say("show", back["name"])
            assert load.lost() == []
    starts = [f"Start {short(one)}" for one in (first, good, bad)]
    assert [line for line in said(repository) if line.startswith("Start")] == starts, (
        "rolling back starts nothing"
    )
    assert {status for version, status in load.counts() if version != bad["backend"]} == {200}


def short(release):
    return release["backend"].partition(".")[0]


def deployments(kubectl, namespace):
    return {one["metadata"]["name"] for one in kubectl.get("deployments", "-n", namespace)["items"]}


# --- fields are left to Segue -------------------------------------------------------------------


@pytest.fixture
def team_folder(keeper, repository, folder, kubectl, images, gateway, namespace):
    """A team's objects in Git, which the tool has applied; `write` commits them anew."""
    objects = team(namespace, images, gateway, f"{namespace}.test")
    write(repository, objects)
    with keeper.keep(folder):
        eventually(lambda: "fraud" in deployments(kubectl, namespace), "nothing is applied", 90)
        kubectl.rolled_out(namespace, "fraud")
    return objects


def write(repository, objects):
    """Commit them; the new tip."""
    return repository.commit({"ml/fraud.yaml": yaml.safe_dump_all(objects).encode()})


def test_beside_self_heal_a_release_goes_through_and_is_handed_back(
    keeper, team_folder, login, kubectl, images, gateway, namespace, repository, folder, tmp_path
):
    tagged = tag(images.model("1", f"{namespace}/fraud"), "main-1")
    control = Control(tmp_path, login, namespace, images, gateway)
    kept = replace(folder, spec=lines(kubectl, namespace, keeper.tool))
    with Load(gateway.url, {"Host": f"{namespace}.test"}, rate=50) as load, control, keeper.keep(kept):
        eventually(lambda: load.counts()["1", 200] > 20, "the route does not answer")
        begun = load.now()
        declared(control, images, namespace, tagged)
        tag(images.model("2", f"{namespace}/fraud"), "main-2")
        good = control.outcome(control.next_release("fraud"))
        assert good["phase"] == "promoted", control.say("show", good["name"])
        assert good["proven"]
        tag(images.model("3", f"{namespace}/fraud", error_rate=0.2), "main-3")
        bad = control.outcome(control.next_release("fraud", after=[good["name"]]))
        assert bad["phase"] == "rolled back", control.say("show", bad["name"])
        tip = repository.git("rev-parse", "main").decode()
        eventually(lambda: keeper.applied(folder.name) == tip, "it is out of order")

        control.say("hand-back", "fraud")
        eventually(
            lambda: "changed it back; write it into" in (_target(control)["waits"] or ""),
            "nobody says what to do",
            120,
        )
        team_folder[2]["spec"]["template"]["spec"]["containers"][0]["image"] = _running(good, tagged)
        write(repository, team_folder)
        eventually(lambda: _target(control)["stable"] is None, "it is not handed back", 180)
        after = load.now()
        eventually(lambda: load.now() > after + 6, "time stands still")
        eventually(lambda: ours(kubectl, namespace) == [], "objects of ours are left", 90)
    assert load.story(begun) == ""
    assert {status for version, status in load.counts(begun) if version in {"1", "2"}} == {200}
    assert set(load.counts(after + SETTLED)) == {("2", 200)}


def lines(kubectl, namespace, tool):
    """What `segue init --from` prints for whoever keeps the Deployment; it is asked with a person's login."""
    cluster = Cluster("test", str(kubectl.kubeconfig))
    found = KubernetesView.open(cluster).existing(namespace, "fraud")
    assert found.manager.startswith(tool)
    return printed(found.mend)


def _target(control):
    return control.target("fraud/production")


def _running(release, tagged):
    return f"{tagged}@{release['image']}"


def test_without_the_lines_a_release_stops_with_a_clear_message_and_there_is_no_war(
    keeper, team_folder, login, kubectl, images, gateway, namespace, repository, folder, tmp_path
):
    tagged = tag(images.model("1", f"{namespace}/fraud"), "main-1")
    control = Control(tmp_path, login, namespace, images, gateway)
    with Load(gateway.url, {"Host": f"{namespace}.test"}, rate=50) as load, control, keeper.keep(folder):
        eventually(lambda: load.counts()["1", 200] > 20, "the route does not answer")
        declared(control, images, namespace, tagged)
        tag(images.model("2", f"{namespace}/fraud"), "main-2")
        name = control.next_release("fraud")
        eventually(lambda: control.client.release(name)["release"]["paused"], "it goes on", 240)
        told = control.client.release(name)["release"]["reason"]
        assert f"HTTPRoute {namespace}/fraud was changed by {WRITERS[keeper.tool]}" in told, told
        assert f"In {keeper.tool}" in told
        assert "/spec/rules" in str(printed(told)), "the lines are in it, and can be copied"
        before = kubectl.get("httproute", "fraud", "-n", namespace)["metadata"]["generation"]
        time.sleep(60)
        after = kubectl.get("httproute", "fraud", "-n", namespace)["metadata"]["generation"]
        assert after - before <= 2, "there is a war"
    assert load.lost() == []
