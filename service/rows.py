"""The engine's rows as values, and the queries that read them; nothing here writes.

A row's `state` is the machine's own JSON, which the store never looks into. `rev` is the row's
version when it was read: 0 for a row that is not stored yet.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from service import tables
from service.ports import Source


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """A release. `phase` and `final` repeat what `state` says, to be searched."""

    id: int
    model: str
    target: str
    number: int
    version_key: str
    phase: str
    final: bool
    state: dict[str, Any]
    rev: int = 0
    created: float = 0.0
    changed: float = 0.0

    @property
    def name(self) -> str:
        """What people call it."""
        return f"rel-{self.id}"


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version, known by the key that is derived from its content."""

    key: str
    model: str
    state: dict[str, Any]
    rev: int = 0
    created: float = 0.0
    changed: float = 0.0


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A target: `model/environment`, with its holder and epoch in `state`."""

    name: str
    state: dict[str, Any]
    rev: int = 0
    changed: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model as it was last declared, where and at which commit."""

    name: str
    source: str
    folder: str
    commit: str
    declaration: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last value seen of one reference; `sequence` counts its changes."""

    source: str
    reference: str
    value: str | None
    sequence: int
    at: float


@dataclass(frozen=True, slots=True)
class Token:
    """An API token; only the hash of its secret is stored. `expires` None never does."""

    name: str
    hash: str
    role: str
    created: float
    expires: float | None = None


def release(connection: Connection, number: int) -> ReleaseRow | None:
    """The release of that id."""
    row = connection.execute(select(tables.release).where(tables.release.c.id == number)).one_or_none()
    return None if row is None else _release(row)


def releases(
    connection: Connection,
    *,
    model: str | None = None,
    target: str | None = None,
    version_key: str | None = None,
    phase: str | None = None,
    final: bool | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[ReleaseRow]:
    """Newest first. The next page is `before=<the last one's id>`."""
    columns = tables.release.c
    query = select(tables.release).order_by(columns.id.desc()).limit(limit)
    for column, wanted in (
        (columns.model, model),
        (columns.target, target),
        (columns.version_key, version_key),
        (columns.phase, phase),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    if final is not None:
        # Written so that the index over open releases is used.
        query = query.where(columns.final if final else ~columns.final)
    if before is not None:
        query = query.where(columns.id < before)
    return [_release(row) for row in connection.execute(query)]


def version(connection: Connection, key: str) -> VersionRow | None:
    """The version of that key."""
    row = connection.execute(select(tables.version).where(tables.version.c.key == key)).one_or_none()
    return None if row is None else VersionRow(**_fields(row))


def versions(connection: Connection, model: str | None = None) -> list[VersionRow]:
    """Newest first."""
    query = select(tables.version).order_by(tables.version.c.created.desc(), tables.version.c.key)
    if model is not None:
        query = query.where(tables.version.c.model == model)
    return [VersionRow(**_fields(row)) for row in connection.execute(query)]


def target(connection: Connection, name: str) -> TargetRow | None:
    """The target of that name."""
    row = connection.execute(select(tables.target).where(tables.target.c.name == name)).one_or_none()
    return None if row is None else TargetRow(**_fields(row))


def targets(connection: Connection) -> list[TargetRow]:
    """All targets, by name."""
    rows = connection.execute(select(tables.target).order_by(tables.target.c.name))
    return [TargetRow(**_fields(row)) for row in rows]


def sources(connection: Connection) -> list[Source]:
    """All connections, by name."""
    rows = connection.execute(select(tables.source).order_by(tables.source.c.name))
    return [Source(row.name, row.kind, row.url, tuple(row.owns)) for row in rows]


def models(connection: Connection, source: str | None = None) -> list[ModelRow]:
    """All declared models, by name."""
    query = select(tables.model).order_by(tables.model.c.name)
    if source is not None:
        query = query.where(tables.model.c.source == source)
    return [ModelRow(**_fields(row)) for row in connection.execute(query)]


def cursors(connection: Connection, source: str) -> list[Cursor]:
    """The last values seen at a source, by reference."""
    query = select(tables.cursor).where(tables.cursor.c.source == source).order_by(tables.cursor.c.reference)
    return [Cursor(**_fields(row)) for row in connection.execute(query)]


def tokens(connection: Connection) -> list[Token]:
    """All API tokens, by name."""
    rows = connection.execute(select(tables.token).order_by(tables.token.c.name))
    return [Token(**_fields(row)) for row in rows]


def token(connection: Connection, digest: str, now: float) -> Token | None:
    """The token with that hash, unless it has expired."""
    row = connection.execute(select(tables.token).where(tables.token.c.hash == digest)).one_or_none()
    if row is None or (row.expires is not None and row.expires <= now):
        return None
    return Token(**_fields(row))


def answer(connection: Connection, delivery: str) -> Any:
    """What that command was answered; None while it was not."""
    return connection.scalar(select(tables.answer.c.body).where(tables.answer.c.delivery == delivery))


def next_release_id(connection: Connection) -> int:
    """The id after the last one. The caller's transaction must have the ids for itself."""
    return (connection.scalar(select(func.max(tables.release.c.id))) or 0) + 1


def next_release_number(connection: Connection, name: str) -> int:
    """The number after the last one of this target."""
    last = select(func.max(tables.release.c.number)).where(tables.release.c.target == name)
    return (connection.scalar(last) or 0) + 1


def _fields(row: Any) -> dict[str, Any]:
    return dict(row._mapping)  # noqa: SLF001  SQLAlchemy's own name for a row as a mapping


def _release(row: Any) -> ReleaseRow:
    values = _fields(row)
    del values["name"]
    return ReleaseRow(**values)
