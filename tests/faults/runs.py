"""The ways to disturb an installation of forked bodies; each returns what it did, saw and found broken.

Tests call them on the product as it is; `test_planted.py` calls them on a product with a fault in it.
"""

import os
import re
import signal
import time
from collections import Counter
from dataclasses import dataclass, field

from service.store.queue import ATTEMPTS
from tests.faults import holds
from tests.faults.harness import SLOTS, running
from tests.faults.points import INSIDE, NAMES, Points

PACE = 0.4  # seconds of Segue's clock in each of its steps, of which a machine makes some fifty in a second
DENSE, SPARSE = 2.0, 0.75  # random kills in a step, on average
# All of these are seconds of Segue's clock.
COMING = 60.0  # in which somebody comes to a point
AGAIN = 600.0  # the same for those that nobody came to the first time
LONGEST_STOP = 45.0  # longer than a lease
AWAKE = 30.0  # in which who stood still tells that its lease is lost; killed before, it would be one that died of its work
SETTLING = 1800.0  # in which everything ends once nobody disturbs it
RARE = ("store.retry", "store.free", "git.default_branch")  # come to where something else went wrong


@dataclass
class Run:
    """What came of it."""

    seed: int
    wrong: list[str] = field(default_factory=list)  # promises that did not hold
    seen: object = None  # the world's journal
    phases: Counter = field(default_factory=Counter)
    seconds: float = 0.0
    spent: float = 0.0  # the processor's seconds, where it was measured
    hit: list = field(default_factory=list)  # points that somebody came to
    missed: list = field(default_factory=list)
    woken: int = 0
    leases_lost: int = 0
    deaths: int = 0


def kill_bodies(
    folder, seed, times, *, density=SPARSE, trouble=0.02, settling=SETTLING, meanwhile=None, **options
):
    """`kill -9` of random bodies at random moments. `meanwhile(harness, number)` runs before each."""
    run, began = Run(seed), time.monotonic()
    with running(folder, seed, trouble=trouble, **options) as harness:
        harness.people.go_on(True)
        harness.kill_at_random(times, PACE, density, meanwhile)
        _end(run, harness, settling, began)
    return run


def die_at(folder, seed, names, *, trouble=0.01, settling=SETTLING, again=AGAIN, **options):
    """Whoever comes first to each point kills itself, before it and after it."""
    run, began, points = Run(seed), time.monotonic(), Points()
    with running(folder, seed, trouble=trouble, wide=True, **options) as harness:
        _begin(harness, points)
        order = [(name, when) for name in names for when in (0, 1)]
        missed = _die(run, harness, points, order, COMING)
        run.missed = _die(run, harness, points, missed, again)
        _end(run, harness, settling, began)
        run.wrong = _meant(harness, run.wrong)
    return run


def stand_still(folder, seed, names, *, settling=SETTLING, **options):
    """Whoever comes first to each point stops, and wakes when its lease has ended and others went on."""
    run, began, points = Run(seed), time.monotonic(), Points()
    with running(folder, seed, wide=True, **options) as harness:
        _begin(harness, points)
        asleep, awake = [], []
        for name, when in [(name, when) for name in names for when in (0, 1)]:
            points.arm(name, when, signal.SIGSTOP)
            harness.people.fill()
            fallen = harness.fallen(COMING, os.WIFSTOPPED)
            if not points.disarm() and fallen is None:
                fallen = harness.fallen(COMING, os.WIFSTOPPED)  # it came there in the last moment
            if fallen is not None:
                asleep.append((harness.clock() + LONGEST_STOP, fallen))
                run.hit.append((name, when))
                harness.fork(harness.children[fallen], points.install)
            run.woken += _wake(harness, asleep, awake)
        while asleep:
            harness.patient("who stands still")
            time.sleep(0.05)
            run.woken += _wake(harness, asleep, awake)
        harness.wait(10.0)
        _end(run, harness, settling, began)
        run.leases_lost = harness.log.read_text().count("lease lost")
    return run


def poison(folder, seed, name, most, *, settling=300.0, **options):
    """A piece of work kills whoever comes to a point with it, up to `most` times; then all is well again."""
    run, began, points = Run(seed), time.monotonic(), Points()
    with running(folder, seed, **options) as harness:
        harness.clock.run(PACE)
        for slot in SLOTS:
            harness.fork(slot, points.install)
        harness.people.push()
        ends = harness.clock() + settling
        points.poison(name)
        while run.deaths < most and harness.clock() < ends:
            fallen = harness.fallen(10.0)
            if fallen is not None:
                run.deaths += 1
                harness.fork(harness.slots[fallen], points.install)
            elif harness.settled():
                break
            harness.let_go()
        points.disarm()
        _end(run, harness, settling, began)
    return run


def outside_transactions():
    """The points at which nobody else waits for who stands still."""
    return [name for name in NAMES if name not in INSIDE and name not in RARE]


def _begin(harness, points):
    harness.clock.run(PACE)
    harness.people.go_on(True)
    for slot in SLOTS:
        harness.fork(slot, points.install)


def _die(run, harness, points, order, seconds):
    """Kill whoever comes to each point; the points that nobody came to."""
    missed = []
    for name, when in order:
        points.arm(name, when)
        harness.people.fill()
        fallen = harness.fallen(seconds)
        if not points.disarm() and fallen is None:
            fallen = harness.fallen(seconds)  # it came there in the last moment
        (missed if fallen is None else run.hit).append((name, when))
        if fallen is not None:
            harness.fork(harness.slots[fallen], points.install)
    return missed


def _wake(harness, asleep, awake):
    """Let those go on who stood still long enough; how many. They go on beside who took their place, and each of
    the others may have to make room for them."""
    now = harness.clock()
    due = [one for one in asleep if one[0] <= now]
    for one in due:
        asleep.remove(one)
        os.kill(one[1], signal.SIGCONT)
    awake[:] = [one for one in awake if one[0] > now] + [(now + AWAKE, pid) for _, pid in due]
    others = sorted(set(harness.children) - {pid for _, pid in (*asleep, *awake)})
    surplus = len(harness.children) - len(asleep) - 2 * len(SLOTS)
    for pid in harness.dice.sample(others, min(max(0, surplus), len(others))):
        slot = harness.kill(pid)
        if slot not in harness.children.values():
            harness.fork(slot)
    return len(due)


def _end(run, harness, settling, began):
    settled = harness.settle(settling)
    run.seen = harness.world.report()
    run.phases = Counter(row.phase for row in harness.releases())
    run.wrong = holds.broken(harness, run.seen, settled)
    run.seconds = time.monotonic() - began


def _meant(harness, wrong):
    """Without work that is given up because so many workers died at it, each at an armed point: by chance that
    is the same piece of work, and what is done then is told under "not promised". Who only stood still lives:
    no work is given up for that."""
    ends = Counter(re.findall(r"ends here.*?\bwork=(\d+)", harness.log.read_text()))
    given_up = re.compile(r"work (\d+) \(\w+\) was given up: its worker ended each time")
    return [
        one for one in wrong
        if (found := given_up.match(one)) is None or ends[found[1]] < ATTEMPTS
    ]  # fmt: skip
