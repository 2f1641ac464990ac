"""The demo's Git repository: a bare one to push to, and a clone in which a developer works.

Everything is done with the `git` command, as its users would.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from service.demo.place import CommandFailed

AUTHOR = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "init.defaultBranch=main",
          "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false")  # fmt: skip
SECONDS = 60


@dataclass(frozen=True, slots=True)
class Repository:
    """A clone, `work`, of the bare repository `bare`."""

    bare: Path
    work: Path

    def make(self, examples: Path, *without: str) -> None:
        """Make both, with the examples in the clone but for those folders, not committed yet."""
        self.bare.mkdir(parents=True)
        _run(self.bare, "init", "--quiet", "--bare")
        shutil.copytree(examples, self.work, ignore=shutil.ignore_patterns("__pycache__", ".*", *without))
        _run(self.work, "init", "--quiet")
        _run(self.work, "remote", "add", "origin", str(self.bare))

    def commit(self, message: str) -> str:
        """Commit all changes; the commit's id."""
        _run(self.work, "add", "--all")
        _run(self.work, "commit", "--quiet", "--message", message)
        return _run(self.work, "rev-parse", "HEAD").strip()

    def push(self, *what: str) -> None:
        """Push these references, or the branch."""
        _run(self.work, "push", "--quiet", "origin", *(what or ("HEAD",)))

    def branch(self, name: str, start: str) -> None:
        """Go to a new branch that begins at a commit."""
        _run(self.work, "switch", "--quiet", "--create", name, start)

    def switch(self, branch: str) -> None:
        """Go to a branch that is there."""
        _run(self.work, "switch", "--quiet", branch)

    def restore(self, commit: str) -> None:
        """Make all files as they were at the commit, on the branch as it is."""
        _run(self.work, "restore", "--source", commit, "--staged", "--worktree", ".")

    def tag(self, name: str) -> None:
        """Name the present commit."""
        _run(self.work, "tag", name)

    def note(self, commit: str) -> str:
        """What Segue wrote beside the commit; "" where it wrote nothing."""
        command = ["git", "--git-dir", str(self.bare), "notes", "--ref", "segue", "show", commit]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=SECONDS, env=_environ()
        )
        return done.stdout if done.returncode == 0 else ""

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that stands once in a file. Raises `CommandFailed` where it does not."""
        file = self.work / path
        text = file.read_text()
        if text.count(old) != 1:
            raise CommandFailed(f"{path} has changed: the demo looks for {old!r} in it")
        file.write_text(text.replace(old, new))


def _environ() -> dict[str, str]:
    """The user's, without what would lead git to another repository, and without prompts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}


def _run(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *AUTHOR, *arguments]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=SECONDS, env=_environ()
    )
    if done.returncode != 0:
        raise CommandFailed(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout
