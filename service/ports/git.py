"""Git hosts: what commits hold, what is said about them, and branches that files are committed to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from handlers.hints import CommentHint


class CommitState(StrEnum):
    """What a commit's status says, in the words that every Git host knows."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"


class Permission(StrEnum):
    """What somebody may do in a repository."""

    ADMIN = "admin"
    WRITE = "write"
    READ = "read"
    NONE = "none"  # also: nobody by this name, and a host that does not say


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """One line and one text about a commit; `key` tells whose status it is, newest wins.

    `rows` say it as a table (part, name, what is said), where the host shows one; `url` is where people see
    more, "" for nowhere that others reach. All of it is text, in nobody's markup.
    """

    commit: str
    key: str
    state: CommitState
    title: str
    text: str
    rows: tuple[tuple[str, str, str], ...] = ()
    url: str = ""


class DeploymentState(StrEnum):
    """How far a deployment is, in the words of GitHub's API."""

    QUEUED = "queued"  # waits for people, or for its turn
    IN_PROGRESS = "in_progress"
    SUCCESS = "success"  # it serves
    FAILURE = "failure"  # it was taken back, or never got there
    INACTIVE = "inactive"  # it serves no more, or was overtaken


@dataclass(frozen=True, slots=True)
class Deployment:
    """A commit on its way to an environment; `key` tells it from all others of the repository.

    `log_url` is where people see how it goes, `environment_url` where it serves; "" for none that others
    reach.
    """

    commit: str
    environment: str
    key: str
    state: DeploymentState
    title: str
    log_url: str = ""
    environment_url: str = ""


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """A file of a commit: path, Git object id, mode (0o100644, 0o100755, 0o120000) and size."""

    path: str
    oid: str
    mode: int
    size: int


class GitHost(Protocol):
    """A repository, read at exact commits and reported back to."""

    def refs(self) -> dict[str, str]:
        """All branches and tags (full names) with the *commit* that each names."""
        ...

    def tree(self, commit: str, folder: str = "") -> tuple[TreeEntry, ...]:
        """All files below a folder, recursively; paths relative to the repository's root."""
        ...

    def file(self, commit: str, path: str) -> bytes | None: ...

    def author(self, commit: str) -> str: ...

    def committed(self, commit: str) -> int:
        """When the commit was made, as it says itself: whole seconds since 1970, never less than 0."""
        ...

    def changed(self, before: str, after: str) -> tuple[str, ...] | None:
        """Paths that differ between two commits; None where that cannot be told."""
        ...

    def archive(self, commit: str, folder: str) -> Iterator[tuple[TreeEntry, bytes]]:
        """Each file below the folder with its content; paths relative to the folder."""
        ...

    def report(self, status: CommitStatus) -> None: ...

    @property
    def fine_times(self) -> bool:
        """Whether an edit of a comment is always seen; not where times have whole seconds."""
        ...

    def remarks(self, commit: str) -> tuple[CommentHint, ...]:
        """New comments with commands where people talk about the commit; no edited one, and none of a
        program's."""
        ...

    def default_branch(self) -> str:
        """The full name of the branch that rules are read from, for example refs/heads/main."""
        ...

    def may(self, login: str) -> Permission:
        """What the person may do there now. Raises `Retry` where the host cannot be asked; nobody is let
        through by an error."""
        ...

    def belongs(self, login: str, group: str) -> bool:
        """Whether the person is in the group now, such as the team acme/ml-leads; False also for a group that
        the host does not know, or does not tell of. Raises as `may` does."""
        ...

    def comment(self, where: str, key: str, text: str) -> None:
        """Say it where people talk: `pull/<number>`, `issue/<number>` or `commit/<id>`. One comment for each
        `key`: said again, the text replaces what stood there. Raises `Refused` where none can be made."""
        ...


class Deploying(Protocol):
    """A host that lists what is deployed where."""

    def deploy(self, deployment: Deployment) -> None:
        """Have it listed once, in this state; safe to repeat.

        One that succeeds makes those of ours inactive which had succeeded before in its environment. A
        failure, or what is inactive, is told only of a deployment that is listed. A login that may not tell
        of deployments tells nothing.
        """
        ...

    def no_deployments(self) -> str:
        """Why the login may not tell of deployments, and what to give it; "": it may."""
        ...


class Redelivering(Protocol):
    """A host that keeps what it could not deliver, and sends it again when it is asked to."""

    def redeliver(self, address: str, now: float) -> int:
        """Have it send again what nobody took at this address, within bounds; how many. A delivery that was
        taken meanwhile keeps its id, so it counts once. Raises `Refused` where the login may not ask."""
        ...


class GitWriter(Protocol):
    """Commits files to a branch, on top of whatever people commit there meanwhile; `branch` is its short
    name. Raises `Refused` for a branch that is not there: one that is mistyped must not be made."""

    def tip(self, branch: str) -> str:
        """The commit that the branch names."""
        ...

    def read(self, commit: str, path: str) -> bytes | None: ...

    def names(self, commit: str, folder: str) -> tuple[str, ...]:
        """The names of the files that lie in a folder, not those below it."""
        ...

    def since(self, commit: str, paths: Sequence[str]) -> str:
        """The newest commit, up to this one, that changed one of these files; itself where none did."""
        ...

    def write(self, branch: str, changes: Mapping[str, bytes | None], message: str) -> str:
        """Have the branch hold these files (None: not hold), by one commit or, where it does already, by
        none; the commit since which it does. Raises `Retry` while others commit all the time."""
        ...
