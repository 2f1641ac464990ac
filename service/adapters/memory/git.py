"""A Git host that keeps its commits in memory; for tests and for trying things out."""

import hashlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Self

from handlers.hints import CommentHint
from service.adapters.repository import notes
from service.ports.connections import Source
from service.ports.git import CommitStatus, Deployment, DeploymentState, Permission, TreeEntry
from service.ports.outcomes import Refused, Retry
from service.settings import Settings

MAIN = "refs/heads/main"
MADE = 1_700_000_000  # when every commit was made
_FILE, _SUBMODULE = 0o100644, 0o160000


@dataclass(frozen=True, slots=True)
class _Commit:
    files: Mapping[str, tuple[int, bytes]]  # path to mode and content
    author: str


class MemoryGit:
    """Commits are made, references moved and authors named by hand; what was reported can be read.

    `gone` is the reason why the repository cannot be reached, as long as there is one.
    """

    def __init__(self) -> None:
        self.gone: str | None = None
        self.head: str | None = MAIN  # None: HEAD names a commit and no branch
        self.reports: list[CommitStatus] = []
        self.people: dict[str, Permission] = {}
        self.groups: dict[str, set[str]] = {}
        self.comments: dict[tuple[str, str], str] = {}  # place and key to text
        self.said: dict[str, list[CommentHint]] = {}  # by commit: what people wrote about it
        self.deployments: list[Deployment] = []  # the newest first
        self.deploys = True  # whether the login may tell of them
        self.fine_times = True
        self._lock = threading.Lock()
        self._commits: dict[str, _Commit] = {}
        self._refs: dict[str, str] = {}
        self._notes: dict[str, str] = {}

    @classmethod
    def open(cls, settings: Settings, source: Source | None = None) -> Self:
        """An empty repository."""
        del settings, source
        return cls()

    # --- by hand -------------------------------------------------------------------------------

    def commit(
        self,
        files: Mapping[str, bytes | None],
        ref: str = MAIN,
        author: str = "ann",
        modes: Mapping[str, int] | None = None,
    ) -> str:
        """Change these files (None removes one) on top of the reference, move it, return the commit."""
        with self._lock:
            before = self._commits.get(self._refs.get(ref, ""))
            kept = dict(before.files) if before else {}
            for path, content in files.items():
                kept.pop(path, None)
                if content is not None:
                    kept[path] = ((modes or {}).get(path, _FILE), content)
            name = hashlib.sha1(f"commit {len(self._commits)}".encode(), usedforsecurity=False).hexdigest()
            self._commits[name] = _Commit(kept, author)
            self._refs[ref] = name
            return name

    def move(self, ref: str, commit: str) -> None:
        """Make the branch or tag name this commit, whatever it named before."""
        self._refs[ref] = commit

    def delete(self, ref: str) -> None:
        """Remove the branch or tag."""
        self._refs.pop(ref, None)

    def set_author(self, commit: str, author: str) -> None:
        """Say who wrote the commit."""
        self._commits[commit] = replace(self._commits[commit], author=author)

    def forget(self, commit: str) -> None:
        """Clean the commit away, as after it was pushed over."""
        self._commits.pop(commit)

    def note(self, commit: str) -> str:
        """What is reported on the commit; "" for nothing."""
        return self._notes.get(commit, "")

    # --- the port ------------------------------------------------------------------------------

    def refs(self) -> dict[str, str]:
        self._reach()
        return dict(self._refs)

    def tree(self, commit: str, folder: str = "") -> tuple[TreeEntry, ...]:
        prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
        found = self._found(commit).files.items()
        return tuple(_entry(path, *kept) for path, kept in sorted(found) if path.startswith(prefix))

    def file(self, commit: str, path: str) -> bytes | None:
        mode, content = self._found(commit).files.get(path.strip("/"), (_SUBMODULE, b""))
        return None if mode == _SUBMODULE else content

    def author(self, commit: str) -> str:
        return self._found(commit).author

    def committed(self, commit: str) -> int:
        self._found(commit)
        return MADE

    def changed(self, before: str, after: str) -> tuple[str, ...] | None:
        self._reach()
        for commit in (before, after):
            _check_name(commit)
        if before not in self._commits or after not in self._commits:
            return None
        old, new = self._commits[before].files, self._commits[after].files
        return tuple(sorted(path for path in {*old, *new} if old.get(path) != new.get(path)))

    def archive(self, commit: str, folder: str) -> Iterator[tuple[TreeEntry, bytes]]:
        entries = self.tree(commit, folder)
        if not entries and folder.strip("/"):
            raise Refused(f"there is no folder {folder!r} in commit {commit}")
        prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
        for entry in entries:
            content = self.file(commit, entry.path) or b""
            yield replace(entry, path=entry.path.removeprefix(prefix)), content

    def report(self, status: CommitStatus) -> None:
        self._found(status.commit)
        with self._lock:
            self.reports.append(status)
            self._notes[status.commit] = notes.put(self.note(status.commit), status)

    def remarks(self, commit: str) -> tuple[CommentHint, ...]:
        self._reach()
        return tuple(self.said.get(commit, ()))

    def default_branch(self) -> str:
        self._reach()
        if self.head is None:
            raise Refused("HEAD names no branch; name the one that counts")
        return self.head

    def may(self, login: str) -> Permission:
        self._reach()
        return self.people.get(login, Permission.NONE)

    def belongs(self, login: str, group: str) -> bool:
        self._reach()
        return login in self.groups.get(group, set())

    def comment(self, where: str, key: str, text: str) -> None:
        self._reach()
        self.comments[where, key] = text

    def deploy(self, deployment: Deployment) -> None:
        self._found(deployment.commit)
        kept = [one for one in self.deployments if one.key != deployment.key]
        begins = deployment.state not in {DeploymentState.FAILURE, DeploymentState.INACTIVE}
        if not self.deploys or not (begins or len(kept) < len(self.deployments)):
            return
        if deployment.state is DeploymentState.SUCCESS:
            kept = [_retired(one, deployment.environment) for one in kept]
        self.deployments = [deployment, *kept]

    def no_deployments(self) -> str:
        self._reach()
        return "" if self.deploys else "the login may not tell of deployments"

    def redeliver(self, address: str, now: float) -> int:
        """Every delivery was taken."""
        del address, now
        self._reach()
        return 0

    def _reach(self) -> None:
        if self.gone is not None:
            raise Retry(self.gone)

    def _found(self, commit: str) -> _Commit:
        self._reach()
        _check_name(commit)
        if commit not in self._commits:
            raise Refused(f"there is no commit {commit}; push it again")
        return self._commits[commit]


def _retired(one: Deployment, environment: str) -> Deployment:
    over = one.environment == environment and one.state is DeploymentState.SUCCESS
    return replace(one, state=DeploymentState.INACTIVE) if over else one


def _check_name(commit: str) -> None:
    if len(commit) != 40 or set(commit) - set("0123456789abcdef"):
        raise Refused(f"{commit!r} is no commit; write its whole id, 40 letters of 0-9 and a-f")


def _entry(path: str, mode: int, content: bytes) -> TreeEntry:
    if mode == _SUBMODULE:
        return TreeEntry(path, content.decode(), mode, 0)
    name = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return TreeEntry(path, name.hexdigest(), mode, len(content))
