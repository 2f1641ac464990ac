"""The base of every image: the host's own Python interpreter, described, not shipped.

We ship no operating system. An image is labelled with the interpreter version and the platform it
was built for, and runs on the host's interpreter of that version, never on the virtual environment
that Segue itself runs in.
"""

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_ASK = (
    "import platform, sysconfig;"
    "print(platform.python_implementation(), platform.python_version(), sysconfig.get_platform())"
)
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python of the host: where it is, and the facts that decide which wheels fit it."""

    path: Path
    implementation: str
    version: str
    platform: str

    @property
    def description(self) -> dict[str, str]:
        """What images are labelled with; no path, so that it is the same on every such host."""
        return {
            "implementation": self.implementation,
            "python": self.version,
            "platform": self.platform,
            "libc": "-".join(platform.libc_ver()),
        }

    @property
    def architecture(self) -> str:
        """The processor in the words of OCI."""
        return _MACHINES.get(platform.machine(), platform.machine())


@cache
def host_interpreter() -> Interpreter:
    """The interpreter below our virtual environment, or one of the same minor version.

    Models run under a user of their own when Segue runs as root. An interpreter inside root's home
    is out of that user's reach, so another of the same minor version is taken where there is one.
    """
    base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    if os.geteuid() != 0 or reachable(base):
        return _described(base)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    others = [Path(folder) / name for folder in ("/usr/local/bin", "/usr/bin", "/opt/python/bin")]
    found = next((p.resolve() for p in others if p.exists() and reachable(p.resolve())), base)
    return _described(found)


def reachable(path: Path) -> bool:
    """Whether any user may read the file and pass all folders above it."""
    folders = all(folder.stat().st_mode & 0o001 for folder in path.parents)
    return folders and path.stat().st_mode & 0o005 == 0o005


def _described(path: Path) -> Interpreter:
    done = subprocess.run([path, "-I", "-S", "-c", _ASK], check=True, capture_output=True, text=True, env={})
    implementation, version, where = done.stdout.split()
    return Interpreter(path, implementation, version, where)
