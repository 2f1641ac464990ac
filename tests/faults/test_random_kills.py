"""R1: `kill -9` of random bodies at random moments, thousands of times: the promises hold."""

import pytest

from tests.faults.harness import scaled, seed_of_this_run, told
from tests.faults.runs import kill_bodies


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_whatever_body_is_killed_whenever_nothing_is_lost_twice_older_or_stuck(tmp_path):
    times = scaled(1_000, 10_000)
    run = kill_bodies(tmp_path / "segue", seed_of_this_run(), times)
    seen = run.seen
    told(
        "random kills",
        seed=run.seed,
        kills=times,
        seconds=round(run.seconds),
        releases=dict(run.phases),
        pushes=f"{len(seen.pushes)} ({seen.dropped} told to nobody)",
        acknowledged=len(seen.acknowledged),
        commands=len(seen.commands),
        traffic_writes=len(seen.writes),
        calls=sum(seen.calls.values()),
        disturbed_calls=dict(seen.trouble),
        broken_promises=run.wrong[:5] or 0,
    )
    assert run.wrong == []
    assert run.phases["promoted"] > times / 100
    assert len(seen.acknowledged) > times / 50
