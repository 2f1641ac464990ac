"""Images on a system from a real registry: what they say, what is sent where, and what is refused."""

import hashlib
import json
import tarfile
import time
from io import BytesIO

import pytest
import requests

from service.adapters.oci import system
from service.adapters.oci.builder import OciBuilder
from service.adapters.oci.interpreter import host_interpreter
from service.adapters.oci.layout import unpack
from service.ports import Failed, Image, Recipe, Refused, Working
from service.settings import Settings
from tests import imaging
from tests.imaging import CONFIG, INDEX, MANIFEST, Images

LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
RECIPE = Recipe("wine-1", None, None, None, ("python", "-V"), 8080, (("segue.model", "wine"),))


@pytest.fixture
def secured(tmp_path):
    """A registry that wants a login."""
    if imaging.program() is None:
        pytest.skip("no image registry is installed: apt install docker-registry")
    server = imaging.ImageServer(tmp_path / "secured", secured=True)
    try:
        yield server.start()
    finally:
        server.stop()


def layer(word):
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(word))
    return packed.getvalue()


def base(server, repository="python", *, login=None, python="", indexed=False, **config):
    """Push a system of two layers; its address."""
    images, version = Images(server.url, login), python or host_interpreter().version
    layers = [images._blob(repository, LAYER, layer(word)) for word in ("one", "two")]
    told = {
        "architecture": host_interpreter().architecture,
        "os": "linux",
        "config": {"Env": ["PATH=/opt/bin", f"PYTHON_VERSION={version}"], "Cmd": ["sh"], "User": "0"},
        "rootfs": {"type": "layers", "diff_ids": [one["digest"] for one in layers]},
        **config,
    }
    described = images._blob(repository, CONFIG, json.dumps(told).encode())
    digest = images.manifest(repository, "3", MANIFEST, config=described, layers=layers)
    if indexed:
        platforms = [{"os": "linux", "architecture": name} for name in ("riscv", told["architecture"])]
        entries = [{"mediaType": MANIFEST, "digest": digest, "size": 1, "platform": one} for one in platforms]
        digest = images.manifest(repository, "3", INDEX, manifests=entries[indexed - 1 :])
    return f"{server.url}/{repository}@{digest}", [one["digest"] for one in layers]


def built(home, server, address):
    builder = OciBuilder.open(Settings(home=home, images=f"{server.url}/models", base=address))
    builder.start(RECIPE)
    until = time.monotonic() + 60
    while isinstance(state := builder.state("wine-1"), Working):
        assert time.monotonic() < until, builder.logs("wine-1")
        time.sleep(0.02)
    return state


def pushed(server, digest, **more):
    path = f"{server.url}/v2/models/wine"
    manifest = requests.get(f"{path}/manifests/{digest}", headers={"Accept": MANIFEST}, timeout=10, **more)
    config = requests.get(f"{path}/blobs/{manifest.json()['config']['digest']}", timeout=10, **more)
    return manifest.json(), config.json()


def test_an_image_begins_with_the_system_s_layers_and_environment(tmp_path, image_registry):
    address, below = base(image_registry)
    image = built(tmp_path, image_registry, address)
    assert isinstance(image, Image), image
    manifest, config = pushed(image_registry, image.digest)
    assert [one["digest"] for one in manifest["layers"]][:2] == below
    assert {one["mediaType"] for one in manifest["layers"][:2]} == {system._OCI_LAYER}
    assert config["rootfs"]["diff_ids"][:2] == below
    assert len(config["rootfs"]["diff_ids"]) == len(config["history"]) == len(manifest["layers"])
    assert {"PATH=/opt/bin", "PYTHONPATH=/opt/segue/env", "PORT=8080"} <= set(config["config"]["Env"])
    assert config["config"]["User"] == "65532:65532"
    assert config["config"]["Cmd"] == ["python", "-V"]
    notes = manifest["annotations"]
    assert notes["org.opencontainers.image.base.name"] == f"{image_registry.host}/python"
    assert notes["org.opencontainers.image.base.digest"] == address.partition("@")[2]
    assert unpack(tmp_path, image.digest).argv[1:] == ("-V",)  # this machine is the system


def test_layers_come_from_another_registry_and_another_login(tmp_path, image_registry, secured):
    address, below = base(secured, login=imaging.LOGIN)
    assert "login-base" in built(tmp_path, image_registry, address).reason
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "login-base").write_text(":".join(imaging.LOGIN))
    image = built(tmp_path, image_registry, address)
    assert isinstance(image, Image), image
    content = requests.get(f"{image_registry.url}/v2/models/wine/blobs/{below[0]}", timeout=10).content
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == below[0]


def test_the_same_recipe_on_the_same_system_is_the_same_image(tmp_path, image_registry):
    address, _ = base(image_registry)
    first, second = (built(tmp_path / name, image_registry, address) for name in "ab")
    assert first.digest == second.digest
    other, _ = base(image_registry, repository="other", created="2026-01-01T00:00:00Z")
    assert built(tmp_path / "c", image_registry, other).digest != first.digest


def test_an_index_is_searched_for_this_platform(tmp_path, image_registry):
    address, _ = base(image_registry, repository="many", indexed=1)
    assert isinstance(built(tmp_path, image_registry, address), Image)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"python": "3.6.1"}, "has Python 3.6.1, and packages are installed for"),
        ({"architecture": "riscv"}, "is for linux/riscv"),
        ({"rootfs": {"type": "layers", "diff_ids": []}}, "does not name all of its layers"),
    ],
)
def test_a_system_that_does_not_fit_fails_the_build_with_the_reason(tmp_path, image_registry, told, words):
    address, _ = base(image_registry, repository="unfit", **told)
    state = built(tmp_path, image_registry, address)
    assert isinstance(state, Failed)
    assert words in state.reason


def test_a_system_that_is_not_there_is_said(tmp_path, image_registry):
    state = built(tmp_path, image_registry, f"{image_registry.url}/nosuch@sha256:{'0' * 64}")
    assert "answered 404 for nosuch" in state.reason


@pytest.mark.parametrize(
    "address", ["https://r.example/python:3", "r.example/python@sha256:" + "0" * 64, "http://r"]
)
def test_a_system_is_named_by_its_digest(address):
    with pytest.raises(Refused, match="names no image by digest"):
        system.read(address, None, host_interpreter())
