"""Where a demo lives, and how what an earlier one left behind is ended and removed."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from service.demo import mlflow_server

SECONDS = 60


@dataclass(frozen=True, slots=True)
class Place:
    """One folder holds all of it. `settings` are more variables for its installation."""

    root: Path
    settings: tuple[tuple[str, str], ...] = (
        ("SEGUE_SWEEP_SECONDS", "10"),
        ("SEGUE_SEGMENTS", "country=X-Country"),
    )

    @property
    def home(self) -> Path:
        """SEGUE_HOME."""
        return self.root / "home"

    @property
    def bare(self) -> Path:
        """The repository that is pushed to."""
        return self.root / "git" / "models.git"

    @property
    def work(self) -> Path:
        """The clone that a developer works in."""
        return self.root / "work"

    @property
    def mlflow(self) -> Path:
        """The MLflow server's database and files."""
        return self.root / "mlflow"

    @property
    def log(self) -> Path:
        """What `segue up` prints."""
        return self.root / "up.log"

    def environ(self) -> dict[str, str]:
        """The environment in which `segue` speaks to this demo's installation."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SEGUE_")}
        return {
            **kept,
            "SEGUE_HOME": str(self.home),
            "SEGUE_GIT_ROOTS": str(self.bare.parent),
            **dict(self.settings),
        }


def program() -> str:
    """The `segue` command of this environment."""
    return str(Path(sys.executable).with_name("segue"))


def segue(place: Place, *arguments: str, token: str = "", check: bool = True) -> str:
    """Type a `segue` command, as the person whose token it is, and return what it printed.

    Raises `CommandFailed`.
    """
    done = subprocess.run(
        [program(), *arguments],
        env=place.environ() | ({"SEGUE_TOKEN": token} if token else {}),
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    if check and done.returncode != 0:
        raise CommandFailed(f"segue {' '.join(arguments)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


class CommandFailed(Exception):
    """A command of the demo ended with an error."""


def clear(place: Place) -> None:
    """End what an earlier demo left running here, and remove its files."""
    mlflow_server.end_former(place.mlflow)
    if place.home.is_dir():
        segue(place, "down", "--all", "--yes", check=False)
    if place.root.exists():
        _remove(place.root)


def _remove(root: Path) -> None:
    """Remove a folder in which some folders are closed to writers, as unpacked layers are."""
    for folder, names, _ in os.walk(root):
        for path in (Path(folder, name) for name in names):
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(root)
