"""Brings a store's database to the form that this code knows; the only home of Alembic.

Each owner (inbox, engine, series) has migrations and a version table of its own, so that the three
may live in one PostgreSQL database. A migration runs whole or not at all, and once, however many
processes start together. Migrations only add; what they replace is removed one release later.
Alembic is imported only where there is something to migrate: each start of a process would pay for it.
"""

from pathlib import Path

from sqlalchemy import Connection, Engine, MetaData, Text, column, select, table

from service.errors import StoreRefused
from service.store import advisory
from service.store.database import open_database, patient, reading, writing
from service.store.tables import OWNERS

_FOLDER = Path(__file__).parent / "migrations"


def upgrade(url: str, owner: str, revision: str = "head") -> None:
    """Make or migrate the tables of `inbox`, `engine` or `series` at this URL."""
    engine = open_database(url)
    try:
        upgrade_engine(engine, owner, revision)
    finally:
        engine.dispose()


def upgrade_engine(engine: Engine, owner: str, revision: str = "head") -> None:
    """The same for a database that is open already."""
    if owner not in OWNERS:
        raise ValueError(f"there is no store {owner!r}; known: {', '.join(OWNERS)}")
    if revision == "head" and _stored(engine, owner) == _newest(owner):
        return
    _migrate(engine, owner, revision)


def _stored(engine: Engine, owner: str) -> str | None:
    """The revision that the database has; None where it was never migrated."""
    name = f"alembic_version_{owner}"
    with reading(engine) as connection:
        if not connection.dialect.has_table(connection, name):
            return None
        return connection.scalar(select(column("version_num", Text)).select_from(table(name)))


def _newest(owner: str) -> str | None:
    """The revision that this code brings: files are named by their revisions, which sort."""
    files = (_FOLDER / owner / "versions").glob("[a-z]*_*.py")
    return max((path.stem.partition("_")[0] for path in files), default=None)


def _migrate(engine: Engine, owner: str, revision: str) -> None:
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    with writing(engine) as connection:
        patient(connection)
        advisory.lock(connection, ["segue-migrate"])
        config = Config()
        config.set_main_option("script_location", str(_FOLDER / owner))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, revision)
        except CommandError as error:
            if "Can't locate revision" not in str(error):
                raise
            raise StoreRefused(
                f"the {owner} store was migrated by a newer Segue; install that one, or restore a backup"
            ) from error


def run(owner: str) -> None:
    """What each owner's `env.py` does: run its migrations in the transaction that is open."""
    from alembic import context  # noqa: PLC0415

    connection: Connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=MetaData(),
        version_table=f"alembic_version_{owner}",
        # The caller's transaction holds everything, on SQLite, too.
        transactional_ddl=True,
        transaction_per_migration=False,
    )
    context.run_migrations()
