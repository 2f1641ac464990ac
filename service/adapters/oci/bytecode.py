"""Compiles the packages of an unpacked image ahead of time, which halves how long models start.

Compiling parses source and executes none of it. The files say that they are not to be checked
against their source: both come from one layer, verified by its digest, that nobody can write to.
"""

import os
import subprocess
from pathlib import Path

from service.adapters.oci.blobs import exclusive
from service.adapters.oci.installing import ENV
from service.adapters.oci.interpreter import host_interpreter
from service.adapters.oci.layout import unpack

_SECONDS = 600
_NICE = ("nice", "-n", "19")  # what serves goes first


def warm(home: Path, digest: str) -> None:
    """Unpack the image and compile its packages, once for each set of packages."""
    root = unpack(home, digest).root
    folder = (root / ENV.lstrip("/")).resolve()
    done = folder.parent / ".compiled"
    if not folder.is_dir() or done.exists():
        return
    with exclusive(home / "images" / "locks" / "bytecode"):
        if done.exists():
            return
        _writable(folder, yes=True)
        try:
            _compile(folder)
        finally:
            _writable(folder, yes=False)
        folder.parent.chmod(0o755)
        done.touch()
        folder.parent.chmod(0o555)


def _compile(folder: Path) -> None:
    python = [*_NICE, str(host_interpreter().path), "-I", "-S"]
    modes = ["-q", "-q", "-j", "1", "--invalidation-mode", "unchecked-hash"]
    command = [*python, "-m", "compileall", *modes, str(folder)]
    # Some packages carry files that are no Python of this version; those are compiled by nobody.
    subprocess.run(command, check=False, capture_output=True, timeout=_SECONDS, env={}, cwd=folder)


def _writable(folder: Path, *, yes: bool) -> None:
    for path, _, names in os.walk(folder):
        Path(path).chmod(0o755 if yes else 0o555)
        if not yes and path.endswith("__pycache__"):
            for name in names:
                (Path(path) / name).chmod(0o444)
