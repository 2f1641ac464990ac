"""Releases that something else gets in the way of: autoscalers, drained nodes, crashes, people.

One installation and one team's namespace for all; each test has a model of its own and its own 100
requests a second, through Traefik in the cluster.
"""

import math
import re
import time
import uuid

import pytest

from tests.cluster import logins
from tests.cluster.disturbing import Team, Watching, declared, told
from tests.cluster.load import Load
from tests.cluster.whole import SETTLED, Control, eventually

pytestmark = pytest.mark.whole

DEFAULTS = """\
  risk: 2%
  ladder: [10%, 50%, 100%]
  dwell: 3s
  warm_up: 0s
  watch: 4s
"""
STEPS = {0.0, 10.0, 50.0, 100.0}
MODELS = ("busy", "drained", "dying", "beheaded", "edited")
REPLICAS = {"busy": 2, "drained": 3}
BEHAVIOUR = {
    "busy": {"cpu_seconds": 0.002},
    "drained": {"drain_seconds": 15},  # until a data plane on a busy machine has surely forgotten the pod
}


@pytest.fixture(scope="module")
def team(kubectl, images, gateway):
    """What a team runs before Segue comes."""
    name = f"segue-test-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "segue-test": "yes"}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    team = Team(kubectl, images, gateway, name)
    for model in (*MODELS, "switched"):
        team.run(model, replicas=REPLICAS.get(model, 1), **BEHAVIOUR.get(model, {}))
    kubectl.apply(autoscaler(name, "busy"), budget(name, "drained"))
    kubectl.rolled_out(name, *MODELS, "switched")
    yield team
    kubectl.run("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def login(kubectl, gateway, team, tmp_path_factory):
    """A kubeconfig with exactly the rights that the chart gives in the team's namespace."""
    path = tmp_path_factory.mktemp("login") / "kubeconfig"
    with logins.given(kubectl, team.namespace, gateway, path) as login:
        yield login


@pytest.fixture(scope="module")
def control(login, images, gateway, team, tmp_path_factory):
    """The whole service, which knows the team's models."""
    with Control(tmp_path_factory.mktemp("segue"), login, team.namespace, images, gateway) as control:
        models = {name: f"route: {team.namespace}/{name}" for name in MODELS}
        models["busy"] += ", dwell: 15s"
        models["edited"] += ", ladder: [10%, 100%], dwell: 11s"  # longer than until somebody looks
        declared(control, team, DEFAULTS, {**models, "switched": "strategy: bluegreen"})
        eventually(lambda: len(control.client.models().page().rows) == 6, "the models are not declared")
        yield control


@pytest.fixture
def load(team, request):
    """100 requests a second for the model that the test names."""
    name = request.param
    with Load(team.gateway.url, {"Host": team.host(name)}) as load:
        eventually(lambda: load.counts()["1", 200] > 20, "the route does not answer")
        yield load


def under_load(name):
    return pytest.mark.parametrize("load", [name], indirect=True, ids=[""])


def autoscaler(namespace, name):
    target = {"type": "Utilization", "averageUtilization": 100}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 2,
            "maxReplicas": 4,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }


def budget(namespace, name):
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": name}}},
    }


def release_of(control, team, model):
    """Push the next version as CI would; the name of the release that it begins."""
    known = [one["name"] for one in control.client.releases().page().rows if one["model"] == model]
    team.image(model, 2, **BEHAVIOUR.get(model, {}))
    return control.next_release(model, after=known)


def at_weight(team, model, weight):
    eventually(lambda: team.share(model) >= weight, f"{model} does not come to {weight} %", 120)


def paused(control, name):
    """Why it is paused; None while it is not."""
    found = control.client.release(name)["release"]
    return found["reason"] if found["paused"] else None


def is_final(control, name):
    return control.client.release(name)["release"]["final"]


def expect(control, name, phase, *, proven=True):
    """The release once it has ended as it should."""
    ended = control.outcome(name)
    assert (ended["phase"], ended["proven"]) == (phase, proven), told(control, name)
    return ended


@under_load("edited")
def test_weights_that_a_person_edits_pause_the_release_and_at_rest_are_told_and_put_back_by_one_command(
    control, team, load
):
    begun = load.now()
    name = release_of(control, team, "edited")
    at_weight(team, "edited", 10)
    copied = team.copy("edited")["metadata"]["name"]
    edit(team, "ann", {"edited": 70, copied: 30})

    why = eventually(lambda: paused(control, name), "it does not pause", 30)
    assert f"HTTPRoute {team.namespace}/edited was changed by ann" in why
    assert "resume or abort" in why
    assert team.weights("edited") == {"edited": 70, copied: 30}, "Segue does not fight"

    control.say("resume", name)
    expect(control, name, "promoted")
    edit(team, "bob", {"edited": 100, copied: 0})
    drift = eventually(lambda: control.target("edited/production")["drift"], "it is not told", 30)
    assert f"HTTPRoute {team.namespace}/edited was changed by bob" in drift
    assert team.weights("edited") == {"edited": 100, copied: 0}
    control.say("repair", "edited/production", control.target("edited/production")["seen"][:19])
    eventually(lambda: team.weights("edited") == {"edited": 0, copied: 100}, "it is not put back", 30)
    assert control.target("edited/production")["drift"] is None
    assert load.story(begun) == ""


def edit(team, who, weights):
    """Give the route's versions other weights by hand."""
    refs = [{"name": name, "port": 80, "weight": weight} for name, weight in weights.items()]
    patch = [{"op": "replace", "path": "/spec/rules/0/backendRefs", "value": refs}]
    team.patch("httproute", "edited", patch, who=who)


@under_load("busy")
def test_an_autoscaler_acts_during_a_release_and_neither_starves_the_candidate_nor_stays_held_after_a_crash(
    control, team, load
):
    def room():
        """The candidate's percent, stable's pods, the candidate's ready pods."""
        live = team.kubectl.get("deployment", "busy", "-n", team.namespace)["spec"]["replicas"]
        copied = team.copy("busy")
        return team.share("busy"), live, copied["status"].get("readyReplicas", 0) if copied else 0

    begun = load.now()
    with Watching(room) as seen:
        name = release_of(control, team, "busy")
        at_weight(team, "busy", 10)
        copied = team.copy("busy")["metadata"]["name"]
        assert team.bounds(copied) == ((1, 1), True), "the candidate's autoscaler is held"
        control.kill("up")
        control.restart()
        expect(control, name, "promoted")
    for before, now in zip(seen.answers, seen.answers[3:], strict=False):
        if now[0] > before[0]:
            assert now[2] >= math.ceil(before[1] * now[0] / 100), f"starved: {seen.answers}"
    assert max(live for share, live, _ in seen.answers if share < 100) > 2, "the autoscaler did not act"
    for scaler in ("busy", copied):
        eventually(lambda one=scaler: team.bounds(one) == ((2, 4), False), f"{scaler} stays held")
    assert load.story(begun) == ""


@under_load("drained")
def test_a_node_that_is_drained_during_a_release_loses_no_request(control, team, load):
    begun = load.now()
    name = release_of(control, team, "drained")
    at_weight(team, "drained", 50)
    pods = {*team.pods("drained"), *team.pods("drained", candidate=True)}
    with team.cordoned(pods):
        left = team.evict(pods)
        assert 0 < len(left) < len(pods), "a disruption budget lets some go, and not all at once"
    while left:
        time.sleep(0.5)
        left = team.evict(left)
    expect(control, name, "promoted")
    assert load.story(begun) == ""
    assert load.counts(begun)["2", 200] > 0


@under_load("dying")
def test_a_candidate_whose_pod_is_killed_again_and_again_is_taken_back_because_it_does_not_stay_alive(
    control, team, load
):
    begun = load.now()
    name = release_of(control, team, "dying")
    at_weight(team, "dying", 10)
    while not is_final(control, name):
        for pod in team.pods("dying", candidate=True):
            team.kill(pod)
        time.sleep(0.3)
    ended = expect(control, name, "rolled back", proven=True)
    # Killed before it was ready again it gives no answer; killed afterwards it has restarted.
    words = r"alive: (it ended and came back \d+ times|no answer from it for \d+ s( \(.+\))?); .* are allowed"
    assert re.search(words, ended["reason"]), ended["reason"]
    after = load.now()
    eventually(lambda: load.now() > after + SETTLED + 2, "time stands still")
    assert set(load.counts(after + SETTLED)) == {("1", 200)}
    assert {status for version, status in load.counts(begun) if version == "1"} == {200}


@under_load("beheaded")
def test_workers_killed_in_the_middle_of_each_weight_change_leave_no_weight_that_is_not_a_step(
    control, team, load
):
    begun = load.now()
    with Watching(lambda: team.share("beheaded"), every=0.1) as seen:
        name = release_of(control, team, "beheaded")
        kills = kill_workers_at_each_change(control, name)
        expect(control, name, "promoted")
    assert kills >= 3
    assert set(seen.answers) <= STEPS
    assert load.story(begun) == ""


def kill_workers_at_each_change(control, name):
    """Kill both workers once for each weight, while it is written; how many were killed."""
    struck, kills = set(), 0
    while not (found := control.client.release(name)["release"])["final"]:
        if found["wanted"] != found["observed"] and found["wanted"] not in struck:
            struck.add(found["wanted"])
            kills += sum(control.kill(worker) for worker in ("worker-urgent", "worker-patient"))
        time.sleep(0.05)
    return kills


@under_load("switched")
def test_blue_green_without_a_route_moves_callers_inside_and_outside_at_once_and_back_in_one_command(
    control, team, load
):
    caller = team.call_inside("switched")
    eventually(lambda: team.answers_inside(caller)["1", 200] > 20, "nobody answers inside", 90)
    begun = load.now()
    name = release_of(control, team, "switched")
    expect(control, name, "promoted", proven=False)
    assert served(team, load, caller) == {("2", 200)}

    control.say("rollback", "switched")
    expect(control, control.next_release("switched", after=[name]), "promoted", proven=False)
    assert served(team, load, caller) == {("1", 200)}
    assert load.story(begun) == ""
    assert {status for _, status in team.answers_inside(caller)} == {200}


def served(team, load, caller):
    """Who answers how, inside and outside, once every data plane has surely learnt of a change."""
    learnt, clock = load.now() + SETTLED, time.time() + SETTLED
    eventually(lambda: load.now() > learnt + 2, "time stands still")
    return {*load.counts(learnt), *team.answers_inside(caller, clock)}
