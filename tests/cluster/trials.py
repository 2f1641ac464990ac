"""What adapters are put through: every call that they make fails once in every way, one way per trial.

A call that fails at once fails as often as the door tries it, so that whoever made it has to begin anew.
A first trial without faults tells which calls there are. What answers `Retry` is done again, as a
worker does it. Trials of one kind run beside each other, since most of them wait.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from service.adapters.kubernetes.api import Api
from service.ports.connections import Cluster
from service.ports.outcomes import Retry
from tests.cluster.faults import Fault, Rule, may_meet, nth
from tests.cluster.faulty_api import FaultyApi

EACH = (
    Fault.DROP_BEFORE,
    Fault.DROP_AFTER,
    Fault.ERROR_BEFORE,
    Fault.ERROR_AFTER,
    Fault.BUSY,
    Fault.HANG,
    Fault.LATE,
)
TRIES = 3  # of one call by the door
TIMES = 2  # the first and the second call of a kind
BESIDE = 8
T = TypeVar("T")
Play = Callable[[Api, Cluster, str], None]


@contextmanager
def through(cluster: Cluster, rule: Rule | None = None) -> Iterator[tuple[FaultyApi, Cluster]]:
    """A proxy, and the cluster as it is seen through it."""
    with FaultyApi(cluster.kubeconfig or "") as proxy, tempfile.TemporaryDirectory() as folder:
        if rule is not None:
            proxy.does(rule)
        yield proxy, replace(cluster, kubeconfig=proxy.kubeconfig(Path(folder, "faulty.conf")))


def persist(step: Callable[[], T], seconds: float = 60.0) -> T:
    """What it gives once it does not ask to be tried again."""
    until = time.monotonic() + seconds
    while True:
        try:
            return step()
        except Retry as reason:
            if time.monotonic() > until:
                raise AssertionError(f"it was not done within {seconds:g} s") from reason
            time.sleep(0.05)


def until(look: Callable[[], T], wanted: Callable[[T], bool], seconds: float = 60.0) -> T:
    """The first look, tried again where it asks for that, that is as wanted."""
    limit = time.monotonic() + seconds
    while not wanted(seen := persist(look)):
        assert time.monotonic() < limit, f"not within {seconds:g} s: {seen}"
        time.sleep(0.1)
    return seen


def each_call(cluster: Cluster, play: Play, times: int = TIMES) -> Counter[tuple[str, str]]:
    """Play it once without faults, then once for each call and each way to fail, with a name of its own.

    Raises what the first failed trial raised, with the fault in its words. The calls of the first play.
    """
    with through(cluster) as (proxy, seen):
        play(Api.of(seen), seen, "trial-0")
        counts = proxy.counts()
    faults = [
        (right, turn, fault)
        for right, count in sorted(counts.items())
        for turn in range(min(count, times))
        for fault in EACH
        if may_meet(fault, right[0])
    ]
    with ThreadPoolExecutor(BESIDE) as pool:
        trials = [
            pool.submit(_trial, cluster, play, f"trial-{number}", *fault)
            for number, fault in enumerate(faults, 1)
        ]
    for trial in trials:
        trial.result()
    return counts


def _trial(cluster: Cluster, play: Play, name: str, right: tuple[str, str], turn: int, fault: Fault) -> None:
    words = f"{name}: {fault} at call {turn + 1} of {' '.join(right)}"
    tries = 1 if fault in {Fault.HANG, Fault.LATE} else TRIES
    with through(cluster, nth(right, turn, fault, tries)) as (proxy, seen):
        try:
            play(Api.of(seen), seen, name)
        except BaseException as error:
            error.add_note(words)
            raise
        assert proxy.done, f"{words}: that call never came"
