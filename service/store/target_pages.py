"""Targets in pages, by name: those that have a state, and those that only a release is on its way to."""

from sqlalchemy import Connection, select

from service.store.rows import TargetRow
from service.store.tables import release, target


def page(
    connection: Connection, *, among: str | None, after: str | None, limit: int
) -> list[tuple[str, TargetRow | None]]:
    """Names behind `after`, each with its row if it has one; with `among` those that this regular expression
    matches. One statement: a page costs the same however many there are."""
    known = select(target.c.name).union(select(release.c.target).where(~release.c.final)).subquery("known")
    query = select(known.c.name.label("known"), target).select_from(
        known.outerjoin(target, known.c.name == target.c.name)
    )
    if after is not None:
        query = query.where(known.c.name > after)
    if among is not None:
        query = query.where(known.c.name.regexp_match(among))
    rows = connection.execute(query.order_by(known.c.name).limit(limit))
    return [(name, TargetRow(*state) if state[0] is not None else None) for name, *state in rows]
