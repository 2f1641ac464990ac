"""Opens a store's database the one way that is safe: SQLite in WAL with full fsync, or PostgreSQL.

SQLAlchemy is imported only here, in the tables and in the stores. What the drivers raise becomes
one of `service.errors`, so that callers know no driver: 503 and "later", or "read again".
"""

import os
import ssl
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc, func, select
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.pool import QueuePool

from service import database_tls
from service.errors import Conflict, StoreBroken, StoreError, StoreUnavailable
from service.machine import host

BUSY_SECONDS = 5.0
STATEMENT_SECONDS = 5
IDLE_SECONDS = 10
# For a server that ends each statement itself: one that is silent for longer stands still, or is behind a
# network that lost it, and would be waited for until the kernel gives up, which takes hours.
SILENT_SECONDS = 2.0 * STATEMENT_SECONDS

_BROKEN = ("disk i/o error", "malformed", "not a database")
# PostgreSQL: serialization failure, deadlock, unique violation, exclusion violation.
_CONFLICTS = frozenset({"40001", "40P01", "23505", "23P01"})


def open_database(url: str) -> Engine:
    """An engine for the URL. SQLite's folder is made; every write transaction begins IMMEDIATE.

    Raises `StoreRefused` for SQLite on a network file system or in use by another host.
    """
    engine = _open_sqlite(url) if url.startswith("sqlite") else _open_postgresql(url)
    event.listen(engine, "begin", _begin)
    return engine


def bell_of(engine: Engine) -> Path | None:
    """The bell beside a SQLite file; None for a database that other hosts may use, or that has no file."""
    file = engine.url.database if engine.dialect.name == "sqlite" else None
    return Path(file).with_suffix(".bell") if file else None


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One write transaction: commits at the end, rolls back on any error."""
    with translated(), engine.connect().execution_options(segue_write=True) as connection, connection.begin():
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One consistent read."""
    with translated(), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def translated() -> Iterator[None]:
    """Turn the drivers' errors into ours. A programming error stays what it is."""
    try:
        yield
    except exc.DBAPIError as error:
        ours = _meaning(error)
        if ours is None:
            raise
        raise ours from error
    except ssl.SSLError as error:
        why = getattr(error, "verify_message", "") or error.reason
        raise StoreUnavailable(f"the database is not who it should be, or takes no TLS: {why}") from error
    except exc.TimeoutError as error:
        raise StoreUnavailable("all connections to the database are in use") from error
    except (
        TimeoutError,
        ConnectionError,
    ) as error:  # while it connects, asks whether somebody is there, or ends
        raise StoreUnavailable("the database does not answer") from error


def _open_sqlite(url: str) -> Engine:
    database = make_url(url).database
    engine = create_engine(url, poolclass=QueuePool, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _configure_sqlite)
    if database:
        folder = Path(database).absolute().parent
        folder.mkdir(parents=True, exist_ok=True)
        host.refuse_network_file_system(folder)
        weakref.finalize(engine, os.close, host.stay(folder))
    return engine


def _open_postgresql(url: str) -> Engine:
    url, secured = database_tls.parted(url)
    for scheme in ("postgresql://", "postgres://"):
        url = url.replace(scheme, "postgresql+pg8000://", 1)
    engine = create_engine(
        url,
        pool_size=5,
        pool_timeout=BUSY_SECONDS,
        pool_pre_ping=True,
        connect_args={"startup_params": _STARTUP, "timeout": SILENT_SECONDS, **secured},
    )
    event.listen(engine, "handle_error", _lost)
    return engine


def _lost(context: ExceptionContext) -> StoreUnavailable | None:
    """The driver lets errors of a socket it reads from pass as they are. What is read from there later could
    be the answer to something else: the connection is given up."""
    if not isinstance(context.original_exception, OSError):
        return None
    context.is_disconnect = True
    return StoreUnavailable("the database does not answer")


def patient(connection: Connection) -> None:
    """Let the statements of this connection take as long as they do. It does not go back to the others."""
    if connection.dialect.name != "postgresql":
        return
    connection.detach()
    connection.connection.dbapi_connection._usock.settimeout(None)  # type: ignore[union-attr]  # noqa: SLF001
    for limit in ("statement_timeout", "lock_timeout"):
        connection.exec_driver_sql(f"SET LOCAL {limit} = 0")


_STARTUP = {
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "lock_timeout": f"{STATEMENT_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
    "synchronous_commit": "on",
}


def time_of(connection: Connection) -> float:
    """The time that all users of this database agree on: PostgreSQL's own, because hosts disagree; on
    SQLite the only host's."""
    if connection.dialect.name == "postgresql":
        return float(connection.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0)
    return time.time()


def _configure_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transaction handling is off: `_begin` says how each one starts.
    connection.isolation_level = None
    cursor = connection.cursor()
    _switch_to_wal(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _switch_to_wal(cursor: Any) -> None:
    """The first switch needs the file alone, and SQLite does not wait for that by itself."""
    for _ in range(100):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except Exception as error:  # each driver has a class of its own for it, and the same word
            if "locked" not in str(error):
                raise
            time.sleep(BUSY_SECONDS / 100)
        else:
            return
    cursor.execute("PRAGMA journal_mode=WAL")


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("segue_write", False)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
    elif not write:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def _meaning(error: exc.DBAPIError) -> StoreError | None:
    """What a driver's error means to a caller; None where it is a mistake of ours."""
    details = error.orig.args[0] if error.orig is not None and error.orig.args else ""
    if isinstance(details, dict):
        return _postgresql_meaning(str(details.get("C", "")), str(details.get("M", "")))
    text = str(error.orig)
    if any(word in text.lower() for word in _BROKEN):
        return StoreBroken(text)
    if isinstance(error, exc.IntegrityError):
        return Conflict(text) if "UNIQUE" in text or "PRIMARY KEY" in text else None
    if isinstance(error, exc.OperationalError | exc.InterfaceError) and not _is_mistake(text):
        return StoreUnavailable(text)
    return None


def _is_mistake(text: str) -> bool:
    """SQLite reports mistakes in statements under the same class as a full disk."""
    return any(word in text for word in ("no such", "syntax error", "has no column", "already exists"))


def _postgresql_meaning(code: str, message: str) -> StoreError | None:
    if code in _CONFLICTS:
        return Conflict(message)
    if code.startswith("58") or code in {"XX001", "XX002"}:
        return StoreBroken(message)
    # Connection lost, resources, shutting down, cancelled by a timeout, lock not available,
    # idle in a transaction, read-only after a failover.
    if code[:2] in {"08", "53", "57"} or code in {"55P03", "25P03", "25006"}:
        return StoreUnavailable(message)
    return None
