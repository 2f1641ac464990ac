"""Who answered which request, on a real cluster: its gateway says it in spans, and pods that listen note it."""

import itertools
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from policies.place import SERVED_BY, Place, served_by
from policies.recording import Recording
from service.adapters.kubernetes import hearing, recorders_manifest
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.gateway import GatewayRouter
from service.adapters.kubernetes.kinds import DEPLOYMENT
from service.adapters.kubernetes.recorders import Recorders
from service.adapters.kubernetes.recorders_manifest import COMPONENT, LISTENER, RECORDER
from service.adapters.traefik.daemon import TraefikDaemon
from service.machine.installation import TOKEN
from service.ports.clusters import Served
from service.ports.connections import Cluster
from service.ports.traffic import Backend, Route
from service.recorder import between
from service.recorder.passing import REQUEST_ID
from service.recorder.spool import Assigned
from service.settings import Settings
from tests.cluster import traefik
from tests.cluster.objects import deployment, service
from tests.cluster.routing import Gateway
from tests.cluster.test_shadow import SERVE
from tests.cluster.whole import Control, eventually
from tests.integration.test_overhearing import Pod
from tests.running import wait_until


def arguments(host):
    """How Traefik is started that sends its spans there, as docs/how-to/labels.md says it."""
    return [
        f"--tracing.otlp.http.endpoint=http://{host}{between.SPANS}",
        f"--tracing.capturedRequestHeaders={REQUEST_ID}",
        f"--tracing.capturedResponseHeaders={REQUEST_ID},{SERVED_BY}",
    ]


@pytest.fixture
def gateway(kubectl, images, namespace):
    """A Traefik of the test's own, which sends its spans to what listens in the namespace."""
    program = Path(str(TraefikDaemon.open(Settings(home=Path())).program()))
    image = images.program("traefik", program, "traefik")
    yield traefik.install(kubectl, image, namespace, arguments(f"{LISTENER}.{namespace}.svc:{between.PORT}"))
    traefik.remove(kubectl, namespace)


@dataclass(frozen=True)
class Asked:
    """A request: when it was answered, with which status, by whom as the answer says it."""

    name: str
    at: float
    status: int
    stamp: str


class Callers:
    """Some requests a second, each with an id of its own."""

    def __init__(self, address, seconds=0.04):
        self.address, self.seconds = address, seconds
        self.asked, self.ended = [], threading.Event()
        self.numbers = itertools.count()
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(2)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self.ended.set()
        for thread in self.threads:
            thread.join(20)

    def work(self):
        with requests.Session() as session:
            while not self.ended.wait(2 * self.seconds):
                name = f"r-{next(self.numbers)}"
                answer = session.get(f"{self.address}/predict", headers={REQUEST_ID: name}, timeout=20)
                stamp = answer.headers.get(SERVED_BY, "")
                self.asked.append(Asked(name, time.time(), answer.status_code, stamp))


TARGET = "fraud/production"
NAMES = ("fraud-1", "fraud-2")


def test_its_pods_note_who_answered_and_tell_segue_through_the_api_server_and_no_request_waits_for_them(
    kubeconfig, kubectl, images, segue_image, gateway, namespace, tmp_path
):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / TOKEN).write_text("operators")
    backends = []
    for number in ("1", "2"):
        name = f"fraud-{number}"
        kubectl.apply(deployment(namespace, name, images.model(number)), service(namespace, name))
        kubectl.rolled_out(namespace, name)
        backends.append(Backend(f"{name}.{namespace}", f"http://{name}.{namespace}.svc:80", 50.0))
    where = {"namespace": namespace, "gateway": "/".join(gateway.reference), "address": gateway.url}
    cluster = Cluster("test", kubeconfig=str(kubeconfig), owner="tests", **where)
    api, place = Api.of(cluster), Place("test", namespace)
    image = "{repository}@{digest}".format(**segue_image)
    recorders = Recorders(api, cluster, place, Settings(home=tmp_path, builder_image=image))
    router = GatewayRouter(api, cluster, place, recorders=recorders)
    noted, marks = {}, {}

    def told():
        notes, fresh = recorders.answered(marks)
        marks.update(fresh)
        noted.update({one.request: one.backend for one in notes if isinstance(one, Assigned)})
        return noted.keys()

    def doctor():
        (found,) = hearing.possible(api, Served(TARGET, place, noted=True))
        return found

    assert "--tracing.otlp.http.endpoint" in doctor().detail
    router.set(Route(TARGET, 1, tuple(backends), recording=Recording(assigns=True)))
    kubectl.rolled_out(namespace, LISTENER)
    assert "told segue-answers of no request" in doctor().detail
    pods = ("pods", "-n", namespace, "-l", f"{COMPONENT}={RECORDER}")
    with Callers(router.address(TARGET)) as callers:
        eventually(told, "nobody tells who answered", 90)
        first = len(callers.asked)
        kubectl.run("delete", *pods)
        kubectl.rolled_out(namespace, LISTENER)
        later = {one.name for one in callers.asked}
        eventually(lambda: told() - later, "nobody tells who answered any more", 90)
        assert doctor().ok, doctor()
    eventually(lambda: callers.asked[-1].name in told(), "the last is not told", 30)
    assert {one.status for one in callers.asked[first:]} == {200}
    answered = {one.name: one.stamp for one in callers.asked}
    assert set(answered.values()) == {served_by(one.name) for one in backends}
    assert noted.items() <= answered.items()
    print(f"{len(noted)} of {len(answered)} requests, {first} of them before all pods were replaced")
    router.set(Route(TARGET, 1, tuple(backends), attempt=1))
    assert api.get(DEPLOYMENT, namespace, LISTENER) is None


FILE = """\
name: echo
build: {lock: requirements.lock}
serve: {run: python serve.py, port: 8080}
resources: {cpu: 0.2, memory: 64Mi}
guards:
  right: {labels: warehouse.labels, drop: 1%, within: 1s, by: request}
risk: 20%
ladder: [30%, 100%]
dwell: 2s
warm_up: 0s
watch: 5s
patience: 20m
"""


class Labels:
    """True labels of what was asked, as they come: rows that name the request alone."""

    def __init__(self, control, folder, callers, is_wrong):
        self.control, self.file, self.callers, self.is_wrong = control, folder / "late.csv", callers, is_wrong
        self.told = 0

    def add(self):
        new = self.callers.asked[self.told :]
        rows = (f"{one.name},{one.at},{str(self.is_wrong(one)).lower()}\n" for one in new)
        self.file.write_text("request,at,wrong\n" + "".join(rows))
        self.control.say("add-labels", "echo", str(self.file), "--table", "warehouse.labels")
        self.told += len(new)


@pytest.mark.whole
def test_labels_that_name_the_request_alone_take_back_a_version_that_is_wrong_more_often(
    login, images, segue_image, gateway, namespace, tmp_path
):
    image = "{repository}@{digest}".format(**segue_image)
    with Control(tmp_path, login, namespace, images, gateway, SEGUE_BUILDER_IMAGE=image) as control:
        control.declare(FILE, requirements__lock="# nothing but Python\n", serve__py="# 1\n" + SERVE)
        first = control.outcome(control.next_release("echo"))
        assert first["phase"] == "promoted", control.say("show", first["name"])
        with Callers(control.target("echo/production")["address"]) as callers:
            eventually(lambda: callers.asked, "the first does not answer")
            control.declare(FILE, serve__py="# 2\n" + SERVE)
            name = control.next_release("echo", after=["rel-1"])
            stamp = served_by(
                eventually(lambda: control.client.release(name)["release"]["backend"], "it has no name")
            )
            labels = Labels(
                control, tmp_path, callers, lambda one: one.stamp == stamp and int(one.name[2:]) % 3 != 0
            )

            def ended():
                labels.add()
                found = control.client.release(name)["release"]
                return found if found["final"] else None

            wrong = eventually(ended, "it goes on", 400)
            assert wrong["phase"] == "rolled back", control.say("show", name)
            assert "right" in wrong["reason"]
        assert {one.status for one in callers.asked} == {200}
        served = sum(one.stamp == stamp for one in callers.asked)
        (finding,) = (one for one in wrong["evidence"]["findings"] if one["guard"] == "right")
        print(f"{served} of {len(callers.asked)} requests by her, {finding['numbers']}")
        assert dict(finding["numbers"])["labels"] <= served


class Telling(Gateway):
    """A Traefik that sends its spans to a port of this machine."""

    def __init__(self, port):
        super().__init__()
        self.told = port

    def provider(self):
        return [*super().provider(), *arguments(f"127.0.0.1:{self.told}")]


@pytest.fixture
def pod():
    pod = Pod()
    yield pod
    pod.stop()


def test_a_route_of_segues_own_has_its_gateway_say_who_answered_and_no_write_waits_for_who_notes_it(
    pod, tmp_path
):
    with Telling(pod.spans) as gateway:
        for name in NAMES:
            gateway.service(name, TARGET, name)
        settings = Settings(home=tmp_path, builder_image=f"registry.invalid/segue@sha256:{'0' * 64}")
        (tmp_path / "secrets").mkdir()
        (tmp_path / "secrets" / TOKEN).write_text("operators")
        place = Place("test", gateway.namespace)
        recorders = Recorders(gateway.api, gateway.cluster, place, settings)
        router = GatewayRouter(gateway.api, gateway.cluster, place, recorders=recorders)
        half = tuple(gateway.backend(name, 50.0) for name in NAMES)
        route = Route(TARGET, 1, half, recording=Recording(assigns=True))
        assert router.set(route) == route
        assert router.drift(TARGET) is None
        assert recorders.answered({}) == ([], {})  # its pods can never start
        there = gateway.api.get(DEPLOYMENT, gateway.namespace, LISTENER)
        assert recorders_manifest.order_of(there).targets == (TARGET,)
        address = router.address(TARGET)
        wait_until(lambda: requests.get(address, timeout=5).ok)
        said = {}
        for number in range(40):
            answer = requests.post(address, b"{}", headers={REQUEST_ID: f"r-{number}"}, timeout=5)
            said[f"r-{number}"] = (answer.headers["X-Version"], answer.headers[SERVED_BY])
        wait_until(lambda: len(pod.take()) == 40, 60)
        assert {name: one.backend for name, one in pod.take().items()} == {
            name: stamp for name, (_, stamp) in said.items()
        }
        stamps = {name: served_by(f"{name}.{gateway.namespace}") for name in NAMES}
        assert set(said.values()) == set(stamps.items())
        router.set(Route(TARGET, 1, half, attempt=1))
        assert gateway.api.get(DEPLOYMENT, gateway.namespace, LISTENER) is None
