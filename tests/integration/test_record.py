"""The record is append-only, and every change of it is noticed and named."""

import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.store.chain import FIRST
from service.store.database import writing
from service.store.store import Store


@pytest.fixture
def told(store):
    """A store whose record has three entries."""
    with store.change() as change:
        change.record("rel-1", "ann", "approve", {"plan": "sha256:1f0c", "share": 0.1})
        change.record("rel-2", "segue", "start")
    with store.change() as change:
        change.record("rel-1", "segue", "promote", {"weight": 100.0, "why": "é"})
    return store


def test_entries_are_read_as_they_were_told_and_bound_to_each_other(told):
    first, second = told.record_of("rel-1")
    assert first.detail == {"plan": "sha256:1f0c", "share": 0.1}
    assert (first.id, second.id, second.detail["why"]) == (1, 3, "é")
    everything = told.record_of()
    assert [entry.previous_hash for entry in everything] == [FIRST] + [e.hash for e in everything[:2]]
    assert [entry.id for entry in told.record_of(after=1, limit=1)] == [2]
    assert told.verify() is None
    assert told.prove([told.record_head()]).tampered is None


@pytest.mark.parametrize(
    "statement",
    ["UPDATE record SET actor = 'bob' WHERE id = 1", "DELETE FROM record", "DELETE FROM record WHERE id = 3"],
)
def test_the_database_itself_refuses_to_change_an_entry(told, statement):
    with pytest.raises(DBAPIError, match="append-only"):
        forge(told, statement, past_the_triggers=False)
    assert len(told.record_of()) == 3


@pytest.mark.postgres
def test_postgresql_refuses_to_empty_the_record(postgres):
    store = Store.open(postgres.new_database())
    with pytest.raises(DBAPIError, match="append-only"):
        forge(store, "TRUNCATE record", past_the_triggers=False)
    store.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", "at + 0.001"),
        ("subject", "'rel-9'"),
        ("actor", "'bob'"),
        ("action", "'reject'"),
        ("detail", "detail || ' '"),
        ("previous_hash", "upper(previous_hash) || 'x'"),
        ("hash", "replace(hash, substr(hash, 64), 'x')"),
    ],
)
def test_any_change_in_any_column_is_noticed_at_its_entry(told, column, value):
    forge(told, f"UPDATE record SET {column} = {value} WHERE id = 2")  # noqa: S608  our own words
    assert told.verify().id == 2


def test_every_single_byte_of_a_detail_counts(told):
    (before,) = column(told, "SELECT detail FROM record WHERE id = 1")
    for place in range(len(before)):
        forged = before[:place] + chr(ord(before[place]) ^ 1) + before[place + 1 :]
        forge(told, "UPDATE record SET detail = :forged WHERE id = 1", forged=forged)
        assert told.verify().id == 1
    forge(told, "UPDATE record SET detail = :forged WHERE id = 1", forged=before)
    assert told.verify() is None


def test_a_removed_entry_is_noticed(told):
    forge(told, "DELETE FROM record WHERE id = 2")
    assert told.verify().reason == "entry 2 is missing"


def test_a_record_cut_short_is_noticed_by_who_kept_its_head(told):
    head = told.record_head()
    forge(told, "DELETE FROM record WHERE id = 3")
    assert told.verify() is None
    assert told.prove([head]).tampered.id == 3


def test_a_record_written_anew_is_noticed_by_who_kept_its_head(told):
    head = told.record_head()
    forge(told, "DELETE FROM record")
    with told.change() as change:
        for _ in range(4):
            change.record("rel-1", "bob", "approve")
    assert told.verify() is None
    assert told.prove([head]).tampered.id == 3


def test_changes_at_the_same_time_make_one_chain(database_url):
    store = Store.open(database_url)

    def tell(name):
        for _ in range(10):
            with store.change() as change:
                change.record("rel-1", name, "look")

    threads = [threading.Thread(target=tell, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.verify() is None
    assert store.record_head().size == 40
    store.close()


def forge(store, statement, *, past_the_triggers=True, **values):
    """Change rows as somebody with all rights over the database would."""
    with writing(store.engine) as connection:
        sqlite = connection.dialect.name == "sqlite"
        if past_the_triggers and sqlite:
            for verb in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER IF EXISTS record_no_{verb}"))
        elif past_the_triggers:
            connection.execute(text("ALTER TABLE record DISABLE TRIGGER ALL"))
        connection.execute(text(statement), values)


def column(store, statement):
    with writing(store.engine) as connection:
        return connection.execute(text(statement)).one()
