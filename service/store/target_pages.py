"""Targets in pages, by name: those that have a state, and those that only a release is on its way to."""

from sqlalchemy import ColumnElement, Connection, Select, select, union

from service.store.rows import TargetRow
from service.store.tables import release, target


def page(
    connection: Connection, *, among: str | None, after: str | None, limit: int
) -> list[tuple[str, TargetRow | None]]:
    """Names behind `after`, each with its row if it has one; with `among` those that this regular expression
    matches. One statement, which reads a page of each kind: the same however many there are."""
    found = _first(target.c.name, among, after, limit)
    coming = _first(release.c.target, among, after, limit).where(~release.c.final).distinct()
    known = union(select(found.subquery()), select(coming.subquery())).subquery("known")
    query = select(known.c.name.label("known"), target).select_from(
        known.outerjoin(target, known.c.name == target.c.name)
    )
    rows = connection.execute(query.order_by(known.c.name).limit(limit))
    return [(name, TargetRow(*state) if state[0] is not None else None) for name, *state in rows]


def _first(name: ColumnElement[str], among: str | None, after: str | None, limit: int) -> Select[str]:
    """The first names behind `after`, in the order of an index."""
    query = select(name.label("name")).order_by(name).limit(limit)
    if after is not None:
        query = query.where(name > after)
    if among is not None:
        query = query.where(name.regexp_match(among))
    return query
