"""What everything that runs versions keeps, in memory and with real processes over real HTTP."""

import json
import os
import signal
import sys
import time
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from service.adapters.memory.workloads import MemoryWorkloads
from service.adapters.process.workloads import ProcessWorkloads
from service.machine import proc, shim
from service.ports.jobs import Limits
from service.ports.outcomes import Failed, Gone, Refused, Working
from service.ports.workloads import Serving, WorkloadOrder
from service.settings import Settings

SERVER = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        here = self.path == '/crash'
        if here: os._exit(9)
        self.send_response(200 if self.path in ('/healthz', '/') else 404)
        self.end_headers()
        self.wfile.write(os.environ['SEGUE_VERSION'].encode())
HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
"""


@dataclass(frozen=True)
class FolderImage:
    """An image that is nothing but a folder and this interpreter."""

    root: Path
    env: dict
    argv: tuple
    workdir: Path

    def command(self, run):
        return tuple(sys.executable if word == "python" else word for word in run)


def unpack(home, digest):
    root = home / "images" / digest
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o755)
    return FolderImage(root, {"PATH": "/usr/bin:/bin"}, (sys.executable, "-I", "-S", "-c", SERVER), root)


def order(name="app", code=None, health="/healthz"):
    run = ("python", "-I", "-S", "-c", code) if code else ()
    return WorkloadOrder(name, "image", run, 8080, Limits(1, 0, 0), health, env=(("SEGUE_VERSION", name),))


@pytest.fixture(params=["memory", "process"])
def workloads(request):
    return MemoryWorkloads() if request.param == "memory" else request.getfixturevalue("real")


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def real(home):
    yield ProcessWorkloads(home, unpack, grace=1.0)
    for folder in (home / "workloads").iterdir() if (home / "workloads").is_dir() else ():
        if folder.is_dir():
            shim.stop(folder, grace=0.1)
            assert not shim.supervised(folder)


def settled(workloads, name="app", wanted=Serving):
    """The first state of the wanted kind."""
    until = time.monotonic() + 40
    while not isinstance(state := workloads.state(name), wanted):
        assert time.monotonic() < until, (state, workloads.logs(name))
        time.sleep(0.02)
    return state


def get(url):
    with urllib.request.urlopen(url) as answer:
        return answer.read().decode()


def test_an_unknown_workload_is_gone_and_may_be_stopped(workloads):
    assert workloads.state("app") == Gone()
    assert workloads.logs("app") == ""
    workloads.stop("app")
    assert workloads.state("app") == Gone()


def test_a_started_workload_serves_and_start_may_be_repeated(workloads):
    workloads.start(order())
    first = settled(workloads)
    workloads.start(order())
    assert workloads.state("app") == first
    assert first.restarts == 0


def test_another_order_under_a_running_name_is_refused(workloads):
    workloads.start(order())
    settled(workloads)
    with pytest.raises(Refused, match="another order"):
        workloads.start(replace(order(), image="other"))


def test_a_stopped_workload_is_gone_and_may_start_anew(workloads):
    workloads.start(order())
    first = settled(workloads)
    workloads.stop("app")
    workloads.stop("app")
    assert workloads.state("app") == Gone()
    workloads.start(order())
    again = settled(workloads)
    assert again.started != first.started


def test_workloads_are_apart(workloads):
    workloads.start(order("one"))
    workloads.start(order("two"))
    urls = {settled(workloads, name).url for name in ("one", "two")}
    assert len(urls) == 2
    workloads.stop("one")
    assert workloads.state("one") == Gone()
    assert isinstance(workloads.state("two"), Serving)


def test_one_that_never_becomes_ready_fails_with_its_log(workloads):
    if isinstance(workloads, MemoryWorkloads):
        workloads.failing["app"] = "it ended 5 times"
    workloads.start(order(code="print('no model here', flush=True); raise SystemExit(4)"))
    failed = settled(workloads, wanted=Failed)
    assert "it ended 5 times" in failed.reason
    assert failed.log
    workloads.stop("app")
    if isinstance(workloads, MemoryWorkloads):
        workloads.failing.clear()
    workloads.start(order())
    settled(workloads)


def test_it_opens_from_settings_alone(tmp_path):
    for kind in (MemoryWorkloads, ProcessWorkloads):
        assert kind.open(Settings(home=tmp_path)).state("app") == Gone()


def test_it_answers_on_a_port_of_its_own(real):
    real.start(order("one"))
    real.start(order("two"))
    assert {get(settled(real, name).url) for name in ("one", "two")} == {"one", "two"}


def test_it_is_not_serving_while_its_health_path_says_no(real):
    real.start(order(health="/not-there"))
    until = time.monotonic() + 20
    while True:  # until it answers at all
        assert isinstance(real.state("app"), Working)
        assert time.monotonic() < until
        if '"GET /not-there' in real.logs("app"):
            break
        time.sleep(0.02)


def test_a_crash_is_another_life_on_the_same_port(real):
    real.start(order())
    first = settled(real)
    with pytest.raises(OSError):
        get(first.url + "/crash")
    until = time.monotonic() + 20
    while (state := real.state("app")) == first or not isinstance(state, Serving):
        assert not isinstance(state, Failed | Gone)
        assert time.monotonic() < until
        time.sleep(0.02)
    assert (state.url, state.restarts) == (first.url, 1)
    assert state.started > first.started


def test_it_outlives_us_and_its_shim_and_is_found_again(real, home):
    real.start(order())
    first = settled(real)
    folder = home / "workloads" / "app"
    os.kill(shim_of(folder), signal.SIGKILL)
    while shim.supervised(folder):
        time.sleep(0.01)
    assert get(first.url) == "app"
    again = ProcessWorkloads(home, unpack)
    assert again.state("app") == first
    assert shim.supervised(folder)


def test_after_a_boot_it_runs_again(real, home):
    real.start(order())
    first = settled(real)
    folder = home / "workloads" / "app"
    child = shim.status(folder).pid
    os.kill(shim_of(folder), signal.SIGKILL)
    os.kill(child, signal.SIGKILL)
    while shim.supervised(folder) or proc.start_of(child) is not None:
        time.sleep(0.01)
    ProcessWorkloads(home, unpack).restore()
    again = settled(real)
    assert again.started != first.started
    assert again.url == first.url  # routes lead there


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a process a user of its own")
def test_as_root_each_workload_has_a_user_of_its_own(real, home):
    for name in ("one", "two"):
        real.start(order(name))
        settled(real, name)
    pids = [shim.status(home / "workloads" / name).pid for name in ("one", "two")]
    users = {Path(f"/proc/{pid}").stat().st_uid for pid in pids}
    assert len(users) == 2
    assert users <= set(proc.OWN_USERS)


def shim_of(folder):
    return json.loads((folder / "state.json").read_text())["shim"][0]
