"""Leases by name: who may do a thing alone for now, with an epoch that fences whoever lost it."""

from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, and_, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from service.store import owners
from service.store.due import LONGEST_LEASE


def acquire(
    connection: Connection, table: Table, name: str, owner: str, *, now: float, seconds: float
) -> int | None:
    """Take or keep the lease: its epoch, or None while somebody else has it.

    Keeping it leaves the epoch as it is; taking it from somebody else makes it grow. Nobody waits for a
    process of this host that is gone.
    """
    given = {"which": name, "whose": owner, "end": now + seconds}
    mine: int | None = connection.scalar(_keep(table, fenced=False), given)
    if mine is not None:
        return mine
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    new = insert(table).values(name=name, owner=owner, epoch=1, until=now + seconds)
    if connection.execute(new.on_conflict_do_nothing()).rowcount == 1:
        return 1
    held = connection.execute(select(table).where(table.c.name == name).with_for_update()).one()
    # An end that is further away than any lease was given before a clock was set back.
    if now < held.until <= now + LONGEST_LEASE and not owners.gone([held.owner]):
        return None
    epoch: int = held.epoch + 1
    connection.execute(
        update(table).where(table.c.name == name).values(owner=owner, epoch=epoch, until=now + seconds)
    )
    return epoch


def keep(  # noqa: PLR0917 (who holds what since when, and until when)
    connection: Connection, table: Table, name: str, owner: str, epoch: int, until: float
) -> bool:
    """Hold it for longer; False where somebody has taken it since. Keeps others from it until the commit."""
    given = {"which": name, "whose": owner, "of": epoch, "end": until}
    return connection.scalar(_keep(table, fenced=True), given) is not None


@cache
def _keep(table: Table, *, fenced: bool) -> Any:
    """Made once for each table: a lease that is held is kept every second or so."""
    mine = [table.c.name == bindparam("which"), table.c.owner == bindparam("whose")]
    if fenced:
        mine.append(table.c.epoch == bindparam("of"))
    return update(table).where(*mine).values(until=bindparam("end")).returning(table.c.epoch)


def release(connection: Connection, table: Table, name: str, owner: str) -> None:
    """Let go, so that the next one need not wait."""
    mine = and_(table.c.name == name, table.c.owner == owner)
    connection.execute(update(table).where(mine).values(until=0.0))
