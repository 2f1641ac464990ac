"""Names that a change has locked are free for nobody else until it ends."""

import pytest
from sqlalchemy import func, select

from service.store import advisory
from service.store.database import open_database, reading, writing


@pytest.fixture
def engine(database_url):
    engine = open_database(database_url)
    yield engine
    engine.dispose()


def free(engine, name, seed):
    """Whether somebody else could take it, asked of the database."""
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    with reading(engine) as other:
        return other.scalar(select(func.pg_try_advisory_xact_lock(func.hashtextextended(name, seed))))


def test_each_name_is_held_until_the_transaction_ends(engine):
    with writing(engine) as connection:
        advisory.lock(connection, ["b", "a", "it's {odd}"], seed=1)
        assert [free(engine, name, 1) for name in ("a", "b", "it's {odd}")] == [False] * 3
        assert free(engine, "c", 1)
        assert free(engine, "a", 0), "another seed is another lock"
    assert free(engine, "a", 1)


def test_no_name_is_no_lock(engine):
    with writing(engine) as connection:
        advisory.lock(connection, [])
