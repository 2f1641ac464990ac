"""`segue up` asks each process where it listens, whatever SEGUE_HOST says, and waits for its own."""

import os
import signal
import threading

import psutil
import pytest

from service import processes, up
from service.machine import installation
from service.machine.probe import open_probe
from service.settings import Settings
from tests.installation import Installation
from tests.running import wait_until


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
def test_a_process_with_a_small_port_is_asked_there(tmp_path, host):
    settings = Settings(home=tmp_path, host=host)
    installation.make_folders(tmp_path)
    assert not up.ready(settings, "observer")
    installation.write_down(tmp_path, "observer", open_probe(lambda: True))
    assert up.ready(settings, "observer")


@pytest.mark.timeout(120)
def test_who_is_started_at_once_after_a_kill_has_the_same_ports_and_its_own_processes(tmp_path):
    installed = Installation(tmp_path / "segue", "--broker", "none").start()
    before, intake = installed.settings, installed.pid("intake")
    os.kill(intake, signal.SIGSTOP)  # it holds its port for as long as it likes
    ending = threading.Timer(2.0, os.kill, (intake, signal.SIGCONT))
    try:
        installed.kill("up")
        ending.start()
        installed.restart()
        assert installed.settings == before
        wait_until(lambda: parents(installed) == {installed.pid("up")}, 60)
        assert parents(installed) == {installed.pid("up")}
    finally:
        ending.join()
        installed.end()


def parents(installed):
    """Whose children the processes are that wrote themselves down; a worker that ends may still be there."""
    return {
        psutil.Process(pid).ppid() for name in processes.NAMES if (pid := installed.pid(name)) is not None
    }
