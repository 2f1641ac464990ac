"""Two things that databases of tests do without, for the time that they take.

Alembic reads its folder and runs each migration for every new database, which was an eighth of the time of
scenarios. What it sends to an empty one is always the same: later ones are made by what it sent to the first
of their kind, in the same transaction of `service.store.migrate`, behind the same lock.
`tests/integration/test_migrations.py` takes Alembic itself.

And nobody cuts the power while tests run: what SQLite has handed to the kernel outlives killed processes, too.
PostgreSQL's server of the tests does the same. Tests of faults keep what production has.
"""

from contextlib import contextmanager

import pytest
from alembic import command
from sqlalchemy import event

from service.store import database

BY_ALEMBIC = command.upgrade
SYNCED = database._configure_sqlite
_sent = {}  # the statements by dialect and folder of migrations


def upgrade(config, revision):
    """Alembic's command of that name, for all but empty databases."""
    connection, folder = config.attributes["connection"], config.get_main_option("script_location")
    owner = folder.rpartition("/")[2]
    if revision != "head" or connection.dialect.has_table(connection, f"alembic_version_{owner}"):
        BY_ALEMBIC(config, revision)
        return
    kind = (connection.dialect.name, folder)
    if kind not in _sent:
        _sent[kind] = _heard(connection, lambda: BY_ALEMBIC(config, revision))
        return
    for statement, parameters in _sent[kind]:
        connection.exec_driver_sql(statement, parameters)


def _heard(connection, work):
    """The statements that change something, which the work sends."""
    heard = []

    def hear(connection, cursor, statement, parameters, context, executemany):
        if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA")):
            heard.append((statement, parameters or None))

    event.listen(connection, "before_cursor_execute", hear)
    try:
        work()
    finally:
        event.remove(connection, "before_cursor_execute", hear)
    return heard


@contextmanager
def unsynced():
    """SQLite's databases that are opened meanwhile in this process wait for no disk."""

    def configure(connection, record):
        SYNCED(connection, record)
        connection.execute("PRAGMA synchronous=OFF")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(database, "_configure_sqlite", configure)
        yield
