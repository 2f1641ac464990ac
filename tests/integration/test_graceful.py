"""A worker that is told to end finishes what is in hand and begins nothing: with a broker, and without."""

import os
import signal
import subprocess
import sys
import time

import pytest

from service.adapters.valkey import ValkeyDaemon
from service.settings import Settings
from service.store.queue import Work
from service.store.store import Store
from tests.running import Daemon

WORKER = """
import os, sys, time
from pathlib import Path
from service import work
from service.engine.deciding import decide

def slow(parts, mine):
    (Path(sys.argv[1]) / mine.subject).touch()
    time.sleep(3)
    decide(parts.store, lambda deciding: deciding.change.finish(mine))

work._KINDS["look"] = slow
from service import processes
processes.main(["worker-patient"])
"""


@pytest.fixture(params=["none", "valkey"])
def environ(request, tmp_path):
    told = {"PATH": os.environ["PATH"], "SEGUE_HOME": str(tmp_path / "home")}
    if request.param == "none":
        yield told
        return
    running = Daemon(ValkeyDaemon.open(Settings(home=tmp_path / "home"))).start()
    yield {**told, "SEGUE_BROKER": running.daemon.url()}
    running.kill()


@pytest.mark.timeout(120)
def test_what_is_in_hand_is_finished_and_nothing_else_is_begun(environ, tmp_path):
    home = tmp_path / "home"
    store = Store.open(Settings(home=home).store_url("engine"))
    with store.change() as change:
        for number in range(5):
            change.add_work(Work(f"look:{number}", "look", f"k{number}", f"s{number}"))
    marks = tmp_path / "marks"
    marks.mkdir()
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(marks)], env=environ)
    try:
        until = time.monotonic() + 60
        while not any(marks.iterdir()):
            assert time.monotonic() < until
            assert worker.poll() is None
            time.sleep(0.05)
        begun = len(list(marks.iterdir()))
        worker.send_signal(signal.SIGTERM)
        worker.wait(60)
    finally:
        worker.kill()
    states = [work.state for number in range(5) for work in store.work_of(f"s{number}")]
    assert len(list(marks.iterdir())) <= begun + 1  # one may begin in the moment of the signal
    assert states.count("running") == 0, "no lease is left behind"
    assert states.count("done") == len(list(marks.iterdir()))
    assert states.count("pending") >= 3
