"""Images for builds from Dockerfiles: Buildah's own, of Debian's packages, and a base to build on."""

import os
import subprocess
import tempfile
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from service.adapters.oci.blobs import Layout, canonical
from service.adapters.oci.layers import Layer, cached
from tests.cluster import interpreter
from tests.cluster.helm import CHART
from tests.cluster.images import Images

_PACKAGES = "buildah,uidmap,libcap2-bin,ca-certificates"
_LEFT_OUT = ("doc", "man", "locale", "info", "lintian")
# A user with ids to give away; the programs that map them have one capability each, as upstream's image has it.
_HOOKS = (
    'echo "build:x:1000:1000::/home/build:/usr/sbin/nologin" >> "$1/etc/passwd"',
    'echo "build:x:1000:" >> "$1/etc/group"',
    'echo build:100000:65536 | tee "$1/etc/subuid" > "$1/etc/subgid"',
    'chmod u-s "$1/usr/bin/newuidmap" "$1/usr/bin/newgidmap"',
    'chroot "$1" setcap cap_setuid+ep /usr/bin/newuidmap',
    'chroot "$1" setcap cap_setgid+ep /usr/bin/newgidmap',
)


def chart_image() -> ModuleType:
    """The program that builds Segue's own image."""
    found = spec_from_file_location("image", CHART.parent / "image.py")
    assert found is not None
    assert found.loader is not None
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return module


def buildah(images: Images) -> str:
    """An image with Buildah, by its digest; made once, by mmdebstrap."""
    return images.of("buildah", [_debian(images.layout)])


def base(images: Images) -> str:
    """A base for Dockerfiles, by its digest: the tests' Python as `python`, a shell, and pip's wheel."""
    shell = Path("/bin/sh").resolve()
    (pip,) = (Path(os.__file__).parent / "ensurepip/_bundled").glob("pip-*.whl")
    libraries = {str(path).lstrip("/"): path for path in interpreter.linked([shell])}
    files = {**libraries, "bin/sh": shell, "opt/pip.whl": pip, "tmp/.keep": b""}
    return images.python_with("system", files)


def _debian(layout: Layout) -> Layer:
    key = "buildah-" + sha256(canonical({"packages": _PACKAGES, "hooks": _HOOKS})).hexdigest()
    known = cached(layout, key)
    if known is not None:
        return known
    with tempfile.TemporaryDirectory() as scraps:
        tar = Path(scraps) / "buildah.tar"
        command = [
            "mmdebstrap", "--quiet", "--variant=essential", f"--include={_PACKAGES}",
            '--aptopt=APT::Install-Recommends "false"',
            *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT),
            *(f"--customize-hook={hook}" for hook in _HOOKS), "bookworm", str(tar),
        ]  # fmt: skip
        subprocess.run(command, check=True, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"})
        layer: Layer = chart_image().raw_layer(layout, tar)
    layout.remember(key, layer.facts())
    return layer
