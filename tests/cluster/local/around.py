"""Builds a program from a module whose go.mod replaces others, which `go install` refuses; each once.

A module is made around it: its own go.mod and go.sum under another name, with the module itself as one
more requirement. Programs are kept outside of the repository, beside those of the cluster for tests.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Module:
    """A module, its version, and the program in it.

    `definitions` are the files of its own kinds of objects; `edits` are for `go mod edit`, where what its
    go.mod names is a folder, or cannot be had; `name` is the program's, where its package has a poor one.
    """

    path: str
    version: str
    package: str
    definitions: tuple[str, ...] = ()
    edits: tuple[str, ...] = ()
    name: str = ""

    @property
    def program(self) -> str:
        """What it is called: as Go does, by the last part of its path."""
        return self.name or self.imported.rpartition("/")[2]

    @property
    def imported(self) -> str:
        """The package by its whole path."""
        return f"{self.path}/{self.package}".rstrip("/")


def home() -> Path:
    """Where programs are kept."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "segue-cluster" / "programs"


def controller(module: Module) -> Path:
    """The program; its first build takes many minutes."""
    edited = hashlib.sha256("\0".join(module.edits).encode()).hexdigest()[:6] if module.edits else ""
    ready = home() / "-".join(filter(None, (module.program, module.version, edited)))
    if not ready.exists():
        with tempfile.TemporaryDirectory() as folder:
            _around(module, Path(folder))
            build(Path(folder), module.imported, ready, "-mod=mod")
    return ready


def definitions(module: Module) -> list[Path]:
    """The files that define the module's kinds of objects."""
    folder = Path(_download(module)["Dir"])
    return [folder / name for name in module.definitions]


def build(folder: Path, package: str, ready: Path, mode: str, flags: str = "") -> None:
    """Build one program of the module in `folder`; `flags` are for its linker."""
    ready.parent.mkdir(parents=True, exist_ok=True)
    new = ready.with_name(f"{ready.name}.new-{os.getpid()}")
    print(f"building {ready.name} ...", file=sys.stderr, flush=True)
    told = f"-ldflags=-s -w {flags}"
    _go(("build", "-trimpath", mode, told, "-o", str(new), package), folder)
    new.replace(ready)


def _around(module: Module, folder: Path) -> None:
    found = _download(module)
    for source, name in ((found["GoMod"], "go.mod"), (f"{found['Dir']}/go.sum", "go.sum")):
        shutil.copyfile(source, folder / name)
    required = f"-require={module.path}@{module.version}"
    _go(("mod", "edit", "-module=segue.test/around", required, *module.edits), folder)
    (folder / "tools.go").write_text(f'//go:build tools\n\npackage tools\n\nimport _ "{module.imported}"\n')


def _download(module: Module) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        told = _go(("mod", "download", "-json", f"{module.path}@{module.version}"), Path(folder))
    found: dict[str, str] = json.loads(told)
    return found


def _go(words: Sequence[str], folder: Path) -> str:
    env = {**os.environ, "CGO_ENABLED": "0"}
    command = ["nice", "-n", "15", "go", *words]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, cwd=folder, env=env)
    if done.returncode != 0:
        raise SystemExit(f"go {words[0]} failed in {folder}")
    return done.stdout
