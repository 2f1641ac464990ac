"""R1: `kill -9` of random bodies at random moments, thousands of times: the promises hold."""

import time
from collections import Counter

import pytest

from tests.faults import holds
from tests.faults.harness import running, scaled, seed_of_this_run, told

SPEED = 20.0  # seconds of Segue's clock in a second
PAUSE = 0.015
TROUBLE = 0.02


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_whatever_body_is_killed_whenever_nothing_is_lost_twice_older_or_stuck(tmp_path):
    seed, times, began = seed_of_this_run(), scaled(2_000, 10_000), time.monotonic()
    with running(tmp_path / "segue", seed, trouble=TROUBLE) as harness:
        harness.clock.run(SPEED)
        harness.people.go_on(True)
        harness.kill_at_random(times, PAUSE)
        settled = harness.settle(120)
        seen = harness.world.report()
        phases = Counter(row.phase for row in harness.releases())
        wrong = holds.broken(harness, seen, settled)
    told(
        "random kills",
        seed=seed,
        kills=times,
        seconds=round(time.monotonic() - began),
        releases=dict(phases),
        pushes=f"{len(seen.pushes)} ({seen.dropped} told to nobody)",
        acknowledged=len(seen.acknowledged),
        commands=len(seen.commands),
        traffic_writes=len(seen.writes),
        calls=sum(seen.calls.values()),
        disturbed_calls=dict(seen.trouble),
        broken_promises=len(wrong),
    )
    assert wrong == []
    assert phases["promoted"] > times / 100
    assert len(seen.acknowledged) > times / 50
