"""What the distribution has to bring for tests with real servers: installed by apt where it is missing."""

import os
import shutil
import subprocess
from pathlib import Path


def install(packages: dict[str, str]) -> None:
    """Install those packages whose program, by name or by a path that may be a pattern, is not there.

    None of their services is started where the machine's policy forbids it (`policy-rc.d`), as containers' do.
    Raises `RuntimeError` saying what to install where that is not possible here.
    """
    missing = sorted({package for program, package in packages.items() if not _there(program)})
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise RuntimeError(f"install what Debian calls {', '.join(missing)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *missing]):
        subprocess.run(["apt-get", *words], check=True, env=quiet, stdout=subprocess.DEVNULL)


def _there(program: str) -> bool:
    if program.startswith("/"):
        return any(Path("/").glob(program.removeprefix("/")))
    return shutil.which(program) is not None
