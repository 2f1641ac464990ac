"""Migrations give exactly the tables that the code uses, keep every row, and run once or not at all."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from service.errors import StoreRefused
from service.store import migrate, tables
from service.store.database import open_database, reading, writing
from service.store.migrate import upgrade, upgrade_engine
from tests import databases

DATA = Path(__file__).parent / "migrations"
NAMES = {"engine": tables.ENGINE, "series": tables.SERIES}


@pytest.fixture(autouse=True)
def _by_alembic(monkeypatch):
    """Here its own work is what is tested, for every database."""
    monkeypatch.setattr(command, "upgrade", databases.BY_ALEMBIC)


@pytest.fixture
def engine(database_url):
    engine = open_database(database_url)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("owner", NAMES)
def test_the_migrated_database_is_what_the_code_expects(engine, owner):
    upgrade_engine(engine, owner)
    with reading(engine) as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": f"alembic_version_{owner}", "compare_type": True}
        )
        assert compare_metadata(context, NAMES[owner]) == []


COLUMNS = """SELECT table_name, column_name, data_type, column_default, is_nullable
FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"""
CONSTRAINTS = """SELECT conrelid::regclass::text, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"""
INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
TRIGGERS = "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
# All that a database says of its form.
FORM = {
    "sqlite": ["SELECT name, sql FROM sqlite_master ORDER BY 1"],
    "postgresql": [COLUMNS, CONSTRAINTS, INDEXES, TRIGGERS],
}


def form(engine, owner):
    statements = [*FORM[engine.dialect.name], f"SELECT * FROM alembic_version_{owner}"]  # noqa: S608  our own
    with reading(engine) as connection:
        return [connection.exec_driver_sql(statement).all() for statement in statements]


@pytest.fixture
def another(database_url, request):
    """A second new and empty database of the same kind."""
    if database_url.startswith("sqlite"):
        url = database_url + "-another"
    else:
        url = request.getfixturevalue("postgres").new_database()
    engine = open_database(url)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("owner", NAMES)
def test_what_alembic_sent_to_one_database_makes_the_same_of_another(engine, another, owner, monkeypatch):
    """As `tests.databases` makes the databases of all other tests."""
    monkeypatch.setattr(databases, "_sent", {})
    monkeypatch.setattr(command, "upgrade", databases.upgrade)
    upgrade_engine(engine, owner)
    monkeypatch.setattr(databases, "BY_ALEMBIC", None)
    upgrade_engine(another, owner)
    assert form(another, owner) == form(engine, owner)


def test_all_stores_may_be_one_database(engine):
    for owner in tables.OWNERS:
        upgrade_engine(engine, owner)
        upgrade_engine(engine, owner)
    names = inspect(engine).get_table_names()
    assert {"alembic_version_engine", "alembic_version_series", "work", "increment"} <= set(names)


@pytest.mark.parametrize("owner", NAMES)
def test_every_form_has_rows_here_the_newest_too_which_is_the_next_ones_earlier(owner):
    forms = {
        path.stem.partition("_")[0] for path in (migrate._FOLDER / owner / "versions").glob("?[0-9]*.py")
    }
    assert forms
    assert {path.stem for path in DATA.glob(f"{owner}-*.sql")} == {f"{owner}-{form}" for form in forms}


@pytest.mark.parametrize("rows", sorted(DATA.glob("*.sql")), ids=lambda path: path.stem)
def test_rows_of_every_earlier_form_survive_all_migrations(engine, rows):
    """`migrations/<owner>-<revision>.sql` are rows as that revision's code wrote them."""
    owner, revision = rows.stem.split("-")
    upgrade_engine(engine, owner, revision)
    with writing(engine) as connection:
        for statement in rows.read_text().split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
        before = count(connection, NAMES[owner])
    assert before
    assert all(before.values()), "every table has a row to lose"
    upgrade_engine(engine, owner)
    with reading(engine) as connection:
        assert count(connection, NAMES[owner]).items() >= before.items()


@pytest.mark.parametrize("rows", sorted(DATA.glob("*.sql")), ids=lambda path: path.stem)
def test_code_of_every_earlier_form_can_still_write_to_the_newest_one(engine, rows):
    """Old workers and new ones share the store while an upgrade is on its way."""
    owner, _ = rows.stem.split("-")
    upgrade_engine(engine, owner)
    with writing(engine) as connection:
        for statement in rows.read_text().split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
        assert all(count(connection, dict.fromkeys(written(rows))).values())


def written(rows):
    """The tables that a file of rows writes to."""
    return {line.split()[2] for line in rows.read_text().splitlines() if line.startswith("INSERT INTO")}


def test_processes_that_start_together_migrate_once(database_url):
    code = f"from service.store.migrate import upgrade; upgrade({database_url!r}, 'engine')"
    starters = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    errors = [starter.communicate(timeout=60)[1] for starter in starters]
    assert [starter.returncode for starter in starters] == [0, 0, 0], errors


def test_a_migration_that_fails_leaves_the_database_as_it_was(engine, tmp_path, monkeypatch):
    folder = tmp_path / "migrations"
    shutil.copytree(migrate._FOLDER, folder)
    monkeypatch.setattr(migrate, "_FOLDER", folder)
    upgrade_engine(engine, "series")
    with writing(engine) as connection:
        connection.execute(text("INSERT INTO lease VALUES ('observer', 'a', 1, 2.5)"))
    (folder / "series" / "versions" / "s999_bad.py").write_text(
        "from alembic import op\n"
        "revision, down_revision = 's999', 's004'\n"
        "def upgrade():\n"
        "    op.execute('ALTER TABLE lease ADD COLUMN extra TEXT')\n"
        "    op.execute('DELETE FROM lease')\n"
        "    op.execute('this is no SQL')\n"
    )
    with pytest.raises(Exception, match="syntax error"):
        upgrade_engine(engine, "series")
    with reading(engine) as connection:
        assert connection.execute(text("SELECT * FROM lease")).all() == [("observer", "a", 1, 2.5)]
        assert connection.scalar(text("SELECT version_num FROM alembic_version_series")) == "s004"


def test_a_database_of_newer_code_is_refused_in_plain_words(engine):
    upgrade_engine(engine, "engine")
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version_engine SET version_num = 'e999'"))
    with pytest.raises(StoreRefused, match="newer Segue"):
        upgrade_engine(engine, "engine")


def test_an_unknown_store_is_a_mistake(database_url):
    with pytest.raises(ValueError, match="known: inbox, engine, series"):
        upgrade(database_url, "outbox")


def count(connection, metadata):
    names = set(inspect(connection).get_table_names()) & set(getattr(metadata, "tables", metadata))
    return {
        name: connection.scalar(text(f'SELECT count(*) FROM "{name}"'))  # noqa: S608  our own names
        for name in names
    }
