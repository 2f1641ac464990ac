"""The stores together: made with a token, copied while they are written, put back."""

import itertools
import sqlite3
import stat
import tarfile
import threading

import pytest
from click.testing import CliRunner

from service import stores
from service.cli.main import group
from service.errors import StartError
from service.identity import tokens
from service.settings import Settings
from service.store.inbox import Delivery, Inbox
from service.store.store import Store
from tests.running import wait_until

TOKEN = "a-token-that-somebody-else-made-for-us"


def typed(home, *words):
    return CliRunner().invoke(group, words, env={"SEGUE_HOME": str(home)}, catch_exceptions=False)


def actor(home, token):
    store = Store.open(Settings(home=home).store_url("engine"))
    found = tokens.actor(store, f"Bearer {token}")
    store.close()
    return found and found.name


def test_migrate_makes_the_stores_and_a_token_once(tmp_path):
    assert typed(tmp_path, "migrate").exit_code == 0
    token = (tmp_path / "secrets/operator-token").read_text().strip()
    assert actor(tmp_path, token) == "operator"
    assert typed(tmp_path, "migrate").exit_code == 0
    assert (tmp_path / "secrets/operator-token").read_text().strip() == token


def test_a_token_that_is_there_is_the_operators(tmp_path):
    assert typed(tmp_path, "migrate").exit_code == 0
    (tmp_path / "secrets/operator-token").write_text(TOKEN + "\n")
    assert typed(tmp_path, "migrate").exit_code == 0
    assert actor(tmp_path, TOKEN) == "operator"
    assert (tmp_path / "secrets/operator-token").read_text() == TOKEN + "\n"


def test_a_token_that_could_be_guessed_is_refused(tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/operator-token").write_text("hunter2")
    with pytest.raises(StartError, match="32 characters"):
        typed(tmp_path, "migrate")


def test_a_backup_that_is_taken_while_deliveries_come_is_whole_and_loses_none_that_came_before(tmp_path):
    home, back = tmp_path / "home", tmp_path / "back"
    assert typed(home, "migrate").exit_code == 0
    (home / "secrets/hook-models").write_text("secret")
    inbox, stop = Inbox.open(Settings(home=home).store_url("inbox")), threading.Event()
    stored = []

    def write():
        for number in itertools.count():
            stored.append(inbox.store(Delivery("models", str(number), {}, b"{}", 0.0)).id)
            if stop.is_set():
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        wait_until(lambda: len(stored) > 20)
        before = list(stored)
        assert typed(home, "backup", str(tmp_path / "all.tar.gz")).exit_code == 0
    finally:
        stop.set()
        writer.join()
        inbox.close()
    assert stat.S_IMODE((tmp_path / "all.tar.gz").stat().st_mode) == 0o600

    assert typed(back, "restore", str(tmp_path / "all.tar.gz")).exit_code == 0
    for owner in stores.ORDER:
        connection = sqlite3.connect(back / "stores" / f"{owner}.db")
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
    inbox = Inbox.open(Settings(home=back).store_url("inbox"))
    assert {number for number, _ in inbox.arrived(0, limit=100_000)} >= set(before)
    inbox.close()
    assert (back / "secrets/hook-models").read_text() == "secret"
    assert stat.S_IMODE((back / "secrets/hook-models").stat().st_mode) == 0o600
    assert actor(back, (home / "secrets/operator-token").read_text().strip()) == "operator"


def test_the_engine_is_copied_before_the_inbox_and_after_the_series():
    """A newer inbox is taken up; a newer engine would never look at the ids that the inbox gives again."""
    assert stores.ORDER == ("series", "engine", "inbox")


def test_nothing_that_is_there_is_written_over(tmp_path):
    home, file = tmp_path / "home", tmp_path / "all.tar.gz"
    typed(home, "migrate")
    typed(home, "backup", str(file))
    with pytest.raises(StartError, match="is there already"):
        typed(home, "backup", str(file))
    with pytest.raises(StartError, match="holds stores already"):
        typed(home, "restore", str(file))


@pytest.mark.parametrize("name", ["../evil", "secrets/../../evil", "secrets/a/b", "run/up.json"])
def test_an_archive_of_another_form_writes_nothing_beside_the_home(tmp_path, name):
    home, file, more = tmp_path / "home", tmp_path / "all.tar.gz", tmp_path / "more.tar.gz"
    typed(home, "migrate")
    typed(home, "backup", str(file))
    with tarfile.open(file) as old, tarfile.open(more, "w:gz") as new:
        for member in old:
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
        new.addfile(tarfile.TarInfo(name))
    typed(tmp_path / "deep/back", "restore", str(more))
    written = {p for p in (tmp_path / "deep").rglob("*") if p.name in {"evil", "b", "up.json"}}
    assert written == set()
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"\x1f\x8b\x08\x00cut"])
def test_what_is_no_backup_is_refused(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(StartError, match=r"cannot be read as a backup|is no backup"):
        typed(tmp_path / "home", "restore", str(tmp_path / "file"))


def test_a_database_is_backed_up_by_its_own_means(tmp_path):
    settings = Settings(home=tmp_path, database="postgresql://segue@db/segue")
    for act in (stores.backup, stores.restore):
        with pytest.raises(StartError, match="pg_dump"):
            act(settings, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []
