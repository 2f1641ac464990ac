"""One worker, two clusters, and one of them never answers, or its login never comes: the other's release goes on."""

import json
import stat
import uuid
from contextlib import ExitStack

import pytest

from tests.cluster import logins
from tests.cluster.disturbing import Team, told
from tests.cluster.faults import Fault, always
from tests.cluster.faulty_api import FaultyApi
from tests.cluster.load import Load
from tests.cluster.whole import Control, eventually

pytestmark = pytest.mark.whole

PROCESSES = 5  # that may ask a cluster: all but the intake

DEFAULTS = """\
defaults:
  risk: 2%
  ladder: [10%, 50%, 100%]
  dwell: 3s
  warm_up: 0s
  watch: 4s
models:
"""
MODEL = """\
  {name}:
    image: {registry}/{namespace}:{name}-*
    deployment: {namespace}/{name}
    route: {namespace}/{name}
    environments: {{production: {{cluster: {cluster}}}}}
"""


@pytest.fixture
def teams(kubectl, images, gateway):
    """A model in each of two namespaces, as if they were in clusters of their own."""
    made = []
    for model in ("near", "far"):
        name = f"segue-test-{uuid.uuid4().hex[:8]}"
        labels = {"pod-security.kubernetes.io/enforce": "restricted", "segue-test": "yes"}
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        made.append(Team(kubectl, images, gateway, name))
        made[-1].run(model)
        kubectl.rolled_out(name, model)
    yield made
    for team in made:
        kubectl.run("delete", "namespace", team.namespace, "--wait=false")


@pytest.fixture
def accounts(kubectl, gateway, teams, tmp_path_factory):
    """The login that the chart gives in each namespace, none of whose rights may be missing."""
    near, far = (team.namespace for team in teams)
    folder = tmp_path_factory.mktemp("logins")
    with (
        logins.given(kubectl, near, gateway, folder / "near") as one,
        logins.given(kubectl, far, gateway, folder / "far") as other,
    ):
        yield one, other


def declared(control, images, teams):
    """Both models in one segue.yaml, each in its cluster."""
    clusters = {"near": "test", "far": "far"}
    text = "".join(
        MODEL.format(name=name, registry=images.registry, namespace=team.namespace, cluster=cluster)
        for (name, cluster), team in zip(clusters.items(), teams, strict=True)
    )
    control.say("connect", "registry", f"http://{images.registry}")
    control.declare(DEFAULTS + text)
    eventually(lambda: len(control.client.models().page().rows) == 2, "the models are not declared")


def running(control, images, gateway, teams, config, loads):
    """The far cluster is connected by its kubeconfig, both models are declared and asked all the time."""
    given = ("--namespace", teams[1].namespace, "--gateway", "/".join(gateway.reference))
    served = ("--address", gateway.url, "--metrics", gateway.metrics)
    control.say("cluster", "far", "--kubeconfig", str(config), *given, *served)
    declared(control, images, teams)
    asked = [
        loads.enter_context(Load(gateway.url, {"Host": team.host(name)}, rate=20))
        for name, team in zip(("near", "far"), teams, strict=True)
    ]
    eventually(lambda: asked[1].counts()["1", 200] > 20, "the far route does not answer")
    return asked


@pytest.mark.timeout(900)
def test_a_cluster_that_never_answers_holds_its_own_release_alone(images, gateway, teams, accounts, tmp_path):
    near_team, far_team = teams
    near_login, far_login = accounts
    with (
        FaultyApi(far_login) as far,
        Control(tmp_path, near_login, near_team.namespace, images, gateway) as control,
        ExitStack() as loads,
    ):
        config = far.kubeconfig(tmp_path / "far")
        near_load, far_load = running(control, images, gateway, teams, config, loads)
        cut = far_load.now()

        far_team.image("far", 2)
        into_far = control.next_release("far")
        eventually(lambda: far_team.share("far") >= 10, "the release into far does not begin", 180)
        far.does(always(Fault.HANG))
        near_team.image("near", 2)
        began = near_load.now()
        near = control.outcome(control.next_release("near"), 300)
        seconds = near_load.now() - began
        calls = [call for call, _ in far.done if call.resource != "/readyz"]
        print(f"{seconds:.0f} s; {len(calls)} calls hung, {len(far.done) - len(calls)} questions")
        assert (near["phase"], near["proven"]) == ("promoted", True), told(control, near["name"])
        assert not control.client.release(into_far)["release"]["final"], told(control, into_far)
        assert "does not answer" in told(control, into_far)
        assert len(calls) <= 6, "each process waits for one call, not for each"

        far.does(lambda call: None)
        ended = control.outcome(into_far, 300)
        assert (ended["phase"], ended["proven"]) == ("promoted", True), told(control, into_far)
        assert {status for _, status in far_load.counts(cut)} == {200}


PLUGIN = """#!/bin/sh
cd "$(dirname "$0")"
if test -e hangs; then echo $$ >> hung; sleep 600; fi
sed "s/ENDS/$(date -u -d '+5 seconds' +%Y-%m-%dT%H:%M:%SZ)/" prints
"""


def plugged(login, folder):
    """A kubeconfig of the same login, whose token, of five seconds, comes from a program."""
    folder.mkdir()
    told = json.loads(login.read_text())
    token = told["users"][0]["user"].pop("token")
    version = "client.authentication.k8s.io/v1"
    status = {"token": token, "expirationTimestamp": "ENDS"}
    prints = {"apiVersion": version, "kind": "ExecCredential", "status": status}
    (folder / "prints").write_text(json.dumps(prints))
    (folder / "plugin").write_text(PLUGIN)
    (folder / "plugin").chmod(stat.S_IRWXU)
    told["users"][0]["user"]["exec"] = {
        "apiVersion": version,
        "command": "./plugin",
        "interactiveMode": "Never",
    }
    (folder / "config").write_text(json.dumps(told))
    return folder / "config"


@pytest.mark.timeout(900)
def test_a_login_program_that_hangs_holds_its_own_clusters_release_alone(
    images, gateway, teams, accounts, tmp_path
):
    near_team, far_team = teams
    near_login, far_login = accounts
    config = plugged(far_login, tmp_path / "login")
    with (
        Control(tmp_path / "segue", near_login, near_team.namespace, images, gateway) as control,
        ExitStack() as loads,
    ):
        near_load, far_load = running(control, images, gateway, teams, config, loads)
        cut = far_load.now()
        far_team.image("far", 2)
        into_far = control.next_release("far")
        eventually(lambda: far_team.share("far") >= 10, "the release into far does not begin", 180)
        (config.parent / "hangs").touch()
        near_team.image("near", 2)
        began = near_load.now()
        near = control.outcome(control.next_release("near"), 300)
        seconds = near_load.now() - began
        runs = len((config.parent / "hung").read_text().splitlines())
        print(f"{seconds:.0f} s; {runs} runs hung")
        assert (near["phase"], near["proven"]) == ("promoted", True), told(control, near["name"])
        assert not control.client.release(into_far)["release"]["final"], told(control, into_far)
        assert "did not end within 15 s" in told(control, into_far)
        assert runs <= PROCESSES * (1 + seconds / 75), "each process runs it once in a while"

        (config.parent / "hangs").unlink()
        ended = control.outcome(into_far, 300)
        assert (ended["phase"], ended["proven"]) == ("promoted", True), told(control, into_far)
        assert {status for _, status in far_load.counts(cut)} == {200}
