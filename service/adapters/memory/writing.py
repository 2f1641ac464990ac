"""Branches that files are committed to, in memory; for tests and for trying things out."""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class _Commit:
    id: str
    files: Mapping[str, bytes]
    message: str


class MemoryWriter:
    """A branch is made by hand, as an empty commit; its commits can be read, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._branches: dict[str, list[_Commit]] = {}

    @classmethod
    def open(cls, settings: Settings, source: Source | None = None) -> Self:
        """No branches yet."""
        del settings, source
        return cls()

    def start(self, branch: str) -> None:
        """Make the branch, by hand."""
        self._branches[branch] = [_Commit(_id(branch, 0), {}, "")]

    def messages(self, branch: str) -> list[str]:
        """What its commits say, oldest first."""
        return [commit.message for commit in self._branches[branch][1:]]

    def tip(self, branch: str) -> str:
        if branch not in self._branches:
            raise Refused(f"there is no branch {branch!r}; its branches: {', '.join(sorted(self._branches))}")
        return self._branches[branch][-1].id

    def read(self, commit: str, path: str) -> bytes | None:
        return self._at(commit).files.get(path)

    def names(self, commit: str, folder: str) -> tuple[str, ...]:
        prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
        below = (path.removeprefix(prefix) for path in self._at(commit).files if path.startswith(prefix))
        return tuple(sorted(name for name in below if "/" not in name))

    def since(self, commit: str, paths: Sequence[str]) -> str:
        found = commit
        for before, after in pairwise(self._until(commit)):
            if any(before.files.get(path) != after.files.get(path) for path in paths):
                found = after.id
        return found

    def write(self, branch: str, changes: Mapping[str, bytes | None], message: str) -> str:
        with self._lock:
            self.tip(branch)
            commits = self._branches[branch]
            files = {**commits[-1].files, **{p: c for p, c in changes.items() if c is not None}}
            files = {path: content for path, content in files.items() if changes.get(path, b"") is not None}
            if files != commits[-1].files:
                commits.append(_Commit(_id(branch, len(commits)), files, message))
            tip = commits[-1].id
        return self.since(tip, tuple(changes))

    def _at(self, commit: str) -> _Commit:
        return self._until(commit)[-1]

    def _until(self, commit: str) -> list[_Commit]:
        """The history that ends with this commit."""
        for commits in self._branches.values():
            ids = [one.id for one in commits]
            if commit in ids:
                return commits[: ids.index(commit) + 1]
        raise Refused(f"there is no commit {commit}")


def _id(branch: str, number: int) -> str:
    return hashlib.sha1(f"{branch} {number}".encode()).hexdigest()  # noqa: S324 (as long as Git's)
