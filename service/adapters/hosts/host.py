"""What all hosts have in common: a mirror that is read, one status for each key, one comment for each place.

A host's own module says in which words its API is asked.
"""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from handlers.hints import CommentHint
from service.adapters.hosts import comments
from service.adapters.hosts.address import Address
from service.adapters.hosts.login import Login
from service.adapters.hosts.mirror import Mirror, Way
from service.adapters.hosts.rest import Forbidden, Missing, Rest
from service.adapters.repository.running import Ended
from service.ports.connections import Source
from service.ports.git import CommitStatus, Permission, TreeEntry
from service.ports.outcomes import Refused, Retry
from service.settings import Settings

REPORT = "report"
_TEAM = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]*)/([A-Za-z0-9][A-Za-z0-9_.-]*)")


@dataclass(frozen=True, slots=True)
class Said:
    """A comment at the host: where it is changed, its text, and which version that is where they are told."""

    path: str
    text: str
    version: int = 0
    told: dict[str, Any] = field(default_factory=dict)  # all that the API says of it


@dataclass(frozen=True, slots=True)
class Connection:
    """What a host's adapter is made of."""

    source: Source
    address: Address
    mirror: Mirror
    rest: Rest
    login: Login
    key: bytes  # marks comments as ours


def connection(settings: Settings, source: Source, address: Address, login: Login, rest: Rest) -> Connection:
    """The parts of an adapter. The mirror lies below the home folder, under a name that only this source at
    this address has: what one repository held is never read as another's."""
    place = hashlib.sha256(address.git.encode()).hexdigest()[:8]
    folder = settings.home / "mirrors" / f"{source.name}-{place}"
    mirror = Mirror(folder, address.git, address.page, source.keyring)
    return Connection(source, address, mirror, rest, login, settings.secret(f"hook-{source.keyring}") or b"")


class Host(ABC):
    """One repository at a host."""

    HOOK: ClassVar[str]  # a webhook's events, in the words of the host's own page
    ON_COMMITS: ClassVar[bool]  # whether commits have comments
    fine_times: ClassVar[bool] = False  # whether the host tells times of comments by less than a second
    MOST_COMMENT: ClassVar[int] = comments.MOST  # characters of one

    def __init__(self, connected: Connection) -> None:
        self._source = connected.source
        self._address = connected.address
        self._mirror = connected.mirror
        self._rest = connected.rest
        self._login = connected.login
        self._key = connected.key

    # --- read by the mirror --------------------------------------------------------------------

    def refs(self) -> dict[str, str]:
        self._fetch()
        return self._mirror.refs()

    def tree(self, commit: str, folder: str = "") -> tuple[TreeEntry, ...]:
        self._need(commit)
        return self._mirror.tree(commit, folder)

    def file(self, commit: str, path: str) -> bytes | None:
        self._need(commit)
        return self._mirror.file(commit, path)

    def author(self, commit: str) -> str:
        """Who wrote it, by the login that the host knows them by: nobody approves their own release under
        another name. Else, as the commit says."""
        self._need(commit)
        return self._author(commit) or self._mirror.author(commit)

    def committed(self, commit: str) -> int:
        self._need(commit)
        return self._mirror.committed(commit)

    def changed(self, before: str, after: str) -> tuple[str, ...] | None:
        if not all([self._mirror.has(before), self._mirror.has(after)]):
            self._fetch()
        return self._mirror.changed(before, after)

    def archive(self, commit: str, folder: str) -> Iterator[tuple[TreeEntry, bytes]]:
        self._need(commit)
        yield from self._mirror.archive(commit, folder)

    # --- written through the mirror, for `writing` --------------------------------------------

    def push(self, branch: str, tip: str, made: bytes) -> str | None:
        """Make a commit in the mirror and have the host's branch name it instead of `tip`; its id, or None
        where the host has another tip. Raises `Refused` where the host does not take it."""
        proxy, certificates = self._rest.around()
        return self._mirror.push(branch, tip, made, Way(self._login.git(), proxy, certificates))

    def command(self, *words: str, data: bytes = b"") -> Ended:
        """A git command in the mirror."""
        return self._mirror.command(*words, data=data)

    def _facts(self, path: str) -> dict[str, Any]:
        """What the host says of the repository itself. Raises `Retry` where it is not there now."""
        try:
            return self._rest.get(path)
        except Missing as error:
            raise self._gone() from error

    def _branch(self, name: Any) -> str:
        """The full name of the default branch, as the host calls it. Raises `Refused` where it has none."""
        if not name:
            raise Refused(f"{self._address.page} has no default branch; its HEAD names none")
        return f"refs/heads/{name}"

    def _gone(self) -> Retry:
        return Retry(
            f"{self._address.page} is gone, or hidden from the login of {self._source.keyring}", 60.0
        )

    def _fetch(self) -> None:
        proxy, certificates = self._rest.around()
        self._mirror.fetch(Way(self._login.git(), proxy, certificates))

    def _need(self, commit: str) -> None:
        """Fetch a commit that is not here. Raises `Refused` where it is not at the host either."""
        if not self._mirror.has(commit):
            self._fetch()
            self._mirror.known(commit)

    # --- told to the host ----------------------------------------------------------------------

    def report(self, status: CommitStatus) -> None:
        self._need(status.commit)
        try:
            self._status(status)
        except Missing as error:
            raise self._gone() from error
        where = self._where(status.commit)
        if where is None:
            return
        try:
            self._put(where, REPORT, partial(self._reported, status))
        except Forbidden:
            # At GitHub a comment on a commit takes a login that may push: nobody should give it for that.
            if not where.startswith("commit/"):
                raise

    def _where(self, commit: str) -> str | None:
        """Where people talk about the commit; None where there is no such place."""
        try:
            pull = self._pull(commit)
        except Missing:  # they are turned off for the repository, which is there: it took the status
            pull = None
        return pull or (f"commit/{commit}" if self.ON_COMMITS else None)

    def comment(self, where: str, key: str, text: str) -> None:
        self._put(where, key, lambda mark, _: comments.said(mark, text, self.MOST_COMMENT))

    def remarks(self, commit: str) -> tuple[CommentHint, ...]:
        where = self._where(commit)
        if where is None:
            return ()
        return tuple(filter(None, (self._remark(where, one.told) for one in self._said(where))))

    def _remark(self, where: str, told: dict[str, Any]) -> CommentHint | None:
        """A new comment with commands; None for any other, and where a host's are not looked for."""
        del where, told
        return None

    def _reported(self, status: CommitStatus, mark: str, before: str) -> str:
        return comments.reported(mark, before, status, self.MOST_COMMENT)

    def _put(self, where: str, name: str, make: Callable[[str, str], str]) -> None:
        """Have exactly one comment of this name there: no host lets a comment be written only if it is still
        as it was read, so one process of this installation does it at a time."""
        mark = comments.mark(self._key, self._address.page, where, name)
        with self._mirror.alone("commenting on"):
            found = next((one for one in self._said(where) if one.text.startswith(mark)), None)
            wanted = make(mark, found.text if found else "")
            if found is None:
                self._say(where, wanted)
            elif found.text.replace("\r\n", "\n").rstrip("\n") != wanted.rstrip("\n"):
                self._change(found, wanted)

    # --- what each host has its own words for --------------------------------------------------

    @abstractmethod
    def default_branch(self) -> str: ...

    @abstractmethod
    def may(self, login: str) -> Permission: ...

    @abstractmethod
    def belongs(self, login: str, group: str) -> bool: ...

    @abstractmethod
    def register_webhook(self, address: str, secret: str) -> None:
        """Have the host tell this address of pushes and comments; safe to repeat. Raises `Refused`."""

    @abstractmethod
    def has_webhook(self, address: str) -> bool:
        """Whether an active hook leads to this address."""

    @abstractmethod
    def _author(self, commit: str) -> str | None:
        """The login of the commit's author; None where the host knows nobody by its address."""

    @abstractmethod
    def _status(self, status: CommitStatus) -> None:
        """Set the commit's status of that key."""

    @abstractmethod
    def _pull(self, commit: str) -> str | None:
        """The place of the pull request that brought the commit, or of an open one that holds it."""

    @abstractmethod
    def _said(self, where: str) -> Iterable[Said]:
        """All comments there, oldest first."""

    @abstractmethod
    def _say(self, where: str, text: str) -> None: ...

    @abstractmethod
    def _change(self, found: Said, text: str) -> None: ...


def team(group: str) -> tuple[str, str] | None:
    """The organisation and the team of a group such as acme/ml-leads; None for what is none."""
    found = _TEAM.fullmatch(group)
    return (found[1], found[2]) if found else None


def place(where: str, known: Iterable[str]) -> tuple[str, str]:
    """Kind and number of a place such as pull/7. Raises `Refused` for one that is none of the known."""
    kind, _, number = where.partition("/")
    plain = number.isascii() and (number.isdigit() or (kind == "commit" and number.isalnum()))
    if kind not in known or not plain or len(number) > 64:
        raise Refused(f"there is no {where} to comment on here")
    return kind, number
