"""The cluster's API server is gone for a minute, and its store starts anew, in the middle of releases.

Only on a cluster that `make test-cluster` or `python -m tests.cluster.local up` started: it says so in
SEGUE_TEST_STOPPABLE. The file's name lets it run last, since it takes the cluster from everybody.
"""

import os
import subprocess
import sys
import time
import uuid

import pytest

from tests.cluster import logins
from tests.cluster.disturbing import Team, declared, told
from tests.cluster.load import Load
from tests.cluster.whole import Control, eventually

pytestmark = pytest.mark.whole

OUTAGE_SECONDS = 60
DEFAULTS = """\
  risk: 2%
  ladder: [10%, 50%, 100%]
  dwell: 3s
  warm_up: 0s
  watch: 4s
"""


@pytest.fixture
def cluster():
    """Stops and starts parts of the cluster: `cluster("stop", "etcd")`; all run again afterwards."""
    known = os.environ.get("SEGUE_TEST_STOPPABLE")
    if not known:
        pytest.skip("the cluster is not ours to stop: SEGUE_TEST_STOPPABLE is not set")
    name, _, number = known.partition(":")
    stopped = []

    def tell(what, part):
        words = ["--name", name, "--number", number, what, part]
        subprocess.run([sys.executable, "-m", "tests.cluster.local", *words], check=True)
        stopped.append(part) if what == "stop" else stopped.remove(part)

    yield tell
    for part in [*stopped]:
        tell("start", part)


@pytest.fixture
def team(kubectl, images, gateway):
    """What a team runs before Segue comes."""
    name = f"segue-test-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "segue-test": "yes"}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    team = Team(kubectl, images, gateway, name)
    team.run("cut-off")
    kubectl.rolled_out(name, "cut-off")
    yield team
    kubectl.run("delete", "namespace", name, "--wait=false")


@pytest.fixture
def login(kubectl, gateway, team, tmp_path):
    """A kubeconfig with exactly the rights that the chart gives in the team's namespace."""
    with logins.given(kubectl, team.namespace, gateway, tmp_path / "login", restarted=True) as login:
        yield login


def answers(team):
    """Whether the API server does."""
    try:
        return team.kubectl.run("get", "--raw", "/readyz", "--request-timeout=2s") == "ok"
    except RuntimeError:
        return False


@pytest.mark.timeout(600)
def test_traffic_stays_as_it_is_without_the_api_server_and_the_release_goes_on_with_evidence_afterwards(
    login, images, gateway, team, cluster, tmp_path
):
    with Control(tmp_path / "segue", login, team.namespace, images, gateway) as control:
        declared(control, team, DEFAULTS, {"cut-off": f"route: {team.namespace}/cut-off"})
        eventually(lambda: control.client.models().page().rows, "the model is not declared")
        with Load(gateway.url, {"Host": team.host("cut-off")}) as load:
            eventually(lambda: load.counts()["1", 200] > 20, "the route does not answer")
            begun = load.now()
            team.image("cut-off", 2)
            name = control.next_release("cut-off")
            eventually(lambda: team.share("cut-off") >= 10, "the release does not begin", 120)

            cluster("stop", "kube-apiserver")
            stopped = load.now()
            assert not answers(team)
            time.sleep(OUTAGE_SECONDS)
            during = load.counts(stopped)
            cluster("start", "kube-apiserver")
            eventually(lambda: answers(team), "the API server does not come back")
            good = control.outcome(name)
            assert (good["phase"], good["proven"]) == ("promoted", True), told(control, name)

            team.image("cut-off", 3, error_rate=0.2)
            bad = control.next_release("cut-off", after=[name])
            eventually(lambda: len(team.weights("cut-off")) > 1, "the release does not begin", 120)
            cluster("stop", "etcd")
            assert not answers(team)
            cluster("start", "etcd")
            ended = control.outcome(bad)
            assert ended["phase"] == "rolled back", told(control, bad)
            back = load.now()
            eventually(lambda: load.now() > back + 5, "time stands still")
        share = 100 * during["2", 200] / during.total()
        assert 5 <= share <= 60, f"the candidate had {share:.0f} % while nobody could change that"
        assert {status for _, status in during} == {200}
        assert load.story(begun) == ""
        assert {status for version, status in load.counts(begun) if version in {"1", "2"}} == {200}
        assert set(load.counts(back + 3)) == {("2", 200)}
