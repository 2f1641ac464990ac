"""A bare repository with commits of a benchmark's own making, pushed as people push."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

WHO = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")


class Repository:
    """A bare repository, and a clone of it to commit in."""

    def __init__(self, folder: Path) -> None:
        self.bare, self.work = folder / "bench.git", folder / "work"
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        git(folder, "init", "--quiet", "--initial-branch=main", str(self.work))
        git(self.work, "remote", "add", "origin", str(self.bare))

    def push(self, files: Mapping[str, bytes]) -> str:
        """Commit these files and push them to main; the commit."""
        for name, content in files.items():
            (self.work / name).write_bytes(content)
        git(self.work, "add", ".")
        git(self.work, *WHO, "commit", "--quiet", "--message=A change")
        git(self.work, "push", "--quiet", "origin", "main")
        return git(self.work, "rev-parse", "HEAD").strip()


def git(folder: Path, *words: str) -> str:
    """What git prints."""
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout
