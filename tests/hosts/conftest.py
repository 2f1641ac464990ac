"""Real servers, built or started once for the run. `make test-hosts` names this folder; `make test` does not."""

import contextlib
import os
from pathlib import Path

import pytest

from tests.hosts import building
from tests.hosts.gitea import Gitea
from tests.running import wait_until

ENDING_SECONDS = 60  # for what was told to end


@pytest.fixture(scope="session", autouse=True)
def nothing_stays(tmp_path_factory):
    """Whatever the run started in its folders has ended with it: servers, installations, what these start."""
    folder = str(tmp_path_factory.getbasetemp())
    yield
    try:
        wait_until(lambda: not running_in(folder), ENDING_SECONDS)
    except AssertionError:
        pytest.fail(f"still running: {running_in(folder)}")


def running_in(folder):
    """The commands of other processes that name the folder, or work in it."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command, environ = (_text(place / name) for name in ("cmdline", "environ"))
            named = folder in f"{command} {environ} {(place / 'cwd').readlink()}"
            if named and command and int(place.name) != os.getpid():
                found.append(command)
    return found


def _text(path):
    return path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")


@pytest.fixture(scope="session")
def gitea(tmp_path_factory):
    """A real Gitea, shared by the run: use repositories of your own."""
    server = Gitea(building.gitea(), tmp_path_factory.mktemp("gitea"))
    try:
        yield server.start()
    finally:
        server.stop()
