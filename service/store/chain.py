"""The record's chain, proven: each entry's hash covers its columns and the hash of the entry before it.

Pure: rows come from the database or from an export, heads from checkpoints that were kept elsewhere. The
chain alone shows whatever was not done to all that follows, too. Who writes the database can write
everything behind a change anew: only a head that they could not change shows that.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from service.store.codec import canonical

FIRST = "0" * 64


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as it is stored: `detail` is the text that the hash covers, to the byte."""

    id: int
    at: float
    subject: str
    actor: str
    action: str
    detail: str
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry's id and hash; `at` is when that was noted."""

    size: int
    hash: str
    at: float = 0.0


BEGINNING = Head(0, FIRST)  # before the first entry


@dataclass(frozen=True, slots=True)
class Tampered:
    """The first entry that is not as it was written, and how one can tell."""

    id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What was read, and what is proven of it.

    `held`: the newest of the heads that it agrees with. `unused`: how many heads are of entries that a part
    does not hold. `gaps`: how often a part leaves entries out.
    """

    first: int = 0
    last: int = 0
    entries: int = 0
    gaps: int = 0
    held: Head | None = None
    unused: int = 0
    tampered: Tampered | None = None
    hash: str = ""  # of the last entry that was read; empty where a part left it out


def digest(line: Line) -> str:
    """The hash that the entry must have. Raises `TypeError` or `ValueError` for what cannot be an entry."""
    columns = (
        line.id, line.at, line.subject, line.actor, line.action, line.detail, line.previous_hash,
    )  # fmt: skip
    return hashlib.sha256(canonical(columns).encode()).hexdigest()


def prove(
    lines: Iterable[Line], heads: Sequence[Head] = (), *, part: bool = False, start: Head = BEGINNING
) -> Proof:
    """Follow the chain, up to the first entry that is not as it was written.

    `part`: entries may be left out, as in an export of one release; then no missing one is noticed. `start`:
    the entry that the first one must follow.
    """
    following = _Following(heads, part=part, start=start)
    for line in lines:
        wrong = following.take(line)
        if wrong is not None:
            return following.proof(wrong)
    return following.proof(following.cut_short())


class _Following:
    """One walk along the chain."""

    def __init__(self, heads: Sequence[Head], *, part: bool, start: Head) -> None:
        self._heads = sorted(heads, key=lambda head: head.size)
        self._next = 0  # the first of them that is not reached yet
        self._part = part
        self._first = self._entries = self._gaps = self._unused = 0
        self._last = start.size
        self._hash: str | None = start.hash  # of the last entry; None: it is left out
        self._held: Head | None = None

    def take(self, line: Line) -> Tampered | None:
        """What is wrong with the next entry."""
        wrong = self._out_of_place(line) or self._unlike(line)
        if wrong is not None:
            return wrong
        wrong = self._against(line.id - 1, line.previous_hash)
        self._first = self._first or line.id
        self._last, self._hash, self._entries = line.id, line.hash, self._entries + 1
        return wrong or self._against(line.id, line.hash)

    def _out_of_place(self, line: Line) -> Tampered | None:
        expected = self._last + 1
        if line.id == expected:
            return None
        if line.id < expected:
            return Tampered(line.id, f"it stands behind entry {self._last}: twice, or in another order")
        if not self._part:
            return Tampered(expected, f"entry {expected} is missing")
        self._gaps, self._hash = self._gaps + (self._entries > 0), None
        return None

    def _unlike(self, line: Line) -> Tampered | None:
        if self._hash not in {None, line.previous_hash}:
            return Tampered(
                line.id, "it does not follow the entry before it: one of the two was written anew"
            )
        try:
            same = line.hash == digest(line)
        except (TypeError, ValueError):  # columns that Segue never wrote
            same = False
        return None if same else Tampered(line.id, "its content is not what was written")

    def _against(self, number: int, found: str) -> Tampered | None:
        """What a head of this very entry says. Heads of entries that are left out say nothing."""
        while self._next < len(self._heads) and self._heads[self._next].size <= number:
            head = self._heads[self._next]
            self._next += 1
            if head.size < number:
                self._unused += 1
            elif head.hash != found:
                return Tampered(number, self._rewritten(head))
            else:
                self._held = head
        return None

    def _rewritten(self, head: Head) -> str:
        since = self._held.size + 1 if self._held is not None else 1
        which = f"entry {head.size}" if since == head.size else f"one of the entries {since} to {head.size}"
        return (
            f"it is not the entry whose hash the checkpoint of {moment(head.at)} keeps: {which} was changed,"
            " and all behind it written anew"
        )

    def cut_short(self) -> Tampered | None:
        """Whether heads are of entries behind the last one."""
        left = self._heads[self._next :]
        if not left:
            return None
        if self._part:
            self._unused += len(left)
            return None
        lost = self._last + 1
        return Tampered(
            lost,
            f"entries {lost} to {left[-1].size} are missing:"
            f" the checkpoint of {moment(left[-1].at)} has them",
        )

    def proof(self, wrong: Tampered | None) -> Proof:
        """What was found."""
        counted = (self._first, self._last, self._entries, self._gaps)
        return Proof(*counted, self._held, self._unused, wrong, self._hash or "")


def moment(at: float) -> str:
    """A time for people, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
