"""Whole releases where a GitOps controller, and not Segue, applies the versions, under 50 requests a second."""

import pytest

from tests.cluster.load import Load
from tests.cluster.selfheal import Loop, Reconciler
from tests.cluster.test_releases import push
from tests.cluster.whole import Control, eventually
from tests.repositories import Repository

pytestmark = pytest.mark.whole


def connect(control, kubectl, gateway, namespace):
    """Have the cluster's workloads committed; the repository, and the controller that applies it."""
    manifests = Repository(control.place.bare.parent, "manifests.git")
    manifests.commit({"README.md": b"what is deployed"})
    control.say("connect", "git", str(manifests.folder))
    control.say(
        "cluster", "test", "--namespace", namespace, "--default", "--gitops", "manifests:main:ml",
        "--gateway", "/".join(gateway.reference), "--address", gateway.url, "--metrics", gateway.metrics,
    )  # fmt: skip
    return manifests, Reconciler(kubectl, manifests.folder, "main", "ml")


def said(manifests):
    """What each commit says and what it did, oldest first; only Segue's."""
    log = manifests.git("log", "--reverse", "--author=Segue", "--format=%s", "main").decode()
    return [line.partition(".")[0] for line in log.splitlines()]


def test_versions_are_commits_and_traffic_shifts_once_they_are_applied(
    login, kubectl, images, gateway, namespace, tmp_path
):
    with Control(tmp_path, login, namespace, images, gateway) as control:
        manifests, controller = connect(control, kubectl, gateway, namespace)
        push(control, 1)
        name = control.next_release("echo")
        eventually(lambda: said(manifests), f"nothing is committed: {control.say('show', name)}", 120)
        waits = control.client.get(f"releases/{name}/logs")["logs"]["workload"]
        tip = manifests.git("rev-parse", "main").decode()
        assert waits == f"waiting for Argo CD or Flux to apply commit {tip[:12]} (manifests:main:ml)"
        assert kubectl.get("deployments", "-n", namespace)["items"] == []
        with Loop(controller.look, seconds=1.0):
            first = control.outcome(name)
            assert first["phase"] == "promoted", control.say("show", name)
            with Load(control.target("echo/production")["address"], rate=50) as load:
                eventually(
                    lambda: load.counts()[first["backend"], 200] > 50, "the first version does not answer", 90
                )
                push(control, 2)
                good = control.outcome(control.next_release("echo", after=["rel-1"]))
                assert good["phase"] == "promoted", control.say("show", good["name"])
                push(control, 3, every=5)
                bad = control.outcome(control.next_release("echo", after=["rel-1", "rel-2"]))
                assert bad["phase"] == "rolled back", control.say("show", bad["name"])
                stopped = f"Stop {bad['backend'].partition('.')[0]}"
                eventually(lambda: stopped in said(manifests), "what was rolled back is still in Git")
                control.say("rollback", "echo")
                back = control.outcome("rel-4")
                assert back["phase"] == "promoted", control.say("show", back["name"])
            assert load.lost() == []
    service = {
        r: one["backend"].partition(".")[0] for r, one in (("first", first), ("good", good), ("bad", bad))
    }
    starts = [f"Start {service[name]}" for name in ("first", "good", "bad")]
    assert [line for line in said(manifests) if line.startswith("Start")] == starts, (
        "rolling back starts nothing"
    )
    assert {status for version, status in load.counts() if version != bad["backend"]} == {200}
