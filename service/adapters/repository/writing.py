"""Commits to a repository by plumbing only: nothing is ever checked out.

A commit stands on the tip that was read. The branch is moved from exactly that tip or not at all; where
people pushed meanwhile everything is done anew on top of theirs. How it is moved is a repository's own.
"""

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Protocol

from service.adapters.repository.running import Ended
from service.ports.git import TreeEntry
from service.ports.outcomes import Refused, Retry

_TRIES = 20  # of one commit while others commit, too
_PATH = re.compile(r"(?!\.)[A-Za-z0-9._-]+(?:/(?!\.)[A-Za-z0-9._-]+)*")
_AUTHOR = "Segue <segue@localhost>"
_NAMELESS = "refs/segue/commit"  # never there: it is taken away before `fast-import` writes it


class Readable(Protocol):
    """What a commit is made of is read as from any Git host."""

    def refs(self) -> dict[str, str]: ...

    def tree(self, commit: str, folder: str = "") -> tuple[TreeEntry, ...]: ...

    def file(self, commit: str, path: str) -> bytes | None: ...


class Writer(ABC):
    """Writes to one repository through git itself; `page` is what people know it by."""

    def __init__(self, page: str, host: Readable) -> None:
        self._page = page
        self._host = host

    def tip(self, branch: str) -> str:
        branches = {
            name.removeprefix("refs/heads/"): commit
            for name, commit in self._host.refs().items()
            if name.startswith("refs/heads/")
        }
        if branch not in branches:
            known = ", ".join(sorted(branches)) or "none yet; push a first commit"
            raise Refused(f"{self._page} has no branch {branch!r}; its branches: {known}")
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
            commit = self._move(branch, tip, _import(tip, wanted, message))
            if commit is not None:
                return commit
        raise Retry(f"others commit to {branch} of {self._page} all the time", 1.0)

    @abstractmethod
    def _move(self, branch: str, tip: str, made: bytes) -> str | None:
        """Make the commit, as `fast-import` reads it, and have the branch name it instead of `tip`; its id,
        or None where the branch names something else by now. Raises `Refused` or `Retry`."""

    @abstractmethod
    def _run(self, *words: str, data: bytes = b"") -> Ended:
        """A git command in the repository that is read."""


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
