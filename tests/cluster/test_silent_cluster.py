"""One worker, two clusters, and one of them takes connections and never answers: the other's release goes on."""

import uuid
from contextlib import ExitStack

import pytest

from tests.cluster.disturbing import Team, told
from tests.cluster.faults import Fault, always
from tests.cluster.faulty_api import FaultyApi
from tests.cluster.load import Load
from tests.cluster.whole import Control, eventually

pytestmark = pytest.mark.whole

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


@pytest.mark.timeout(900)
def test_a_cluster_that_never_answers_holds_its_own_release_alone(
    kubeconfig, images, gateway, teams, tmp_path
):
    near_team, far_team = teams
    with (
        FaultyApi(kubeconfig) as far,
        Control(tmp_path, kubeconfig, near_team.namespace, images, gateway) as control,
        ExitStack() as loads,
    ):
        given = ("--namespace", far_team.namespace, "--gateway", "/".join(gateway.reference))
        config = far.kubeconfig(tmp_path / "far")
        served = ("--address", gateway.url, "--metrics", gateway.metrics)
        control.say("cluster", "far", "--kubeconfig", config, *given, *served)
        declared(control, images, teams)
        near_load, far_load = (
            loads.enter_context(Load(gateway.url, {"Host": team.host(name)}, rate=20))
            for name, team in zip(("near", "far"), teams, strict=True)
        )
        eventually(lambda: far_load.counts()["1", 200] > 20, "the far route does not answer")
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
