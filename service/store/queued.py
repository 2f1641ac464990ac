"""What is in the queue, for people, pages and whoever must know before it adds; nothing here changes work."""

from collections.abc import Sequence

from sqlalchemy import Connection, or_, select

from service.store.queue import Work, work_of
from service.store.tables import source, work


def owners(connection: Connection) -> list[str]:
    """Who holds a lease now."""
    return list(connection.scalars(_OWNERS))


_OWNERS = select(work.c.owner).where(work.c.finished.is_(None), work.c.state == "running").distinct()


def known(connection: Connection, keys: Sequence[str]) -> frozenset[str]:
    """Those of the keys that are known: adding them once more would change nothing."""
    return frozenset(connection.scalars(select(work.c.key).where(work.c.key.in_(keys))))


def listed(connection: Connection, *, state: str | None = None, subject: str | None = None) -> list[Work]:
    """Work in a state or about a subject, oldest first."""
    query = select(work).order_by(work.c.id)
    if state is not None:
        query = query.where(work.c.state == state)
    if subject is not None:
        query = query.where(work.c.subject == subject)
    return [work_of(row) for row in connection.execute(query)]


def newest(
    connection: Connection,
    *,
    kinds: Sequence[str] | None = None,
    state: str | None = None,
    lanes: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Work]:
    """Work newest first: of these kinds, in this state, of lanes that begin so. Next page: `before`."""
    query = select(work).order_by(work.c.id.desc()).limit(limit)
    if kinds is not None:
        query = query.where(work.c.kind.in_(kinds))
    if state is not None:
        query = query.where(work.c.state == state)
    if lanes is not None:
        query = query.where(work.c.lane.startswith(lanes, autoescape=True))
    if before is not None:
        query = query.where(work.c.id < before)
    return [work_of(row) for row in connection.execute(query)]


def chosen(connection: Connection, *, numbers: Sequence[int] = (), keys: Sequence[str] = ()) -> list[Work]:
    """The work of these ids and of these keys, oldest first."""
    wanted = or_(work.c.id.in_(numbers), work.c.key.in_(keys))
    return [work_of(row) for row in connection.execute(select(work).where(wanted).order_by(work.c.id))]


def latest(connection: Connection, subjects: Sequence[str], kinds: Sequence[str]) -> dict[str, Work]:
    """The newest work of these kinds about each subject that has any."""
    wanted = (work.c.subject.in_(subjects), work.c.kind.in_(kinds))
    rows = connection.execute(select(work).where(*wanted).order_by(work.c.id))
    return {row.subject: work_of(row) for row in rows}


def unfinished(connection: Connection, kind: str) -> list[Work]:
    """Work of a kind that has not ended, oldest first."""
    query = select(work).where(work.c.finished.is_(None), work.c.kind == kind).order_by(work.c.id)
    return [work_of(row) for row in connection.execute(query)]


def newest_at_sources(connection: Connection, kind: str) -> dict[str, Work]:
    """Of each source the newest work of a kind that is about it, by the source's name."""
    one = work.alias()
    about = select(one.c.id).where(one.c.subject == source.c.name, one.c.kind == kind)
    newest = about.order_by(one.c.id.desc()).limit(1).scalar_subquery()
    query = select(work).select_from(source.join(work, work.c.id == newest))
    return {row.subject: work_of(row) for row in connection.execute(query)}
