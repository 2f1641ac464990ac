"""Leases by name: who may do a thing alone for now, with an epoch that fences whoever lost it."""

from sqlalchemy import Connection, Table, and_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from service.queue import LONGEST_LEASE


def acquire(
    connection: Connection, table: Table, name: str, owner: str, *, now: float, seconds: float
) -> int | None:
    """Take or keep the lease: its epoch, or None while somebody else has it.

    Keeping it leaves the epoch as it is; taking it from somebody else makes it grow.
    """
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    new = insert(table).values(name=name, owner=owner, epoch=1, until=now + seconds)
    if connection.execute(new.on_conflict_do_nothing()).rowcount == 1:
        return 1
    held = connection.execute(select(table).where(table.c.name == name).with_for_update()).one()
    # An end that is further away than any lease was given before a clock was set back.
    if held.owner != owner and now < held.until <= now + LONGEST_LEASE:
        return None
    epoch: int = held.epoch if held.owner == owner else held.epoch + 1
    connection.execute(
        update(table).where(table.c.name == name).values(owner=owner, epoch=epoch, until=now + seconds)
    )
    return epoch


def holds(connection: Connection, table: Table, name: str, owner: str, epoch: int) -> bool:
    """Whether nobody has taken the lease since; keeps others from it until the caller's commit."""
    here = (table.c.name == name, table.c.owner == owner, table.c.epoch == epoch)
    return connection.execute(select(table.c.name).where(*here).with_for_update()).one_or_none() is not None


def release(connection: Connection, table: Table, name: str, owner: str) -> None:
    """Let go, so that the next one need not wait."""
    mine = and_(table.c.name == name, table.c.owner == owner)
    connection.execute(update(table).where(mine).values(until=0.0))
