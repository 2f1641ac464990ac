"""What is in the queue, for people, pages and whoever must know before it adds; nothing here changes work."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from service.store.queue import Work, work_of
from service.store.tables import source, work


def owners(connection: Connection) -> list[str]:
    """Who holds a lease now."""
    return list(connection.scalars(_OWNERS))


_OWNERS = select(work.c.owner).where(work.c.finished.is_(None), work.c.state == "running").distinct()


def held_by(connection: Connection, owner: str) -> list[Work]:
    """What this owner holds a lease of."""
    query = select(work).where(work.c.finished.is_(None), work.c.state == "running", work.c.owner == owner)
    return [work_of(row) for row in connection.execute(query.order_by(work.c.id))]


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
    of: str | None = None,
    about: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Work]:
    """Work newest first: of these kinds, in this state, of lanes that begin so, of this source (`source_of`),
    about this release or version. Next page: `before`."""
    query = select(work).order_by(work.c.id.desc()).limit(limit)
    if kinds is not None:
        query = query.where(work.c.kind.in_(kinds))
    if state is not None:
        query = query.where(work.c.state == state)
    if lanes is not None:
        query = query.where(work.c.lane.startswith(lanes, autoescape=True))
    if of is not None:
        query = query.where(_is_of(of))
    if about is not None:
        query = query.where(work.c.subject == about)
    if before is not None:
        query = query.where(work.c.id < before)
    return [work_of(row) for row in connection.execute(query)]


_WHOLE, _PART = ("delivery", "look"), ("event", "order")  # whose lanes name a source, at their end or inside


def source_of(one: Work) -> str:
    """Whose work it is: the source that its lane names, else what it is about."""
    kind, colon, rest = one.lane.partition(":")
    if colon and kind in _WHOLE:
        return rest
    return rest.partition(":")[0] if colon and kind in _PART else one.subject


def _is_of(name: str) -> ColumnElement[bool]:
    """`source_of`, as the database looks for it: what is given up may be much, and little of it theirs."""
    within = (work.c.lane.startswith(f"{kind}:{name}:", autoescape=True) for kind in _PART)
    named = (work.c.lane.in_([f"{kind}:{name}" for kind in (*_WHOLE, *_PART)]), *within)
    other = (work.c.lane.not_like(f"{kind}:%") for kind in (*_WHOLE, *_PART))
    return or_(*named, and_(work.c.subject == name, *other))


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
