"""The append-only record: who did what to which subject, each entry bound to the one before it.

The hash covers every column, so that no byte of an entry can change unnoticed; an entry removed at
the end is noticed by whoever kept the head's hash. Triggers refuse changes on both databases.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select

from service.store import advisory, chain
from service.store.chain import FIRST, Head, Line, Proof
from service.store.codec import canonical
from service.store.tables import record


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `id`, `previous_hash` and `hash` are given when it is stored."""

    at: float
    subject: str
    actor: str
    action: str
    detail: dict[str, Any]
    id: int = 0
    previous_hash: str = ""
    hash: str = ""


def append(connection: Connection, entries: Sequence[Entry]) -> None:
    """Store entries at the end of the chain. Call it last: until the commit nobody else can append."""
    if not entries:
        return
    advisory.lock(connection, ["segue-record"])
    end = head(connection)
    rows, previous = [], end.hash
    for number, entry in enumerate(entries, end.size + 1):
        detail = canonical(entry.detail)
        line = Line(
            number, float(entry.at), entry.subject, entry.actor, entry.action, detail, previous, hash=""
        )
        previous = chain.digest(line)
        rows.append(asdict(line) | {"hash": previous})
    connection.execute(insert(record), rows)


def head(connection: Connection) -> Head:
    """The last entry's id and hash: keep it elsewhere to notice a record that was cut short."""
    last = select(record.c.id, record.c.hash).order_by(record.c.id.desc()).limit(1)
    row = connection.execute(last).one_or_none()
    return Head(0, FIRST) if row is None else Head(row.id, row.hash)


def prove(connection: Connection, heads: Sequence[Head] = ()) -> Proof:
    """Whether all entries are as they were written, held against heads that were kept elsewhere."""
    return chain.prove(lines(connection), heads)


def lines(connection: Connection, *, after: int = 0, upto: int | None = None) -> Iterator[Line]:
    """All entries as they are stored, or those behind one and up to another, oldest first, some at a time."""
    query = select(record).order_by(record.c.id)
    if after:
        query = query.where(record.c.id > after)
    if upto is not None:
        query = query.where(record.c.id <= upto)
    found = connection.execution_options(yield_per=500).execute(query)
    return (_line(row) for row in found)


def holds(connection: Connection, head: Head) -> bool:
    """Whether the entry of that number has that hash."""
    return head.hash == connection.scalar(select(record.c.hash).where(record.c.id == head.size))


def entries(
    connection: Connection, subject: str | None = None, *, after: int = 0, limit: int = 200
) -> list[Entry]:
    """Entries about a subject, or all, oldest first. The next page is `after=<the last one's id>`."""
    query = select(record).where(record.c.id > after).order_by(record.c.id).limit(limit)
    if subject is not None:
        query = query.where(record.c.subject == subject)
    return [_entry(row) for row in connection.execute(query)]


def newest(
    connection: Connection, subject: str | None = None, *, before: int | None = None, limit: int = 100
) -> list[Entry]:
    """Entries about a subject, or all, newest first. The next page is `before=<the last one's id>`."""
    query = select(record).order_by(record.c.id.desc()).limit(limit)
    if subject is not None:
        query = query.where(record.c.subject == subject)
    if before is not None:
        query = query.where(record.c.id < before)
    return [_entry(row) for row in connection.execute(query)]


def last_of(connection: Connection, subjects: Sequence[str]) -> dict[str, int]:
    """The id of the last entry about each of these, of which there must not be thousands."""
    last = select(record.c.subject, func.max(record.c.id).label("last")).group_by(record.c.subject)
    rows = connection.execute(last.where(record.c.subject.in_(subjects)))
    return {row.subject: row.last for row in rows}


def _line(row: Any) -> Line:
    return Line(**row._mapping)  # noqa: SLF001  SQLAlchemy's own name for a row as a mapping


def _entry(row: Any) -> Entry:
    values = dict(row._mapping)  # noqa: SLF001  SQLAlchemy's own name for a row as a mapping
    return Entry(**{**values, "detail": json.loads(row.detail)})
