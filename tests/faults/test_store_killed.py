"""Processes killed at any moment lose nothing that they acknowledged, and damage nothing."""

import random
import subprocess
import sys
import time

import pytest
from sqlalchemy import text

from service.store.database import reading
from service.store.queue import Work
from service.store.store import Store
from tests.faults.harness import told

LIVES = 6

# Takes work, and with its answer stores a new row, a record entry and the next work: all or nothing.
# It prints what it has committed, and only then.
WORKER = """
import sys
from service.store.queue import Work
from service.store.rows import VersionRow
from service.store.store import Store

url, name = sys.argv[1:]
store = Store.open(url)
print("ready", flush=True)
while True:
    work = store.claim(name, seconds=0.2)
    if work is None:
        continue
    number = work.body["number"]
    with store.change() as change:
        change.save_version(VersionRow(f"v{number}", "wine", {"number": number}))
        change.record(f"v{number}", name, "built", {"number": number})
        change.add_work(Work("line", "job", f"k{number + 1}", "line", {"number": number + 1}))
        change.finish(work)
    print(number, flush=True)
"""


@pytest.mark.parametrize("seed", range(3))
def test_killed_workers_lose_nothing_acknowledged_and_do_nothing_twice(database_url, seed):
    chance, acknowledged = random.Random(seed), []
    store = Store.open(database_url)
    with store.change() as change:
        change.add_work(Work("line", "job", "k0", "line", {"number": 0}))
    for life in range(LIVES):
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, database_url, f"w{life}"], stdout=subprocess.PIPE, text=True
        )
        assert worker.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0.0, 0.25))
        worker.kill()
        printed, _ = worker.communicate()
        acknowledged += [int(line) for line in printed.splitlines(keepends=True) if line.endswith("\n")]
    settle(store)
    stored = sorted(row.state["number"] for row in store.versions())
    assert acknowledged, "the workers got nothing done"
    assert acknowledged == sorted(set(acknowledged)), "something was done twice"
    assert set(acknowledged) <= set(stored)
    assert len(stored) - len(acknowledged) <= LIVES, "only a commit that each kill hid may be unknown"
    assert stored == list(range(len(stored)))
    assert [entry.detail["number"] for entry in store.record_of(limit=100_000)] == stored
    assert store.verify() is None
    assert [work.body["number"] for work in store.work_of("line") if work.finished is None] == [len(stored)]
    told(
        f"killed writers on {store.engine.dialect.name}",
        seed=seed,
        killed=LIVES,
        acknowledged=len(acknowledged),
        stored=len(stored),
    )
    with reading(store.engine) as connection:
        if connection.dialect.name == "sqlite":
            assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    store.close()


def settle(store):
    """On PostgreSQL a killed client's last commit may still be on its way."""
    before = None
    while (now := len(store.versions())) != before:
        before = now
        time.sleep(0.2)
