"""A script asks Segue, which only watches, and shifts between two models that KServe runs: the script of the page."""

import os
import subprocess
from pathlib import Path

import pytest

from bench.peers import building, contestants
from bench.peers.objects import APP, PORT
from bench.peers.plane import GATEWAY, NAMESPACE, plane
from service.demo.place import program
from service.machine import installation
from service.store.store import Store
from tests.cluster import asking, kserve, logins
from tests.cluster.load import Load
from tests.cluster.objects import http_route
from tests.cluster.whole import Control, eventually
from tests.docs.pages import text

pytestmark = pytest.mark.whole
STABLE, GOOD, BAD = "1", "2", "3"
WHERE, HOST, NEXT = "segue-kserve", "kserve.test", f"{APP}-next"
DECLARED = """\
name: app
image: {image}:main-*
mode: observe
services: {{stable: {where}/app-predictor, candidate: {where}/app-next-predictor}}
route: {where}/app
risk: 2%
warm_up: 0s
"""


def written():
    """The script, as the page has it for fraud in the namespace ml."""
    page = text("docs/how-to/kserve.md")
    indented = page.partition("   ```sh\n")[2].partition("   ```\n")[0]
    script = "".join(line.removeprefix("   ") for line in indented.splitlines(keepends=True))
    return script.replace("model=fraud namespace=ml", f"model={APP} namespace={WHERE}")


@pytest.fixture
def world(kubectl, kubeconfig, images, tmp_path):
    """Traefik, KServe and two models in its care, and Segue that watches; with the images by version."""
    built = {each: images.program("kserve-app", building.application(each), "app") for each in "123"}
    with (
        plane(kubectl, tmp_path) as shared,
        kserve.running(kubectl, Path(kubeconfig), tmp_path),  # it has to end what it cares for
        contestants.in_namespace(kubectl, WHERE),
    ):
        kubectl.apply(asking.objects.namespace(WHERE), *asking.login(WHERE))
        for name in (APP, NEXT):
            kubectl.apply(kserve.model(WHERE, name, built[STABLE], PORT))
        split = {f"{APP}-predictor": 100, f"{NEXT}-predictor": 0}
        kubectl.apply(http_route(WHERE, APP, HOST, (NAMESPACE, GATEWAY), split))
        for name in (APP, NEXT):
            condition = "--for=condition=Ready"
            kubectl.run("wait", f"inferenceservice/{name}", "-n", WHERE, condition, "--timeout=120s")
        login = logins.kubeconfig(kubectl, WHERE, tmp_path / "login.conf")
        gateway = contestants.Gateway((NAMESPACE, GATEWAY), shared.url, shared.metrics)
        with Control(tmp_path / "segue", login, WHERE, images, gateway, SEGUE_SWEEP_SECONDS="30") as control:
            _begin(control, images, built[STABLE])
            yield World(kubectl, control, shared, built, tmp_path)


def _begin(control, images, image):
    control.say("connect", "registry", f"http://{images.registry}", "--name", "images")
    control.declare(DECLARED.format(image=contestants.push(image), where=WHERE))
    eventually(lambda: control.client.models().page().rows, "it was not declared")
    contestants.notify(control)
    # What is there before it is looked at for the first time is learned, not released.
    engine = Store.open(control.settings.store_url("engine"))
    eventually(lambda: engine.cursors("images"), "its registry was not looked at")
    engine.close()


class World:
    """Whoever rolls out with the script."""

    def __init__(self, kubectl, control, shared, built, folder):
        self.kubectl, self.control, self.shared, self.built = kubectl, control, shared, built
        self.script, self.environ = folder / "roll-out", dict(os.environ)
        self.script.write_text(written())
        self.script.chmod(0o755)
        path = f"{Path(program()).parent}:{self.environ['PATH']}"
        token = control.say("token", "ci", "--only", "verdicts").strip()
        self.environ |= {"PATH": path, "KUBECONFIG": str(kubectl.kubeconfig)}
        self.environ |= {"PATIENCE": "3m", "WEIGHTS": "10 50"}
        place = installation.place(control.settings)
        self.environ |= {"SEGUE_WEB_URL": place.web, "SEGUE_INTAKE_URL": place.intake, "SEGUE_TOKEN": token}

    def roll_out(self, version):
        """CI pushes a version and runs the script; the release's name, and how the script ended."""
        known = [one["name"] for one in self.control.client.releases().page().rows]
        contestants.push(self.built[version])
        contestants.notify(self.control)
        name = self.control.next_release("app", after=known, seconds=120)
        eventually(lambda: self.release(name)["phase"] == "starting", "it was not waited for")
        command = [str(self.script), self.built[version]]
        done = subprocess.run(
            command, env=self.environ, capture_output=True, text=True, timeout=280, check=False
        )
        return name, done

    def release(self, name):
        return self.control.client.release(name)["release"]

    def weights(self):
        rules = self.kubectl.get("httproute", APP, "-n", WHERE)["spec"]["rules"]
        return [one["weight"] for one in rules[0]["backendRefs"]]


def test_a_bad_version_goes_back_and_a_good_one_on_by_the_script_of_the_page(world):
    with Load(world.shared.url, {"Host": HOST}, rate=100, path="/") as load:
        bad, done = world.roll_out(BAD)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "nobody is sent to" in done.stderr
        assert world.weights() == [100, 0]
        assert world.release(bad)["would"].startswith("would have rolled back at ")
        failed = [one for one in load.answers if one.status != 200 and one.version == BAD]
        good, done = world.roll_out(GOOD)
        assert done.returncode == 0, done.stdout + done.stderr
        promoted = world.control.outcome(good, 60)
    assert (promoted["phase"], promoted["reason"]) == ("promoted", "somebody else promoted it")
    assert promoted["proven"], promoted["unproven"]
    assert world.weights() == [100, 0]
    assert 0 < len(failed) < 100
    assert not load.lost(), load.story()
