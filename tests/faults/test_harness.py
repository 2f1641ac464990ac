"""The harness itself: no wait is in vain without a reason, and one process alone ends at a point."""

import os
import signal
import time

import pytest

from tests.faults import harness
from tests.faults.points import BEFORE, Points
from tests.faults.runs import PACE


@pytest.mark.timeout(300)
def test_a_wait_in_vain_says_who_does_not_get_on_and_where_it_is(tmp_path):
    with harness.running(tmp_path / "segue", 1, models=1, longest=0.1) as made:
        made.clock.run(PACE)
        stopped, _ = made.fork("reconciler", lambda _: time.sleep(3600)), made.fork("patient")
        with pytest.raises(AssertionError, match="while the end of all releases was") as raised:
            made.settle(1e9)
        said = str(raised.value)
        assert "'reconciler'" in said
        assert "'patient'" not in said
        assert str(stopped) in said
        assert "most recent call first" in said  # its stack


@pytest.mark.timeout(300)
def test_a_world_that_ended_is_waited_for_by_nobody(tmp_path):
    with harness.running(tmp_path / "segue", 1, models=1) as made:
        os.kill(made._world, signal.SIGKILL)
        with pytest.raises(AssertionError, match="the world outside ended"):
            made.wait(1.0)


def test_of_all_who_come_to_a_point_at_once_one_ends():
    points = Points()
    points.arm("git.refs", BEFORE)
    begin, go = os.pipe()
    children = [_comes(points, begin, go) for _ in range(12)]
    os.close(begin)
    os.close(go)  # they are all told at once
    ends = [os.WIFSIGNALED(os.waitpid(pid, 0)[1]) for pid in children]
    assert ends.count(True) == 1
    assert not points.disarm()


def _comes(points, begin, go):
    pid = os.fork()
    if pid == 0:
        os.close(go)
        os.read(begin, 1)
        points.pass_by("git.refs", BEFORE)
        os._exit(0)
    return pid
