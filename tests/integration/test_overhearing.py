"""Who answered, as a real Traefik's spans tell it to a recorder's pod: what is noted, and that nobody waits."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
import yaml

from policies.place import SERVED_BY, served_by
from service.adapters.traefik.daemon import TraefikDaemon
from service.recorder import between, otlp
from service.recorder.between import Listening, proof_of
from service.recorder.kept import heard
from service.recorder.orders import ALIVE
from service.recorder.passing import REQUEST_ID
from service.recorder.spool import Assigned
from service.settings import Settings
from tests.running import Model, free_port, wait_until
from tests.spans import message, span

TARGET, OTHER, TOKEN = "fraud/production", "churn/production", "a-token"
VERSIONS = ("fraud-1.ml", "fraud-2.ml")


class Pod:
    """The process, and Segue as it asks it."""

    def __init__(self):
        self.spans, self.asked = free_port(), free_port()
        self.said, self.notes = "", []
        self.start()

    def start(self):
        order = Listening((TARGET,), proof_of(TOKEN))
        argv = [sys.executable, "-P", "-m", "service.recorder.pod", str(self.spans), str(self.asked)]
        self.process = subprocess.Popen(argv, env={**os.environ, between.VARIABLE: order.text()})
        wait_until(lambda: self.status(ALIVE) == 200)

    def stop(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        return self.process.wait(timeout=20)

    def get(self, path, token=""):
        query = {"heard": self.said, "stored": self.said}
        url = f"http://127.0.0.1:{self.asked}{path}"
        return requests.get(url, params=query, headers={between.TOKEN: token}, timeout=10)

    def status(self, path):
        try:
            return self.get(path).status_code
        except requests.ConnectionError:
            return 0

    def take(self):
        name, last, notes = heard(self.get(between.NOTES, TOKEN).json())
        self.said = f"{name}:{last}" if last else self.said
        self.notes += notes
        return {one.request: one for one in self.notes if isinstance(one, Assigned)}

    def send(self, content, kind=otlp.TYPE, path=between.SPANS):
        url = f"http://127.0.0.1:{self.spans}{path}"
        return requests.post(url, content, headers={"Content-Type": kind}, timeout=10).status_code


class Gateway:
    """A Traefik that splits two versions' requests evenly, stamps them, and tells the pod."""

    def __init__(self, folder, pod, models):
        self.port = free_port()
        services = {
            name: {"loadBalancer": {"servers": [{"url": model.url}]}, "middlewares": [name]}
            for name, model in zip(VERSIONS, models, strict=True)
        }
        stamps = {
            name: {"headers": {"customResponseHeaders": {SERVED_BY: served_by(name)}}} for name in VERSIONS
        }
        split = {"weighted": {"services": [{"name": name, "weight": 1} for name in VERSIONS]}}
        rule = " || ".join(f"PathPrefix(`/{target}`)" for target in (TARGET, OTHER))
        said = {
            "routers": {"users": {"rule": rule, "service": "split"}},
            "services": {"split": split, **services},
            "middlewares": stamps,
        }
        (folder / "routes.yml").write_text(yaml.safe_dump({"http": said}))
        arguments = [
            str(TraefikDaemon.open(Settings(home=folder)).program()),
            f"--entrypoints.web.address=127.0.0.1:{self.port}",
            f"--providers.file.filename={folder / 'routes.yml'}",
            f"--tracing.otlp.http.endpoint=http://127.0.0.1:{pod.spans}{between.SPANS}",
            f"--tracing.capturedRequestHeaders={REQUEST_ID}",
            f"--tracing.capturedResponseHeaders={REQUEST_ID},{SERVED_BY}",
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
        ]
        with Path(folder, "traefik.log").open("wb") as log:
            self.process = subprocess.Popen(arguments, stdout=log, stderr=log)
        wait_until(lambda: self.ask().status_code == 200)

    def ask(self, name="", target=TARGET):
        try:
            headers = {REQUEST_ID: name} if name else {}
            return requests.post(
                f"http://127.0.0.1:{self.port}/{target}/x", b"{}", headers=headers, timeout=10
            )
        except requests.ConnectionError:
            return requests.Response()


@pytest.fixture
def pod():
    pod = Pod()
    yield pod
    pod.stop()


@pytest.fixture
def gateway(tmp_path, pod):
    with Model("one") as one, Model("two") as two:
        gateway = Gateway(tmp_path, pod, (one, two))
        yield gateway
        gateway.process.kill()
        gateway.process.wait()


def test_it_is_noted_who_answered_each_request_that_has_an_id_of_the_targets_that_ask(pod, gateway):
    began = time.time()
    stamps = {f"r-{n}": gateway.ask(f"r-{n}").headers[SERVED_BY] for n in range(40)}
    gateway.ask()
    gateway.ask("of another", OTHER)
    gateway.ask("the last")
    wait_until(lambda: "the last" in pod.take(), 30)
    found = pod.take()
    assert {name: one.backend for name, one in found.items() if name != "the last"} == stamps
    assert set(stamps.values()) == {served_by(name) for name in VERSIONS}
    assert {one.target for one in found.values()} == {TARGET}
    assert all(began <= one.at <= time.time() for one in found.values())
    told = pod.get(between.TOLD).json()
    assert (told["named"], told["stamped"]) == (41, 43)  # one had no id, nor had who asked whether it serves


def test_no_request_waits_or_is_lost_while_nobody_listens_and_notes_go_on_once_somebody_does(pod, gateway):
    pod.stop()
    asked = []
    for n in range(40):
        began = time.monotonic()
        assert gateway.ask(f"r-{n}").status_code == 200
        asked.append(time.monotonic() - began)
    assert sorted(asked)[20] < 1
    pod.start()
    gateway.ask("later")
    wait_until(lambda: "later" in pod.take(), 60)


def test_one_that_is_frozen_holds_nobody_up(pod, gateway):
    pod.process.send_signal(signal.SIGSTOP)
    assert {gateway.ask(f"r-{n}").status_code for n in range(40)} == {200}
    pod.process.send_signal(signal.SIGCONT)
    wait_until(lambda: len(pod.take()) == 40, 60)


def test_it_ends_at_once_when_it_is_told_to(pod):
    began = time.monotonic()
    assert pod.stop(signal.SIGTERM) == 0
    assert time.monotonic() - began < 15


def test_notes_are_told_to_segue_alone(pod):
    assert pod.get(between.NOTES, "another").status_code == 403


def test_what_is_no_message_is_refused_and_a_good_one_goes_on_to_be_taken(pod):
    good = message(
        span(
            {
                "url.path": f"/{TARGET}/x",
                "http.request.header.x-request-id": ["r-1"],
                "http.response.header.x-segue-served-by": ["abcd"],
            },
            ended=time.time() + 3600,
        )
    )
    assert pod.send(good[:-1]) == 400
    assert pod.send(good, kind="application/json") == 415
    assert pod.send(good, path="/v1/logs") == 404
    assert pod.send(b"\0" * (17 << 20)) == 413
    assert pod.send(good.replace(b"r-1", b"r\x001")) == 200
    assert pod.take() == {}  # an id that no header can hold, and not every store
    assert pod.send(good) == 200
    assert pod.take()["r-1"].at <= time.time()  # whatever the sender's clock says
