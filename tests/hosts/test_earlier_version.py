"""A rolling upgrade: processes of an earlier Segue and today's share the stores of one installation."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from sqlalchemy import column, func, select, table

from service.adapters.valkey import ValkeyDaemon
from service.client import Client
from service.demo.place import program
from service.demo.traffic import Traffic, request_of
from service.machine.installation import TOKEN, place, running
from service.processes import NAMES
from service.settings import environ_of
from service.store import tables
from service.store.database import open_database, reading
from service.store.store import Store
from service.up import kept, ready
from tests.hosts import earlier
from tests.installation import TARGET, Installation
from tests.running import free_port, wait_until

SECONDS = 180  # that a release may take beside other work on this machine
EACH = 20  # pieces of work that old and new have done before the old ones may end
SHARED = {"SetTraffic", "look"}  # of these, among others
MOST = 12  # pushes until they have


@pytest.fixture(scope="module")
def earlier_segue(tmp_path_factory):
    """The command of an earlier version."""
    return earlier.install(earlier.commit(), tmp_path_factory.mktemp("earlier"))


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.whole), "postgres"])
def installed(request, tmp_path, earlier_segue):
    """An installation of the earlier version, with one version promoted by it."""
    stores = {}
    if request.param == "postgres":
        stores["SEGUE_DATABASE"] = request.getfixturevalue("postgres").new_database()
    made = Installation(tmp_path / "segue", **stores)
    made.program = str(earlier_segue)
    try:
        made.start()
        made.connect()
        assert made.release_of(made.push(1), SECONDS)["phase"] == "promoted"
        yield made
    finally:
        made.end()


class Today:
    """Today's six processes beside those that run: the same home and stores, doors of their own."""

    def __init__(self, installed):
        known = installed.settings
        broker = ValkeyDaemon.open(known).url()
        self.settings = replace(known, broker=broker, intake_port=free_port(), web_port=free_port())
        environ = {**kept(os.environ), **environ_of(self.settings)}
        with (installed.place.root / "today.log").open("ab") as log:
            self.processes = {
                name: subprocess.Popen(
                    [sys.executable, "-m", "service.processes", name], env=environ, stdout=log, stderr=log
                )
                for name in NAMES
            }

    @property
    def pids(self):
        return {process.pid for process in self.processes.values()}

    @property
    def client(self):
        where = place(self.settings)
        return Client(where.intake, where.web, self.settings.secret(TOKEN).decode())

    def are_ready(self):
        for name, process in self.processes.items():
            assert process.poll() is None, f"{name} ended"
            found = running(self.settings.home, name)
            if found is None or found.pid != process.pid or not ready(self.settings, name):
                return False
        return True

    def end(self):
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        assert {process.wait(60) for process in self.processes.values()} == {0}


def done_by(store, pids, since):
    """The kinds of work after that number which these processes have done, a word for each."""
    done = select(tables.work.c.owner, tables.work.c.kind)
    done = done.where(tables.work.c.state == "done", tables.work.c.id > since)
    with reading(store.engine) as connection:
        return [kind for owner, kind in connection.execute(done) if int(owner.split("/")[3]) in pids]


def newest_work(store):
    with reading(store.engine) as connection:
        return connection.scalar(select(func.max(tables.work.c.id)))


def form_of(settings):
    """The revision of each store that the processes share, read without migrating it."""
    return {owner: stored(settings.store_url(owner), owner) for owner in ("engine", "series")}


def stored(url, owner):
    engine = open_database(url)
    with reading(engine) as connection:
        found = connection.scalar(
            select(column("version_num")).select_from(table(f"alembic_version_{owner}"))
        )
    engine.dispose()
    return found


@pytest.mark.timeout(1800)
def test_old_and_new_processes_share_the_work_and_everything_ends_also_after_the_old_ones_are_gone(
    installed, monkeypatch
):
    # What a newer process has written waits up to half a minute each time that an old one meets it.
    monkeypatch.setattr("service.client.api.REPLY_SECONDS", SECONDS)
    url = installed.settings.store_url("engine")
    form = form_of(installed.settings)
    old = {running(installed.place.home, name).pid for name in NAMES}
    today = Today(installed)
    users = Traffic(request_of(TARGET, installed.router(), "predict", {}), rate=60)
    users.start()
    try:
        wait_until(today.are_ready, 60)
        assert form_of(installed.settings) != form, "the earlier version was no other one"
        store = Store.open(url)
        commits = pushed_until_both_have_worked(installed, store, old, today.pids)
        for client in (installed.client, today.client):  # each version's doors, whoever obeys them
            told = client.command("rollback", TARGET)
            assert told["ok"], told
            assert installed.ended(told["release"], SECONDS)["phase"] == "promoted"
        commits.append(installed.push(MOST + 2))
        wait_until(lambda: installed.releases(commits[-1]), SECONDS)
        installed.end_up()
        installed.program = program()
        installed.start()
        assert installed.release_of(commits[-1], SECONDS)["phase"] == "promoted"
    finally:
        today.end()
    bad = installed.push(MOST + 3, status=500)
    assert installed.release_of(bad, SECONDS)["phase"] == "rolled back"
    users.end()
    assert all(len(installed.releases(commit)) == 1 for commit in (*commits, bad))
    assert {answer.version for answer in users.answers if answer.failed} <= {
        installed.releases(bad)[0]["backend"]
    }
    assert store.dead() == []
    assert store.verify() is None
    store.close()


def pushed_until_both_have_worked(installed, store, old, new):
    """Versions that were promoted while old and new processes each looked at the source and wrote weights."""
    since, commits = newest_work(store), []
    for number in range(2, MOST + 2):
        commits.append(installed.push(number))
        assert installed.release_of(commits[-1], SECONDS)["phase"] == "promoted"
        theirs, ours = (done_by(store, pids, since) for pids in (old, new))
        if min(len(theirs), len(ours)) >= EACH and {*theirs} & {*ours} >= SHARED:
            return commits
    raise AssertionError(f"old ones did {sorted(theirs)}, new ones {sorted(ours)}")
