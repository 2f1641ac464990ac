"""Argo Rollouts and Flagger themselves ask Segue, which only watches: a bad version goes back, a good one on.

Segue's login on the cluster may read Services, pods and routes, and nothing else.
"""

import json
import os
from pathlib import Path

import pytest

from bench.peers import building, contestants, controllers
from bench.peers.objects import APP
from bench.peers.plane import GATEWAY, NAMESPACE, plane
from service.machine import installation
from service.store.store import Store
from tests.cluster import asking, logins
from tests.cluster.load import Load
from tests.cluster.whole import Control, eventually

pytestmark = pytest.mark.whole
STABLE, GOOD, BAD = "1", "2", "3"
DECLARED = """\
name: app
image: {image}:main-*
mode: observe
services: {{stable: {where}/{stable}, candidate: {where}/app-canary}}
route: {route}
risk: 2%
warm_up: 0s
"""


class Argo:
    """Argo Rollouts, which shifts by Traefik's own objects."""

    kind, stable, route, host = "rollout", "app-stable", "traefikservice/{where}/app", "argo.test"
    made = staticmethod(asking.argo)
    ready, went_back = ("Healthy",), ("Degraded",)

    @staticmethod
    def running(kubectl, login, folder, prometheus):
        del prometheus
        return controllers.argo(kubectl, login, folder)


class Flagger:
    """Flagger, which shifts by an HTTPRoute."""

    kind, stable, route, host = "canary", "app-primary", "{where}/app", "flagger.test"
    made = staticmethod(asking.flagger)
    ready, went_back = ("Initialized", "Succeeded"), ("Failed",)
    running = staticmethod(controllers.flagger)


class Stage:
    """One of them with its application, and Segue beside it."""

    def __init__(self, tool, kubectl, where, control, images, shared):
        self.tool, self.kubectl, self.where = tool, kubectl, where
        self.control, self.images, self.shared = control, images, shared

    def phase(self):
        return (self.kubectl.get(self.tool.kind, APP, "-n", self.where).get("status") or {}).get("phase")

    def roll_out(self, version):
        """CI pushes a version, and people roll it out with the tool that they have; the release's name."""
        known = [one["name"] for one in self.control.client.releases().page().rows]
        contestants.push(self.images[version])
        contestants.notify(self.control)
        name = self.control.next_release("app", after=known, seconds=120)
        eventually(lambda: self.release(name)["phase"] == "starting", "it was not waited for")
        kind = "rollout" if self.tool is Argo else "deployment"
        path = "/spec/template/spec/containers/0/image"
        patch = json.dumps([{"op": "replace", "path": path, "value": self.images[version]}])
        self.kubectl.run("patch", kind, APP, "-n", self.where, "--type=json", "-p", patch)
        return name

    def release(self, name):
        return self.control.client.release(name)["release"]


@pytest.fixture(scope="module")
def shared(kubectl, tmp_path_factory):
    """Traefik and Prometheus, which both tools use."""
    folder = tmp_path_factory.mktemp("plane")
    with plane(kubectl, folder) as made:
        yield made


@pytest.fixture(params=[Argo, Flagger], ids=["Argo Rollouts", "Flagger"])
def stage(request, kubectl, kubeconfig, images, shared, tmp_path):
    tool, where = request.param, f"segue-asked-{request.param.kind}"
    built = {
        each: images.program("asked-app", building.application(each), "app") for each in (STABLE, GOOD, BAD)
    }
    gateway = contestants.Gateway((NAMESPACE, GATEWAY), shared.url, shared.metrics)
    folder = Path(tmp_path)
    with contestants.in_namespace(kubectl, where):
        kubectl.apply(asking.objects.namespace(where), *asking.login(where))
        login = logins.kubeconfig(kubectl, where, folder / "login.conf")
        control = Control(folder / "segue", login, where, images, gateway, SEGUE_SWEEP_SECONDS="30")
        with control, tool.running(kubectl, Path(kubeconfig), folder, shared.prometheus):
            token = control.say("token", tool.kind, "--only", "verdicts").strip()
            web = installation.place(control.settings).web
            kubectl.apply(*tool.made(where, tool.host, built[STABLE], web, token))
            made = Stage(tool, kubectl, where, control, built, shared)
            eventually(lambda: made.phase() in tool.ready, "it did not get ready", 200)
            control.say("connect", "registry", f"http://{images.registry}", "--name", "images")
            named = {"where": where, "stable": tool.stable, "route": tool.route.format(where=where)}
            repository = contestants.push(built[STABLE])
            control.declare(DECLARED.format(image=repository, **named))
            eventually(lambda: control.client.models().page().rows, "it was not declared")
            contestants.notify(control)
            # What is there before it is looked at for the first time is learned, not released.
            engine = Store.open(control.settings.store_url("engine"))
            eventually(lambda: engine.cursors("images"), "its registry was not looked at")
            engine.close()
            yield made


def test_a_bad_version_goes_back_and_a_good_one_on_by_segues_verdict(stage):
    with Load(stage.shared.url, {"Host": stage.tool.host}, rate=100, path="/") as load:
        bad = stage.roll_out(BAD)
        eventually(lambda: stage.phase() in stage.tool.went_back, stage.control.say("show", bad), 240)
        failed = [one for one in load.answers if one.status != 200 and one.version == BAD]
        ended = stage.control.outcome(bad, 120)
        assert ended["phase"] == "rolled back", stage.control.say("show", bad)
        assert ended["would"].startswith("would have rolled back at ")
        assert ended["peak"] <= 50
        good = stage.roll_out(GOOD)
        promoted = stage.control.outcome(good, 280)
    assert promoted["phase"] == "promoted", stage.control.say("show", good)
    assert promoted["reason"] == "somebody else promoted it"
    assert promoted["proven"], promoted["unproven"]
    assert "would have let it have 100 %" in promoted["would"]
    assert 0 < len(failed) < 100
    if out := os.environ.get("SEGUE_TEST_TOLD"):
        told = {
            "tool": stage.tool.kind,
            "failed": len(failed),
            "bad": ended["would"],
            "good": promoted["would"],
        }
        with Path(out).open("a") as file:
            file.write(json.dumps(told) + "\n")
