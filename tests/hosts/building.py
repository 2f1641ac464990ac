"""Builds a real Gitea from its Go module, once: a folder with the program and the files that it reads.

It is kept outside of the repository, by its version. Gitea's own go.mod has `replace` lines, which Go honours in a
main module alone; so a module is made here whose go.mod is Gitea's, and which requires Gitea.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_MODULE = "code.gitea.io/gitea"
_VERSION = "1.26.0"
# What go.sum must say of the version: nothing else is taken for it.
_SUMS = f"""\
{_MODULE} v{_VERSION} h1:fJP9dqLbzKrKWUVnCVTfVersZdVDuyJQLEDzCAOmKKA=
{_MODULE} v{_VERSION}/go.mod h1:lQQerj+Xp70MDr1Cpxa85QmkS4ltqYpSyG++R77EFQQ=
"""
_READ = ("templates", "options", "public")  # beside the program; pages have no style without the built assets
_HOME = Path.home() / ".cache" / "segue-hosts"


def gitea() -> Path:
    """The folder of Gitea's program and files, built where it is not there (about ten minutes of two processors)."""
    ready = _HOME / f"gitea-{_VERSION}"
    if ready.exists():
        return ready
    _HOME.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(dir=_HOME, prefix="new-"))
    try:
        _build(new)
        new.chmod(0o755)
        new.replace(ready)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return ready


def _build(new: Path) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        found = Path(
            json.loads(_go("mod", "download", "-json", f"{_MODULE}@v{_VERSION}", folder=folder))["Dir"]
        )
        (folder / "go.mod").write_bytes((found / "go.mod").read_bytes())
        (folder / "go.sum").write_text((found / "go.sum").read_text() + _SUMS)
        required = f"-require={_MODULE}@v{_VERSION}"
        _go("mod", "edit", "-module=segue.test/gitea", f"-droptool={_MODULE}-vet", required, folder=folder)
        named = f"-ldflags=-s -w -X main.Version={_VERSION}"  # without it Gitea calls itself "development"
        tags = "-tags=sqlite sqlite_unlock_notify"
        _go("build", "-p=2", "-trimpath", "-mod=mod", tags, named, f"-o={new}/gitea", _MODULE, folder=folder)
    for name in _READ:
        shutil.copytree(found / name, new / name)
    # Modules are read-only in Go's cache; a copy that its owner cannot remove helps nobody.
    subprocess.run(["chmod", "-R", "u+w", new], check=True)


def _go(*words: str, folder: Path) -> str:
    if shutil.which("go") is None:
        raise SystemExit(
            "The tests with real hosts build them with Go 1.26 or newer: see https://go.dev/doc/install"
        )
    env = {**os.environ, "CGO_ENABLED": "1"}  # Gitea's SQLite is C
    done = subprocess.run(
        ["nice", "-n", "10", "go", *words],
        check=False,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=env,
    )
    if done.returncode != 0:
        sys.exit(f"go {words[0]} failed in {folder}")
    return done.stdout


if __name__ == "__main__":
    print(gitea())
