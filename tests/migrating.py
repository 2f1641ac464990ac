"""Makes the tables of new databases by the statements that Alembic sent to the first of their kind.

Alembic reads its folder and runs each migration for every database, which was an eighth of the time of
scenarios. What it sends to an empty database is always the same; it runs in the same transaction of
`service.store.migrate`, behind the same lock. `tests/integration/test_migrations.py` takes Alembic itself.
"""

from alembic import command
from sqlalchemy import event

BY_ALEMBIC = command.upgrade
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
