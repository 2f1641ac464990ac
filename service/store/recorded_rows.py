"""What the recorder noted, as the series store holds it: pairs of a release, and who answered a request; and
up to where recorded requests were asked.

What comes twice is stored once: a file of notes may be taken in again after an observer died.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from service.store.tables import assignment, pair, replay

T = TypeVar("T")
_AT_ONCE = 500  # rows of one statement, or requests of one question


@dataclass(frozen=True, slots=True)
class Answers:
    """What both versions answered to one request, as far as that is kept."""

    request: str
    said: str | None
    stable_said: str | None


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which backend of a target answered a request, and when (Unix seconds)."""

    target: str
    request: str
    backend: str
    at: float


def add_pairs(connection: Connection, release: str, pairs: Iterable[Answers]) -> None:
    """Store the pairs of a release that are new."""
    rows = [
        {"release": release, "request": one.request, "said": one.said, "stable_said": one.stable_said}
        for one in pairs
    ]
    _add(connection, pair, rows)


def pairs_of(connection: Connection, release: str, requests: Sequence[str]) -> dict[str, Answers]:
    """The pairs of these requests, of those that have one."""
    found: dict[str, Answers] = {}
    for part in _parts(requests):
        query = select(pair.c.request, pair.c.said, pair.c.stable_said)
        query = query.where(pair.c.release == release, pair.c.request.in_(part))
        found |= {row.request: Answers(*row) for row in connection.execute(query)}
    return found


def forget_pairs(connection: Connection, release: str) -> None:
    """Remove what is kept of a release's answers."""
    for table in (pair, replay):
        connection.execute(delete(table).where(table.c.release == release))


def asked(connection: Connection, release: str) -> int:
    """Up to which line a release's recorded requests were asked; 0: none."""
    return connection.scalar(select(replay.c.line).where(replay.c.release == release)) or 0


def mark_asked(connection: Connection, release: str, line: int) -> None:
    """Store that they are asked up to that line."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    marking = insert(replay).values(release=release, line=line)
    connection.execute(marking.on_conflict_do_update(index_elements=["release"], set_={"line": line}))


def assign(connection: Connection, assigned: Iterable[Assignment]) -> None:
    """Store who answered; the first word stands."""
    rows = [
        {"target": one.target, "request": one.request, "backend": one.backend, "at": one.at}
        for one in assigned
    ]
    _add(connection, assignment, rows)


def assigned(connection: Connection, targets: Sequence[str], requests: Sequence[str]) -> Mapping[str, str]:
    """Who answered these requests, of those where it is known."""
    found: dict[str, str] = {}
    for part in _parts(requests):
        query = select(assignment.c.request, assignment.c.backend)
        query = query.where(assignment.c.target.in_(targets), assignment.c.request.in_(part))
        found |= {row.request: row.backend for row in connection.execute(query)}
    return found


def forget_assignments(connection: Connection, before: float) -> None:
    """Remove what is older."""
    connection.execute(delete(assignment).where(assignment.c.at < before))


def _add(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    for part in _parts(rows):
        connection.execute(insert(table).values(part).on_conflict_do_nothing())


def _parts(rows: Iterable[T]) -> Iterator[list[T]]:
    left = iter(rows)
    while part := list(islice(left, _AT_ONCE)):
        yield part
