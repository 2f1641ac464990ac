"""When work can be claimed: conditions of queries, and what is asked about it. Nothing here changes work.

Only the oldest unfinished row of a lane can be claimed, and of those the one of the least rank goes first.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Double,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
)

from service.store.tables import work

CLOCK = "clock:"
LONGEST_LEASE = 600.0  # no lease is longer: one that seems to be was given before a clock was set back


@cache
def next_one(kinds: tuple[str, ...] | None, lanes: tuple[str, ...] | None, *, numbered: bool) -> Select[Any]:
    """The row to be claimed next, locked. Made once for each set of kinds, as `_ids` is."""
    wanted = conditions(_NOW)
    if kinds is not None:
        wanted.append(work.c.kind.in_(kinds))
    if lanes is not None:
        wanted.append(or_(*(work.c.lane.startswith(lane, autoescape=True) for lane in lanes)))
    if numbered:
        wanted.append(work.c.id == bindparam("number"))
    first = select(work).where(*wanted).order_by(work.c.rank, work.c.id).limit(1)
    return first.with_for_update(skip_locked=True)


def alike(
    connection: Connection, kind: str, now: float, kinds: tuple[str, ...] | None, most: int
) -> list[int]:
    """Ids of what is due first, as far as it is all of one kind and nobody has tried it."""
    found: list[int] = []
    for row in connection.execute(_ids(kinds), {"now": now, "most": most}):
        if row.kind != kind or row.attempts > 0:
            break
        found.append(row.id)
    return found


def ids(
    connection: Connection, now: float, limit: int = 100, kinds: Sequence[str] | None = None
) -> list[int]:
    """Ids that could be claimed now, oldest first: hints for workers."""
    query = _ids(None if kinds is None else tuple(kinds))
    return [row.id for row in connection.execute(query, {"now": now, "most": limit})]


@cache
def _ids(kinds: tuple[str, ...] | None) -> Select[Any]:
    """Made once for each set of kinds: whoever polls asks often, and making it costs more than asking."""
    wanted = conditions(_NOW)
    if kinds is not None:
        wanted.append(work.c.kind.in_(kinds))
    due = select(work.c.id, work.c.kind, work.c.attempts).where(*wanted)
    return due.order_by(work.c.rank, work.c.id).limit(bindparam("most"))


def soonest(connection: Connection, now: float, kinds: Sequence[str]) -> float | None:
    """When the next work of these kinds can be claimed, be it in the past; None where there is none."""
    found: float | None = connection.scalar(_soonest(tuple(kinds)), {"now": now})
    return found


@cache
def _soonest(kinds: tuple[str, ...]) -> Select[Any]:
    at = case((work.c.state == "running", work.c.lease_until), else_=work.c.not_before)
    wrong = or_(
        and_(work.c.state == "running", work.c.lease_until > _NOW + LONGEST_LEASE),
        and_(work.c.state != "running", _too_long(_NOW)),
    )
    wanted = (work.c.finished.is_(None), work.c.kind.in_(kinds), ~_blocked())
    return select(func.min(case((wrong, _NOW), else_=at))).where(*wanted)


_NOW = bindparam("now", type_=Double)


def conditions(now: BindParameter[float]) -> list[ColumnElement[bool]]:
    """What holds of work that can be claimed at that time."""
    come = or_(work.c.not_before <= now, _too_long(now))
    waiting = and_(work.c.state.in_(("pending", "started")), come)
    lapsed = or_(work.c.lease_until <= now, work.c.lease_until > now + LONGEST_LEASE)
    expired = and_(work.c.state == "running", lapsed)
    # The first condition follows from the second; it is what the partial indexes are known by.
    return [work.c.finished.is_(None), or_(waiting, expired), ~_blocked()]


def _blocked() -> ColumnElement[bool]:
    """Whether something older in its lane is unfinished."""
    older = work.alias("older")
    return exists().where(older.c.lane == work.c.lane, older.c.id < work.c.id, older.c.finished.is_(None))


def _too_long(now: BindParameter[float]) -> ColumnElement[bool]:
    """Only what a clock was set for waits for long; else the wait was given before a clock was set back."""
    return and_(work.c.not_before > now + LONGEST_LEASE, ~work.c.lane.startswith(CLOCK))
