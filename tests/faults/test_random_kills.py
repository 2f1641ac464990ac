"""R1: `kill -9` of random bodies at random moments, thousands of times: the promises hold.

Several installations, each with stores of its own, two of them at a time: one alone waits more than it works.
"""

import os
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import pytest

from tests.faults.harness import scaled, seed_of_this_run, told
from tests.faults.runs import DENSE, kill_bodies

INSTALLATIONS = scaled(2, 8)
AT_ONCE = 2


@pytest.mark.faults
@pytest.mark.timeout(scaled(900, 7200))
def test_whatever_body_is_killed_whenever_nothing_is_lost_twice_older_or_stuck(tmp_path):
    seed, times, began = seed_of_this_run(), scaled(1_000, 10_000), time.monotonic()
    each = partial(one_installation, tmp_path, times=times // INSTALLATIONS)
    # Begun anew: what pytest's process has open is nobody's but its own.
    with ProcessPoolExecutor(AT_ONCE, get_context("spawn")) as pool:
        runs = list(pool.map(each, range(seed, seed + INSTALLATIONS)))
    phases = sum((run.phases for run in runs), Counter())
    seen = [run.seen for run in runs]
    wrong = [f"seed {run.seed}: {one}" for run in runs for one in run.wrong]
    told(
        "random kills",
        seed=seed,
        installations=INSTALLATIONS,
        kills=times,
        seconds=round(time.monotonic() - began),
        processor_seconds=round(sum(run.spent for run in runs)),
        releases=dict(phases),
        pushes=f"{sum(len(one.pushes) for one in seen)} ({sum(one.dropped for one in seen)} told to nobody)",
        acknowledged=sum(len(one.acknowledged) for one in seen),
        commands=sum(len(one.commands) for one in seen),
        traffic_writes=sum(len(one.writes) for one in seen),
        calls=sum(sum(one.calls.values()) for one in seen),
        disturbed_calls=dict(sum((one.trouble for one in seen), Counter())),
        broken_promises=wrong[:5] or 0,
    )
    assert wrong == []
    assert phases["promoted"] > times / 100
    assert sum(len(one.acknowledged) for one in seen) > times / 50


def one_installation(folder, seed, times):
    """Its run, with the processor's seconds that it took."""
    before = sum(os.times()[:4])
    run = kill_bodies(folder / f"segue-{seed}", seed, times, density=DENSE)
    run.spent = sum(os.times()[:4]) - before
    return run


@pytest.mark.faults
@pytest.mark.postgres
@pytest.mark.timeout(scaled(900, 7200))
def test_the_same_holds_on_postgresql(tmp_path, postgres):
    seed, times = seed_of_this_run(), scaled(60, 2_000)
    run = kill_bodies(tmp_path / "segue", seed, times, density=DENSE, database=postgres.new_database())
    told(
        "random kills on PostgreSQL",
        seed=seed,
        kills=times,
        seconds=round(run.seconds),
        releases=dict(run.phases),
        acknowledged=len(run.seen.acknowledged),
        traffic_writes=len(run.seen.writes),
        broken_promises=run.wrong[:5] or 0,
    )
    assert run.wrong == []
    assert run.phases["promoted"] > times / 200
