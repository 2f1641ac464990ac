"""The base of test images: the Python that runs the tests, with the libraries it is linked to.

No public registry is asked. A program's shared libraries are told by the system's own loader.
"""

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

_LINKED = re.compile(r"(?:=> )?(/\S+) \(0x[0-9a-f]+\)")
_UNUSED = {"site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip",
           "lib2to3", "__pycache__"}  # fmt: skip
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# What compiled wheels expect of any system: https://peps.python.org/pep-0599/#the-manylinux2014-policy
_OF_WHEELS = ("libgcc_s.so.1", "libstdc++.so.6", "libdl.so.2", "libpthread.so.0", "libresolv.so.2", "librt.so.1",
              "libutil.so.1")  # fmt: skip
_ACCOUNTS = b"root:x:0:0::/:/none\nnonroot:x:65532:65532::/tmp:/none\n"


def executable() -> Path:
    """The interpreter below any virtual environment; it has the same path in the image."""
    return Path(sys._base_executable).resolve()


def files() -> Iterator[tuple[str, Path | bytes]]:
    """Name in the image (no leading slash) and content, sorted, each once."""
    library = Path(
        sysconfig.get_path("stdlib", vars={"base": sys.base_prefix, "installed_base": sys.base_prefix})
    )
    found: dict[str, Path | bytes] = {_inside(path): path for path in _library(library)}
    programs = [executable(), *library.glob("lib-dynload/*.so")]
    libraries = linked(programs)
    beside = {path.with_name(name) for path in libraries if path.name == "libc.so.6" for name in _OF_WHEELS}
    found |= {_inside(path): path for path in [executable(), *libraries, *filter(Path.exists, beside)]}
    found["etc/passwd"] = _ACCOUNTS
    if _CERTIFICATES.exists():
        found[_inside(_CERTIFICATES)] = _CERTIFICATES
    yield from sorted(found.items())


def linked(programs: list[Path]) -> set[Path]:
    """The shared libraries that these load, the loader included; none for a static program."""
    done = subprocess.run(["ldd", *map(str, programs)], check=False, capture_output=True, text=True)
    return {Path(name) for name in _LINKED.findall(done.stdout)}


def _library(folder: Path) -> Iterator[Path]:
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _UNUSED and not name.startswith("config-")]
        yield from (Path(path) / name for name in names if (Path(path) / name).is_file())


def _inside(path: Path) -> str:
    return str(path).lstrip("/")
