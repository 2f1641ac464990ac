"""Locks on names, held until the transaction ends: on PostgreSQL alone. SQLite has one writer at a time."""

from collections.abc import Sequence

from sqlalchemy import Connection, Text, bindparam, column, func, select
from sqlalchemy.dialects.postgresql import ARRAY

TOGETHER = 500  # names in one transaction: PostgreSQL has room for 6,400 locks in all
_NAMED = func.unnest(bindparam("names", type_=ARRAY(Text))).table_valued(column("name", Text))
# One row for however many: of each lock nothing is told but that it is held.
_LOCKED = select(
    func.count(func.pg_advisory_xact_lock(func.hashtextextended(_NAMED.c.name, bindparam("seed"))))
).select_from(_NAMED)


def lock(connection: Connection, names: Sequence[str], *, seed: int = 0) -> None:
    """Take them, one after the other in this order; another seed makes other locks of the same names."""
    if connection.dialect.name == "postgresql" and names:
        connection.execute(_LOCKED, {"names": list(names), "seed": seed})
