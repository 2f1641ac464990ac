"""Commits to a bare repository on this machine: plumbing only, nothing is ever checked out.

A commit stands on the tip that was read. Git moves the branch from exactly that tip or not at all; where
people pushed meanwhile everything is done anew on top of theirs.
"""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from service.adapters.bare_git import BareGit
from service.adapters.repository.places import place
from service.adapters.repository.running import Ended, run
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.settings import Settings

_TRIES = 20  # of one commit while others commit, too
_PATH = re.compile(r"(?!\.)[A-Za-z0-9._-]+(?:/(?!\.)[A-Za-z0-9._-]+)*")
_AUTHOR = "Segue <segue@localhost>"
_NAMELESS = "refs/segue/commit"  # never there: it is taken away before `fast-import` writes it


class BareWriter:
    """Writes to one repository through git itself; what it reads, it reads as any Git host."""

    def __init__(self, source: Source, roots: tuple[Path, ...]) -> None:
        self._source = source
        self._roots = roots
        self._host = BareGit(source, roots)

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The source's repository. Where it lies is checked anew whenever it is read or written."""
        return cls(source, settings.git_roots)

    def tip(self, branch: str) -> str:
        branches = {
            name.removeprefix("refs/heads/"): commit
            for name, commit in self._host.refs().items()
            if name.startswith("refs/heads/")
        }
        if branch not in branches:
            known = ", ".join(sorted(branches)) or "none yet; push a first commit"
            raise Refused(f"{self._source.url} has no branch {branch!r}; its branches: {known}")
        return branches[branch]

    def read(self, commit: str, path: str) -> bytes | None:
        return self._host.file(commit, path)

    def names(self, commit: str, folder: str) -> tuple[str, ...]:
        prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
        below = (entry.path.removeprefix(prefix) for entry in self._host.tree(commit, folder))
        return tuple(name for name in below if "/" not in name)

    def since(self, commit: str, paths: Sequence[str]) -> str:
        ended = self._run("rev-list", "-1", commit, "--", *paths)
        return ended.out.decode().strip() or commit

    def write(self, branch: str, changes: Mapping[str, bytes | None], message: str) -> str:
        for path in changes:
            if not _PATH.fullmatch(path):
                raise Refused(
                    f"{path!r} is no path that Segue commits to; use letters, digits, `.`, `_`, `-`"
                )
        for _ in range(_TRIES):
            tip = self.tip(branch)
            wanted = {path: content for path, content in changes.items() if self.read(tip, path) != content}
            if not wanted:
                return self.since(tip, tuple(changes))
            made = self._run("fast-import", "--quiet", "--done", data=_import(tip, wanted, message))
            commit = made.out.decode().strip()
            moved = self._run("update-ref", f"refs/heads/{branch}", commit, tip) if commit else made
            if moved.status == 0:
                return commit
            if self.tip(branch) == tip:
                raise Retry(f"nothing can be committed to {self._source.url}: {moved.said[-500:]}", 5.0)
        raise Retry(f"others commit to {branch} of {self._source.url} all the time", 1.0)

    def _run(self, *words: str, data: bytes = b"") -> Ended:
        return run(place(self._source, self._roots), *words, data=data)


def _import(tip: str, changes: Mapping[str, bytes | None], message: str) -> bytes:
    """A commit on this tip, as `fast-import` reads it, which prints its id and leaves it without a name.

    Left to move the branch itself, `fast-import` would accept any tip that is an ancestor: it would bring
    back what somebody had just pushed over.
    """
    said = message.encode("utf-8", "backslashreplace")
    lines = [
        f"commit {_NAMELESS}".encode(),
        b"mark :1",
        f"committer {_AUTHOR} {int(time.time())} +0000".encode(),
        b"data %d" % len(said),
        said,
        b"from " + tip.encode(),
    ]
    for path, content in changes.items():
        if content is None:
            lines.append(b"D " + path.encode())
        else:
            lines += [b"M 100644 inline " + path.encode(), b"data %d" % len(content), content]
    lines += [b"get-mark :1", f"reset {_NAMELESS}".encode(), b"from " + b"0" * len(tip), b"done"]
    return b"\n".join(lines) + b"\n"
