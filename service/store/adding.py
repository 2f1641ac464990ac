"""Adds work to the queue: each key once, at the end of its lane, in turn with what others want.

In lanes where only the newest counts it replaces what nobody is at, and takes its place in the order.
Parties take turns: of a party's backlog each piece ranks TURN_SECONDS behind the one before, so that what
others add meanwhile goes between, and what has waited longest of all goes at last.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from service.store.due import CLOCK
from service.store.queue import EVIDENCE, NEWEST, TRAFFIC, Work, lock_lanes
from service.store.tables import work

URGENT_LANES = (TRAFFIC, EVIDENCE, CLOCK, "command", "order:")  # short, and never put behind a backlog
TURN_SECONDS = 60.0
YIELD_SECONDS = 1.0  # what is told until so long after a deadline is weighed before it, where both wait
AT_ONCE = 200  # rows: a statement has room for so many values only


def add(connection: Connection, works: Sequence[Work], now: float) -> list[int]:
    """Add all of these; the ids of those whose keys were not known."""
    in_order = sorted(works, key=lambda one: one.lane)
    return [
        number
        for part in range(0, len(in_order), AT_ONCE)
        for number in _add(connection, in_order[part : part + AT_ONCE], now)
    ]


def _add(connection: Connection, works: Sequence[Work], now: float) -> list[int]:
    lock_lanes(connection, list(dict.fromkeys(one.lane for one in works)))
    behind = _backlogs(connection, {party for one in works if (party := _party(one)) is not None})
    rows = []
    for one in works:
        party = _party(one)
        rank = max(now, _turn(one), behind.get(party, 0.0))
        rows.append(_row(one, party, rank, now))
        if party is not None:
            behind[party] = rank + TURN_SECONDS
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    adding = insert(work).on_conflict_do_nothing(index_elements=["key"]).returning(work.c.id, work.c.lane)
    added = connection.execute(adding, rows).all()
    _replace_older(connection, {row.lane: row.id for row in sorted(added)}, now)
    return [row.id for row in added]


def _row(new: Work, party: str | None, rank: float, now: float) -> dict[str, Any]:
    return {
        "lane": new.lane,
        "kind": new.kind,
        "key": new.key,
        "subject": new.subject,
        "body": new.body,
        "not_before": new.not_before,
        "state": "pending",
        "attempts": 0,
        "retries": 0,
        "epoch": 0,
        "created": now,
        "party": party,
        "rank": rank,
    }


def _party(new: Work) -> str | None:
    return None if new.lane.startswith(URGENT_LANES) else new.party or new.lane


def _turn(new: Work) -> float:
    return new.not_before + YIELD_SECONDS if new.lane.startswith(CLOCK) else new.not_before


def _backlogs(connection: Connection, parties: set[str]) -> dict[str | None, float]:
    """The least rank for more work of each party that has a backlog: its turn after the last that nobody has
    begun."""
    if not parties:
        return {}
    waiting = (work.c.party.in_(parties), work.c.finished.is_(None), work.c.state == "pending")
    last = select(work.c.party, func.max(work.c.rank).label("rank")).where(*waiting).group_by(work.c.party)
    return {row.party: row.rank + TURN_SECONDS for row in connection.execute(last)}


def _replace_older(connection: Connection, newest: dict[str, int], now: float) -> None:
    """What nobody is at in these lanes goes, where only the newest counts: by lane, the id that stays.

    The place of what goes is kept, or a late worker would never come to the lane.
    """
    stays = {lane: number for lane, number in newest.items() if lane.startswith(NEWEST)}
    if not stays:
        return
    older = (work.c.lane.in_(stays), work.c.id.not_in(stays.values()), work.c.finished.is_(None))
    waits = work.c.state.in_(("pending", "started"))
    gone = update(work).where(*older, waits).values(state="replaced", finished=now)
    first: dict[str, float] = {}
    for row in connection.execute(gone.returning(work.c.lane, work.c.rank)):
        first[row.lane] = min(row.rank, first.get(row.lane, now))
    early = [{"one": stays[lane], "early": rank} for lane, rank in first.items() if rank < now]
    if early:
        kept = update(work).where(work.c.id == bindparam("one")).values(rank=bindparam("early"))
        connection.execute(kept, early)
