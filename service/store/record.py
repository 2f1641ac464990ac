"""The append-only record: who did what to which subject, each entry bound to the one before it.

The hash covers every column, so that no byte of an entry can change unnoticed; an entry removed at
the end is noticed by whoever kept the head's hash. Triggers refuse changes on both databases.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select

from service.store.codec import canonical
from service.store.tables import record

FIRST = "0" * 64


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


@dataclass(frozen=True, slots=True)
class Tampered:
    """The first entry that is not as it was written, and how one can tell."""

    id: int
    reason: str


def append(connection: Connection, entries: Sequence[Entry]) -> None:
    """Store entries at the end of the chain. Call it last: until the commit nobody else can append."""
    if not entries:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("segue-record", 0))))
    last, previous = head(connection)
    rows = []
    for number, entry in enumerate(entries, last + 1):
        detail = canonical(entry.detail)
        digest = _digest(number, float(entry.at), entry.subject, entry.actor, entry.action, detail, previous)
        rows.append(
            {
                "id": number,
                "at": entry.at,
                "subject": entry.subject,
                "actor": entry.actor,
                "action": entry.action,
                "detail": detail,
                "previous_hash": previous,
                "hash": digest,
            }
        )
        previous = digest
    connection.execute(insert(record), rows)


def head(connection: Connection) -> tuple[int, str]:
    """The last entry's id and hash: keep it elsewhere to notice a record that was cut short."""
    last = select(record.c.id, record.c.hash).order_by(record.c.id.desc()).limit(1)
    row = connection.execute(last).one_or_none()
    return (0, FIRST) if row is None else (row.id, row.hash)


def verify(connection: Connection, kept: tuple[int, str] | None = None) -> Tampered | None:
    """The first bad entry, or None. `kept` is a head that was kept elsewhere."""
    number, previous = 0, FIRST
    for row in connection.execution_options(yield_per=500).execute(select(record).order_by(record.c.id)):
        number += 1
        if row.id != number:
            return Tampered(number, f"entry {number} is missing")
        if row.previous_hash != previous:
            return Tampered(number, "it does not follow the entry before it")
        if row.hash != _digest(
            row.id, row.at, row.subject, row.actor, row.action, row.detail, row.previous_hash
        ):
            return Tampered(number, "its content is not what was written")
        if kept is not None and kept[0] == number and kept[1] != row.hash:
            return Tampered(number, "it is not the entry whose hash was kept")
        previous = row.hash
    if kept is not None and kept[0] > number:
        return Tampered(number + 1, f"entries {number + 1} to {kept[0]} are missing")
    return None


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


def _digest(*columns: Any) -> str:
    return hashlib.sha256(canonical(columns).encode()).hexdigest()


def _entry(row: Any) -> Entry:
    values = dict(row._mapping)  # noqa: SLF001  SQLAlchemy's own name for a row as a mapping
    return Entry(**{**values, "detail": json.loads(row.detail)})
