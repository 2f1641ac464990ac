"""Programs of others that send to Segue or write what it reads: GTO, and the libraries of CloudEvents and of Standard
Webhooks, in an environment of their own (`make test-hosts` installs it).
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

PLACE = Path(__file__).resolve().parents[2] / ".venvs" / "senders" / "bin"
ANN = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "ann"), ("EMAIL", "ann@example.org"))
}


def program(name: str) -> str:
    """A command of that environment. Skips the test where it is not installed."""
    if not (PLACE / name).exists():
        pytest.skip(f"{PLACE / name} is not there; `make test-hosts` installs it")
    return str(PLACE / name)


def gto(folder: Path, *words: str) -> str:
    """What GTO prints in the repository."""
    return _run([program("gto"), *words], folder, {"PATH": os.environ["PATH"], **ANN})


def sent(script: str, *words: str) -> list[int]:
    """The statuses that a sender of `sending/` got, each an answer of Segue's."""
    where = Path(__file__).parent / "sending" / script
    return json.loads(_run([program("python"), str(where), *words], where.parent, {}))


def _run(command: list[str], folder: Path, environ: dict[str, str]) -> str:
    done = subprocess.run(
        command, cwd=folder, env={"HOME": str(folder), **environ}, check=False, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
