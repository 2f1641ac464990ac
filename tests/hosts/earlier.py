"""An earlier Segue, taken out of this repository's history and installed in an environment of its own.

Which: SEGUE_TEST_EARLIER (a tag or a commit), else the newest state of the branch whose stores had an earlier
form than today's.
"""

import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from uv import find_uv_bin

HERE = Path(__file__).resolve().parents[2]
MIGRATIONS = ("service/store/migrations", "service/migrations")  # today's place, and that of before
SECONDS = 600  # for packages on a slow network


def commit() -> str:
    """The earlier state's commit. Skips the test, saying so, where the clone does not reach back so far."""
    named = os.environ.get("SEGUE_TEST_EARLIER")
    if named:
        return _git("rev-parse", "--verify", f"{named}^{{commit}}").strip()
    found = _before_the_newest_form() if (HERE / ".git").exists() else None
    if found is None:
        pytest.skip(
            "no state with an earlier form of the stores is in this clone's history: the processes of an"
            " EARLIER VERSION WERE NOT RUN beside today's; git fetch --unshallow brings it"
        )
    return found


def install(earlier: str, folder: Path) -> Path:
    """Its `segue`, in an environment with what its own hashed requirements name."""
    code, environment = folder / "code", folder / "venv"
    code.mkdir(parents=True)
    with (folder / "code.tar").open("w+b") as packed:
        subprocess.run(["git", "archive", earlier], cwd=HERE, stdout=packed, check=True)
        packed.seek(0)
        with tarfile.open(fileobj=packed) as tar:
            tar.extractall(code, filter="data")
    needed = [word for name in ("bootstrap", "app") for word in ("-r", f"requirements/{name}.txt")]
    # Compiled here: six processes that start at once and compile the same each time are not ready for a minute.
    into = (
        "pip",
        "install",
        "--quiet",
        "--compile-bytecode",
        "--python",
        str(environment / "bin" / "python"),
    )
    _uv(code, "venv", "--quiet", str(environment))
    _uv(code, *into, "--require-hashes", *needed)
    _uv(code, *into, "--no-deps", ".")
    return environment / "bin" / "segue"


def _before_the_newest_form() -> str | None:
    """One whose revisions are among today's: what had others was on its way, and never ran anywhere."""
    today = _revisions("HEAD")
    states = _git("rev-list", "--first-parent", "HEAD", "--", *MIGRATIONS).split()
    return next((one for one in states if _revisions(one) < today), None)


def _revisions(state: str) -> set[str]:
    listed = _git("ls-tree", "-r", "--name-only", state, "--", *MIGRATIONS).split()
    return {Path(name).name for name in listed if "/versions/" in name}


def _git(*words: str) -> str:
    """With the machine's own settings: a checkout of another user's is one that they allow."""
    return subprocess.run(["git", *words], cwd=HERE, check=True, capture_output=True, text=True).stdout


def _uv(folder: Path, *words: str) -> None:
    done = subprocess.run(
        [find_uv_bin(), *words], cwd=folder, check=False, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, (words, done.stderr)
