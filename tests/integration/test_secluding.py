"""A build's process does not see the secrets that it does not need, and cannot get back to them."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from service.adapters.oci.builder import OciBuilder
from service.ports.builds import Image, Recipe
from service.ports.outcomes import Working
from service.settings import Settings
from tests.imaging import LOGIN, ImageServer, program

NOBODY = 65534
LOOK = """
import ctypes, json, os, subprocess, sys
from pathlib import Path
from service.adapters.oci.secluding import seclude
secrets, user = Path(sys.argv[1]), int(sys.argv[2])
libc = ctypes.CDLL(None)
os.setgid(user)
os.setuid(user)
libc.prctl(4, 1, 0, 0, 0)  # who gives up root is no process like others until it says so
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
parent = os.getppid()  # a process of the same user that is not secluded
why = seclude(secrets, lambda name: name.startswith("login-"))
def tried(path):
    try:
        return Path(path).read_text()
    except OSError as error:
        return type(error).__name__
undone = libc.umount2(os.fsencode(secrets), 2)
print(json.dumps({
    "why": why,
    "seen": sorted(os.listdir(secrets)),
    "login": tried(secrets / "login-images"),
    "key": tried(secrets / "signing-key"),
    "beside": tried(f"/proc/{parent}/root{secrets}/signing-key"),
    "undone": undone,
    "child": subprocess.run(["/bin/cat", str(secrets / "signing-key")], capture_output=True).returncode,
}))
"""


@pytest.fixture
def secrets():
    """A folder that the one who looks owns; pytest's own are closed to other users."""
    folder = Path(tempfile.mkdtemp(prefix="segue-secluded-"))
    folder.chmod(0o755)
    (folder / "secrets").mkdir()
    for name in ("signing-key", "login-images", "operator-token"):
        (folder / "secrets" / name).write_text(name)
    yield folder / "secrets"
    shutil.rmtree(folder)


@pytest.mark.parametrize("user", [0, NOBODY])
def test_of_the_secrets_only_logins_are_left_to_a_process_that_secluded_itself(secrets, user):
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    for path in (secrets, *secrets.iterdir()):
        os.chown(path, user, user)
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sys.path)}
    look = [sys.executable, "-c", LOOK, str(secrets), str(user)]
    done = subprocess.run(look, env=known, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    if told["why"] and user == NOBODY:
        pytest.skip(told["why"])
    assert told == {
        "why": "",
        "seen": ["login-images"],
        "login": "login-images",
        "key": "FileNotFoundError",
        "beside": "PermissionError",
        "undone": -1,
        "child": 1,
    }
    assert (secrets / "signing-key").read_text() == "signing-key"


DENIED = """
import sys
from pathlib import Path
from service.adapters.oci import secluding
secluding._drop(frozenset({0, 1}))  # root as a container has it
print(secluding.seclude(Path(sys.argv[1]), lambda name: name.startswith("login-")))
print((Path(sys.argv[1]) / "signing-key").read_text())
"""


def test_where_the_system_does_not_allow_it_nothing_changes_and_it_is_said(secrets):
    if os.geteuid() != 0:
        pytest.skip("only root has rights to give up")
    look = [sys.executable, "-c", DENIED, str(secrets)]
    done = subprocess.run(look, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "this system does not let a build hide secrets from itself: Operation not permitted",
        "signing-key",
    ]


def test_a_build_runs_so_and_still_logs_in_where_it_pushes_to(tmp_path):
    if program() is None or os.geteuid() != 0:
        pytest.skip("needs an image registry, and root to look at the build")
    registry = ImageServer(tmp_path / "registry", secured=True)
    home = tmp_path / "home"
    (home / "secrets").mkdir(parents=True)
    (home / "secrets" / "login-images").write_text(":".join(LOGIN))
    (home / "secrets" / "signing-key").write_text("a key")
    try:
        registry.start()
        builder = OciBuilder.open(Settings(home=home, images=f"{registry.url}/models"))
        builder.start(Recipe("wine-1", None, None, None, ("python", "-V"), 8080, (("segue.model", "wine"),)))
        pid = json.loads((home / "builds" / "wine-1" / "process.json").read_text())["pid"]
        seen, until = [], time.monotonic() + 60
        while isinstance(state := builder.state("wine-1"), Working):
            seen.append(_view(pid, home / "secrets"))
            assert time.monotonic() < until, builder.logs("wine-1")
            time.sleep(0.01)
        assert isinstance(state, Image), builder.logs("wine-1")
    finally:
        registry.stop()
    assert ["login-images"] in seen, seen
    assert "hide" not in builder.logs("wine-1")


def _view(pid, folder):
    """The folder as that process has it."""
    try:
        return sorted(path.name for path in Path(f"/proc/{pid}/root{folder}").iterdir())
    except OSError:
        return None
