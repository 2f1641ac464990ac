"""R14: the disk fails at the n-th call, or the process dies in it: what was acknowledged is stored."""

import errno
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.harness import scaled, seed_of_this_run, told

SYNC, WRITE = 1, 2
DIES = 0
HERE = Path(__file__).parent


def play(library, root, orders, fault=""):
    """What came of each order."""
    environ = {**os.environ, "LD_PRELOAD": str(library)}
    command = [sys.executable, "-m", "tests.faults.on_a_failing_disk", str(root), fault, json.dumps(orders)]
    done = subprocess.run(
        command, env=environ, cwd=HERE.parents[1], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def lost(one):
    """What was acknowledged and is not there; a database that is damaged."""
    connection = sqlite3.connect(Path(one["folder"]) / "inbox.db")
    sound = connection.execute("PRAGMA integrity_check").fetchone()[0]
    rows = {
        (str(number), body.decode()) for number, body in connection.execute("SELECT id, body FROM delivery")
    }
    connection.close()
    missing = [name for name in one["acknowledged"] if tuple(name) not in rows]
    return missing if sound == "ok" else [sound, *missing]


@pytest.mark.faults
@pytest.mark.timeout(scaled(600, 3600))
def test_whatever_call_of_the_disk_fails_what_was_acknowledged_is_stored(failing_disk, tmp_path):
    most = scaled(15, 50)
    orders = [
        (what, nth, error)
        for what, errors in ((SYNC, (DIES, errno.EIO)), (WRITE, (DIES, errno.EIO, errno.ENOSPC)))
        for error in errors
        for nth in range(1, most + 1)
    ]
    results = play(failing_disk, tmp_path, orders)
    struck = sum(one["killed"] or one.get("struck", 0) > 0 for one in results)
    wrong = [(order, lost(one)) for order, one in zip(orders, results, strict=True) if lost(one)]
    told(
        "failing disk",
        failures=len(orders),
        struck=struck,
        processes_killed=sum(one["killed"] for one in results),
        acknowledged=sum(len(one["acknowledged"]) for one in results),
        lost=len(wrong),
    )
    assert wrong == []
    assert len(results) == len(orders)
    assert struck >= 0.8 * len(orders)
    assert any(one["acknowledged"] for one in results)


@pytest.mark.faults
@pytest.mark.timeout(120)
def test_a_failing_disk_finds_an_intake_that_says_stored_whatever_happened(failing_disk, tmp_path):
    seed = seed_of_this_run()
    fault = "a_failed_write_counts_as_stored"
    results = play(failing_disk, tmp_path, [(SYNC, n, errno.EIO) for n in range(2, 12)], fault)
    found = [one for one in results if lost(one)]
    told(f"planted {fault}", seed=seed, found=len(found), of=len(results))
    assert found
