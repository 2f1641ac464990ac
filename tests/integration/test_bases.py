"""Images on a base: built by the real builder process from a registry, whole for a cluster, and run here."""

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import time

import pytest

from service.adapters.oci import bases
from service.adapters.oci.blobs import Layout
from service.adapters.oci.builder import OciBuilder
from service.adapters.oci.interpreter import host_interpreter
from service.adapters.oci.layout import unpack
from service.ports.builds import Image, Recipe
from service.ports.outcomes import Failed, Retry, Working
from service.settings import Settings
from tests.answering import Server

HERE = host_interpreter()
RECIPE = Recipe("wine-1", None, None, None, ("python", "-c", "print('runs')"), 8080)


def digest(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class BaseImage:
    """A base in Docker's older words, behind an index of several platforms, served over HTTP."""

    def __init__(self, server, *, env, architecture=HERE.architecture, spoil=None):
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as archive:
            entry = tarfile.TarInfo("etc/base")
            entry.size = 4
            archive.addfile(entry, io.BytesIO(b"here"))
        self.layer = gzip.compress(tar.getvalue())
        self.diff = digest(tar.getvalue())
        self.config = json.dumps({"config": {"Env": env}, "rootfs": {"diff_ids": [self.diff]}}).encode()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "config": {"digest": digest(self.config)},
                "layers": [
                    {
                        "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                        "digest": digest(self.layer),
                        "size": len(self.layer),
                    }
                ],
            }
        ).encode()
        platform = {"os": "linux", "architecture": architecture}
        index = json.dumps({"manifests": [{"digest": digest(manifest), "platform": platform}]}).encode()
        for content, kind in ((manifest, "manifests"), (index, "manifests")):
            server.answer(f"/v2/python/{kind}/{digest(content)}", body=content)
        server.answer(f"/v2/python/blobs/{digest(self.config)}", body=self.config)
        server.answer(f"/v2/python/blobs/{digest(self.layer)}", body=spoil or self.layer)
        self.address = f"{server.url}/python@{digest(index)}"


@pytest.fixture
def server():
    with Server() as server:
        server.default = (404, {}, b"{}")
        yield server


@pytest.fixture
def home(tmp_path):
    yield tmp_path / "home"
    for running in (tmp_path / "home" / "builds").glob("*/running"):
        running.unlink(missing_ok=True)


def built(home, base):
    builder = OciBuilder.open(Settings(home=home, base=base))
    builder.start(RECIPE)
    until = time.monotonic() + 90
    while isinstance(state := builder.state(RECIPE.name), Working):
        assert time.monotonic() < until, builder.logs(RECIPE.name)
        time.sleep(0.02)
    return state


def blob(home, name):
    return json.loads((home / "images" / "blobs" / "sha256" / name.removeprefix("sha256:")).read_bytes())


def test_an_image_stands_on_its_base_and_still_runs_on_this_host(server, home):
    base = BaseImage(server, env=["PATH=/usr/local/bin:/bin", f"PYTHON_VERSION={HERE.version}"])
    image = built(home, base.address)
    assert isinstance(image, Image), image
    manifest = blob(home, image.digest)
    lowest = manifest["layers"][0]
    assert (lowest["digest"], lowest["mediaType"]) == (
        digest(base.layer),
        "application/vnd.oci.image.layer.v1.tar+gzip",
    )
    config = blob(home, manifest["config"]["digest"])
    assert config["rootfs"]["diff_ids"][0] == base.diff
    assert len(config["rootfs"]["diff_ids"]) == len(manifest["layers"]) == len(config["history"])
    assert "PATH=/usr/local/bin:/bin" in config["config"]["Env"]
    assert config["config"]["User"] == "65532:65532"
    ready = unpack(home, image.digest)
    done = subprocess.run(
        ready.argv, env=ready.env, cwd=ready.workdir, capture_output=True, text=True, check=True
    )
    assert done.stdout == "runs\n"


@pytest.mark.parametrize(
    ("env", "why"),
    [(["PYTHON_VERSION=2.7.18"], "has Python 2.7.18"), (["PATH=/bin"], "does not say which Python it has")],
)
def test_a_base_with_another_python_is_refused(server, home, env, why):
    state = built(home, BaseImage(server, env=env).address)
    assert isinstance(state, Failed)
    assert why in state.reason


def test_a_base_for_other_machines_is_refused(server, home):
    base = BaseImage(server, env=[f"PYTHON_VERSION={HERE.version}"], architecture="riscv64")
    state = built(home, base.address)
    assert isinstance(state, Failed)
    assert f"not made for linux/{HERE.architecture}" in state.reason


def test_a_base_without_a_digest_is_refused(server, home):
    state = built(home, f"{server.url}/python:3.11")
    assert isinstance(state, Failed)
    assert "@sha256" in state.reason


def test_a_layer_of_other_bytes_is_never_kept(server, home):
    base = BaseImage(server, env=[f"PYTHON_VERSION={HERE.version}"], spoil=b"x" * 40)
    layout = Layout(home)
    layout.prepare()
    with pytest.raises(Retry, match="other bytes"):
        bases.fetch(layout, base.address, HERE, None)
    assert list((home / "images" / "incoming").iterdir()) == []
    assert not layout.blob(digest(base.layer)).exists()
