"""Opens a store's database the one way that is safe: SQLite in WAL with full fsync, or PostgreSQL.

SQLAlchemy is imported only here, in the tables and in the stores.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.pool import QueuePool

BUSY_SECONDS = 5.0


def open_database(url: str) -> Engine:
    """An engine for the URL. SQLite's folder is made; every write transaction begins IMMEDIATE."""
    if not url.startswith("sqlite"):
        url = url.replace("postgresql://", "postgresql+pg8000://", 1)
        return create_engine(url, pool_size=5, pool_pre_ping=True)
    database = make_url(url).database
    if database:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, poolclass=QueuePool, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One write transaction: commits at the end, rolls back on any error."""
    with engine.connect().execution_options(segue_write=True) as connection, connection.begin():
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One consistent read."""
    with engine.connect() as connection, connection.begin():
        yield connection


def _configure(connection: object, _record: object) -> None:
    # The driver's own transaction handling is off: `_begin` says how each one starts.
    connection.isolation_level = None  # type: ignore[attr-defined]
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("segue_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
