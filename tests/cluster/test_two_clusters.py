"""One Segue that knows two clusters by name: what it asks of each, and one model that it releases into both."""

import json
import os
import subprocess
import sys
import time
import uuid
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cluster import logins, traefik
from tests.cluster.bare import api_server
from tests.cluster.disturbing import Team, told
from tests.cluster.kubectl import Kubectl
from tests.cluster.load import Load
from tests.cluster.local import building
from tests.cluster.routing import Gateway, kubeconfig
from tests.cluster.second import Mirrored, another_cluster, without_api_server
from tests.cluster.whole import Control, eventually

SEGUE = str(Path(sys.executable).with_name("segue"))
MISSING = "the cluster has no Gateway API"


pytestmark = pytest.mark.whole  # `segue` is started six times


@pytest.fixture(scope="module")
def bare():
    with api_server() as place:
        yield place


def segue(home, *words):
    env = {"SEGUE_HOME": str(home), "PATH": os.environ["PATH"]}
    return subprocess.run([SEGUE, *words], env=env, check=False, capture_output=True, text=True)


def missing(home, name):
    """What the doctor finds amiss in the cluster of that name, with what mends it; and how it ends."""
    done = segue(home, "doctor", "--cluster", name, "--json")
    said = json.loads(done.stdout)
    return {one["detail"]: one["mend"] for one in said if not one["ok"]}, done.returncode


def test_each_cluster_is_asked_by_its_name_and_the_gateway_api_that_one_lacks_is_told_with_its_line(
    bare, tmp_path
):
    with Gateway() as whole:
        given = whole.cluster
        address = ("--address", given.address, "--metrics", given.metrics)
        for name, config, namespace, gateway in (
            ("whole", kubeconfig(), whole.namespace, given.gateway),
            ("bare", str(bare.kubeconfig), "default", "infra/web"),
        ):
            words = ("--kubeconfig", config, "--namespace", namespace, "--gateway", gateway, *address)
            done = segue(tmp_path, "cluster", name, *words)
            assert done.returncode == 0, done.stderr
        found, code = missing(tmp_path, "bare")
        assert (code, found[MISSING].partition("/releases/")[0]) == (
            1,
            "kubectl apply --server-side -f https://github.com/kubernetes-sigs/gateway-api",
        )
        assert MISSING not in missing(tmp_path, "whole")[0]

        apply = ("kubectl", "--kubeconfig", str(bare.kubeconfig), "apply", "--server-side", "-f")
        subprocess.run([*apply, str(building.gateway_api())], check=True, capture_output=True)
        found, code = missing(tmp_path, "bare")
        assert (code, MISSING in found, "there is no Gateway infra/web" in found) == (1, False, True)


OUTAGE_SECONDS = 60
SECONDS = 480  # for a release: two clusters and two gateways share this machine
IN_BOTH = """\
name: fraud
image: {registry}/{namespace}:fraud-*
deployment: {namespace}/fraud
route: {namespace}/fraud
risk: 2%
ladder: [10%, 50%, 100%]
dwell: 3s
warm_up: 0s
watch: 4s
environments:
  near: {{cluster: test}}
  far: {{cluster: far}}
"""


@pytest.fixture(scope="module")
def far(registry, images):
    """A second cluster, its gateway, and images for both."""
    with another_cluster(registry) as place:
        kubectl = Kubectl(place.kubeconfig)
        program = Path(sys.executable).with_name("traefik").resolve()
        both = Mirrored(images, place.registry)
        yield place, kubectl, traefik.install(kubectl, both.program("traefik", program, "traefik")), both


@pytest.fixture
def teams(kubectl, gateway, far):
    """The same model in a namespace of the same name in each cluster, as the team runs it."""
    name = f"segue-test-{uuid.uuid4().hex[:8]}"
    _, other, beyond, images = far
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "segue-test": "yes"}
    made = []
    for where, its in ((kubectl, gateway), (other, beyond)):
        where.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        made.append(Team(where, images, its, name))
        made[-1].run("fraud")
        where.rolled_out(name, "fraud")
    yield made
    for team in made:
        team.kubectl.run("delete", "namespace", name, "--wait=false")


@pytest.fixture
def accounts(teams, tmp_path_factory):
    """The login that the chart gives in each of the two, none of whose rights may be missing."""
    near, far = teams
    folder = tmp_path_factory.mktemp("logins")
    with (
        logins.given(near.kubectl, near.namespace, near.gateway, folder / "near") as one,
        logins.given(far.kubectl, far.namespace, far.gateway, folder / "far", restarted=True) as other,
    ):
        yield one, other


def release_of(control, environment):
    """The release into that environment, as soon as there is one."""

    def found():
        rows = control.client.releases().page().rows
        named = [one["name"] for one in rows if one["target"] == f"fraud/{environment}"]
        return next(iter(named), None)

    return eventually(found, f"nothing is released into {environment}", 120)


@pytest.mark.timeout(1500)
def test_one_model_is_released_into_both_and_while_one_is_away_only_its_own_lane_waits(
    images, gateway, teams, accounts, far, tmp_path
):
    place, _, beyond, _ = far
    near_team, far_team = teams
    near_login, far_login = accounts
    namespace = near_team.namespace
    with Control(tmp_path, near_login, namespace, images, gateway) as control, ExitStack() as loads:
        given = ("--namespace", namespace, "--gateway", "/".join(beyond.reference), "--address", beyond.url)
        control.say("cluster", "far", "--kubeconfig", str(far_login), *given, "--metrics", beyond.metrics)
        control.say("connect", "registry", f"http://{images.registry}")
        control.declare(IN_BOTH.format(registry=images.registry, namespace=namespace))
        eventually(lambda: control.client.models().page().rows, "the model is not declared")
        host = {"Host": near_team.host("fraud")}
        near_load, far_load = (
            loads.enter_context(Load(url, host, rate=30)) for url in (gateway.url, beyond.url)
        )
        eventually(lambda: near_load.counts()["1", 200] > 20, "the near route does not answer")
        eventually(lambda: far_load.counts()["1", 200] > 20, "the far route does not answer")
        begun = near_load.now(), far_load.now()

        near_team.image("fraud", 2)
        into_far = release_of(control, "far")
        eventually(lambda: far_team.share("fraud") >= 10, "the release into far does not begin", 180)
        with without_api_server(place):
            cut, until = far_load.now(), time.monotonic() + OUTAGE_SECONDS
            near = control.outcome(release_of(control, "near"), SECONDS)
            assert (near["phase"], near["proven"]) == ("promoted", True), told(control, near["name"])
            while time.monotonic() < until:
                time.sleep(0.3)
            assert not control.client.release(into_far)["release"]["final"], told(control, into_far)
            during = far_load.counts(cut)
        ended = control.outcome(into_far, SECONDS)
        assert (ended["phase"], ended["proven"]) == ("promoted", True), told(control, into_far)
        assert {status for _, status in during} == {200}
        for load, since in zip((near_load, far_load), begun, strict=True):
            back = load.now()
            eventually(lambda at=load, then=back: at.now() > then + 6, "time stands still")
            assert load.story(since) == ""
            assert {status for _, status in load.counts(since)} == {200}
            assert set(load.counts(back + 3)) == {("2", 200)}
