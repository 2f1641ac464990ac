"""R7, R8 and R13: somebody outside hangs, the database is killed, the clock jumps."""

import signal
import time
from collections import Counter
from itertools import accumulate

import pytest

from tests.faults import holds
from tests.faults.harness import SLOTS, running, scaled, seed_of_this_run, told
from tests.faults.runs import PACE, kill_bodies

JUMPS = (-86_400.0, -7_200.0, 7_200.0, 86_400.0)  # seconds
BETWEEN_JUMPS = 40  # kills
MANY_WORKERS = (
    *SLOTS,
    *["urgent"] * 4,
    *["patient"] * 6,
)  # most of the time each waits for the database's disk
PATIENCE = 300.0  # seconds of Segue's clock: far more than a rollout takes


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("method", ["git.refs", "builder.state"])
def test_whoever_hangs_outside_delays_no_weight(tmp_path, method):
    """A rollout on its way ends, though the patient workers wait for an answer that never comes."""
    seed = seed_of_this_run()
    with running(tmp_path / "segue", seed, models=1) as harness:
        harness.clock.run(PACE)
        harness.people.push()
        for slot in SLOTS:
            harness.fork(slot)
        while not harness.writing():
            harness.patient("a rollout")
            time.sleep(0.05)
        harness.world.break_(method, "hang")
        harness.people.push()  # so that somebody has to ask
        ends, promoted = harness.clock() + PATIENCE, False
        while not promoted and harness.clock() < ends:
            time.sleep(0.1)
            harness.clock.beat("patient")  # they hang; time goes on for everybody else
            promoted = harness.count("promoted") >= 2
        weights = len(harness.world.report().writes)
    told(f"{method} hangs", seed=seed, promoted=promoted, traffic_writes=weights)
    assert promoted
    assert weights >= 3


@pytest.mark.faults
@pytest.mark.timeout(scaled(900, 7200))
def test_clocks_that_jump_by_hours_and_a_day_promote_nothing_early_and_lose_nothing(tmp_path):
    """At the end it is put right: what waits for a moment waits for it, however often the clock is set back."""
    jumped, times = [], scaled(160, 2_000)

    def jump(harness, number):
        if number % BETWEEN_JUMPS == BETWEEN_JUMPS - 1:
            jumped.append(harness.dice.choice(JUMPS))
            harness.clock.move(jumped[-1])
        if number == times - 1:
            shown = [0.0, *accumulate(jumped)]
            harness.clock.move(max(shown) - shown[-1])

    run = kill_bodies(tmp_path / "segue", seed_of_this_run(), times, meanwhile=jump)
    told(
        "clock jumps",
        seed=run.seed,
        seconds=round(run.seconds),
        kills=times,
        jumps=[f"{seconds / 3600:+g} h" for seconds in jumped[:12]],
        releases=dict(run.phases),
        broken_promises=run.wrong[:5] or 0,
    )
    assert run.wrong == []
    assert len(jumped) >= times // BETWEEN_JUMPS
    assert run.phases["promoted"] > 4


@pytest.mark.faults
@pytest.mark.postgres
@pytest.mark.timeout(scaled(900, 7200))
def test_a_database_that_is_killed_and_comes_back_loses_nothing(tmp_path, postgres):
    """PostgreSQL's postmaster gets SIGKILL or SIGQUIT while releases go on, and is started again."""
    seed, killed, began = seed_of_this_run(), 0, time.monotonic()
    url, models = postgres.new_database(), scaled(6, 100)
    wanted = models + scaled(6, 1_000)
    with running(tmp_path / "segue", seed, database=url, models=models) as harness:
        harness.clock.run(PACE)
        harness.people.go_on(True)
        for slot in MANY_WORKERS:
            harness.fork(slot)
        while killed < 2 or len(harness.releases()) < wanted:
            harness.people.push_all()
            harness.wait(harness.dice.uniform(20.0, 120.0))
            postgres.stop(harness.dice.choice((signal.SIGKILL, signal.SIGQUIT)))
            time.sleep(harness.dice.uniform(0.0, 0.5))
            postgres.start()
            killed += 1
        settled = harness.settle(3_600.0)
        seen = harness.world.report()
        wrong = holds.broken(harness, seen, settled)
        phases = Counter(row.phase for row in harness.releases())
    told(
        "killed databases",
        seed=seed,
        seconds=round(time.monotonic() - began),
        kills=killed,
        pushes=len(seen.pushes),
        releases=dict(phases),
        acknowledged=len(seen.acknowledged),
        broken_promises=wrong[:5] or 0,
    )
    assert wrong == []
    assert killed >= 2
    assert phases.total() >= wanted
    assert phases["promoted"] > phases.total() / 4
