"""What goes wrong with a database is told in the words that callers act on, and loses nothing."""

import signal
import threading

import pytest
from sqlalchemy import event, text

from service.errors import Conflict, StoreBroken, StoreRefused, StoreUnavailable
from service.machine import host
from service.store import database
from service.store.database import open_database, reading, translated, writing
from service.store.queue import Work
from service.store.store import Store
from tests import databases


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path / 'stores' / 'engine.db'}"


def test_sqlite_is_opened_with_full_fsync_and_a_write_ahead_log(sqlite_url, monkeypatch):
    monkeypatch.setattr(database, "_configure_sqlite", databases.SYNCED)  # as in production
    engine = open_database(sqlite_url)
    with reading(engine) as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    engine.dispose()


def test_sqlite_in_use_by_another_host_is_refused(sqlite_url, monkeypatch):
    here = open_database(sqlite_url)
    monkeypatch.setattr(host, "_PATIENCE", 3)
    monkeypatch.setattr(host, "this_kernel", lambda: "another kernel")
    with pytest.raises(StoreRefused):
        open_database(sqlite_url)
    here.dispose()


def test_a_full_disk_is_told_as_unavailable_and_what_was_stored_stays(sqlite_url):
    store = Store.open(sqlite_url)
    # The file may grow by a few pages only, as on a disk that is nearly full.
    event.listen(store.engine, "checkout", lambda raw, *_: raw.execute("PRAGMA max_page_count = 60"))
    acknowledged = []

    def fill():
        for number in range(1000):
            with store.change() as change:
                change.add_work(Work("notify:a", "comment", f"k{number}", "rel-1", {"text": "x" * 500}))
            acknowledged.append(f"k{number}")

    with pytest.raises(StoreUnavailable, match="full"):
        fill()
    assert [work.key for work in store.work_of("rel-1")] == acknowledged != []
    with reading(store.engine) as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    store.close()


def test_a_database_that_stays_locked_is_told_as_unavailable(database_url, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    monkeypatch.setitem(database._STARTUP, "lock_timeout", "50ms")
    store = Store.open(database_url)
    with store.change() as change:
        change.observe("git", "main", "c1", 1.0)
    with store.change() as change:
        change.observe("git", "main", "c2", 1.0)
        with pytest.raises(StoreUnavailable), store.change() as other:
            other.observe("git", "main", "c3", 1.0)
    assert store.cursors("git")[0].value == "c2"
    store.close()


def test_a_file_that_is_no_database_is_told_as_broken(tmp_path):
    (tmp_path / "engine.db").write_bytes(b"this is a letter, not a database" * 100)
    with pytest.raises(StoreBroken):
        Store.open(f"sqlite:///{tmp_path / 'engine.db'}")


def test_mistakes_in_statements_stay_what_they_are(database_url):
    engine = open_database(database_url)
    with pytest.raises(Exception, match="nowhere") as caught, writing(engine) as connection:
        connection.execute(text("SELECT * FROM nowhere"))
    assert not isinstance(caught.value, StoreUnavailable | Conflict)
    engine.dispose()


def test_a_read_sees_one_moment_and_does_not_wait_for_a_writer(store):
    with store.change() as change:
        change.observe("git", "main", "c1", 1.0)
    with store.read() as read:
        assert read.cursors("git")[0].value == "c1"
        with store.change() as change:
            change.observe("git", "main", "c2", 2.0)
        assert read.cursors("git")[0].value == "c1"
    assert store.cursors("git")[0].value == "c2"


def test_changes_of_one_cursor_at_the_same_time_give_each_sequence_once(database_url):
    store, told, lock = Store.open(database_url), [], threading.Lock()

    def tell(name):
        for number in range(8):
            sequence = store.decide(
                lambda change, value=f"{name}{number}": change.observe("git", "main", value, 1.0)
            )
            with lock:
                told.append(sequence)

    threads = [threading.Thread(target=tell, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    assert sorted(told) == list(range(1, 33))


@pytest.mark.postgres
def test_changes_that_wait_for_each_other_are_a_conflict_for_one_and_both_are_made(postgres):
    store = Store.open(postgres.new_database())
    barrier = threading.Barrier(2, timeout=20)
    with store.change() as change:
        for reference in "ab":
            change.observe("git", reference, "0", 1.0)

    def cross(first, second, value):
        met = []

        def decision(change):
            change.observe("git", first, value, 1.0)
            if not met:
                met.append(True)
                barrier.wait()
            change.observe("git", second, value, 1.0)

        store.decide(decision)

    threads = [
        threading.Thread(target=cross, args=("a", "b", "1")),
        threading.Thread(target=cross, args=("b", "a", "2")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [cursor.sequence for cursor in store.cursors("git")] == [3, 3]
    store.close()


@pytest.mark.postgres
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_server_that_goes_away_is_told_as_unavailable_and_found_again(postgres, how):
    store = Store.open(postgres.new_database())
    with store.change() as change:
        change.observe("git", "main", "c1", 1.0)

    def interrupted(change):
        change.observe("git", "main", "c2", 1.0)
        postgres.stop(how)
        change.observe("git", "main", "c3", 1.0)

    with pytest.raises(StoreUnavailable):
        store.decide(interrupted)
    with pytest.raises(StoreUnavailable):
        store.cursors("git")
    postgres.start()
    assert store.cursors("git")[0].value == "c1"
    with store.change() as change:
        change.observe("git", "main", "c2", 1.0)
    store.close()


@pytest.mark.parametrize("error", [BrokenPipeError, ConnectionResetError, TimeoutError])
def test_a_connection_that_breaks_between_statements_means_that_the_store_is_away(error):
    """As where a transaction is begun or rolled back: the driver lets such errors pass as they are."""
    with pytest.raises(StoreUnavailable, match="does not answer"), translated():
        raise error
