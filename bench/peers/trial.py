"""One rollout of one version under one controller, with 100 requests a second all the time."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench.peers.controllers import Usage
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import Kind
from service.ports.outcomes import Retry
from tests.cluster.load import Answer, Load

RATE = 100.0  # requests a second
BEFORE, AFTER, PATIENCE = 15.0, 20.0, 290.0  # seconds; the candidate's pods may answer for some after the end
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trial:
    """What a rollout needs to be played and looked at.

    `ended` says how it ended, None before. `weight` reads the candidate's share (percent) from the object of
    kind `carrier`. `pids` are the controller's processes.
    """

    who: str
    host: str
    carrier: Kind
    namespace: str
    name: str
    weight: Callable[[Object], float]
    trigger: Callable[[], None]
    ended: Callable[[], str | None]
    pids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Times in seconds, None where it did not come to that. `window`: from the trigger to the last look."""

    who: str
    how: str
    requests: int
    by_version: int  # answers of the candidate that are no 200
    others: int  # failed, and not answered by the candidate
    trigger_to_bad: float | None
    bad_to_zero: float | None
    trigger_to_end: float
    cpu: float
    window: float
    memory: float  # MiB
    behind: float  # seconds by which the load was late at most
    weights: tuple[tuple[float, float], ...]  # seconds since the trigger, percent


def run(api: Api, url: str, trial: Trial, candidate: str) -> Outcome:
    """Play it. `candidate` is what the new version calls itself."""
    with _weights(api, trial) as seen, Load(url, {"Host": trial.host}, rate=RATE, path="/") as load:
        time.sleep(BEFORE)
        usage = Usage(trial.pids)
        begun, begun_at = load.now(), time.monotonic()
        trial.trigger()
        how = _end(trial)
        ended = load.now() - begun
        time.sleep(AFTER)
        window, cpu = load.now() - begun, usage.end()
    failed = [one for one in load.answers if one.status != 200]
    bad = [one for one in failed if one.version == candidate]
    weights = tuple((round(at - begun_at, 1), weight) for at, weight in seen)
    first = min(map(_answered, bad)) - begun if bad else None
    zero = _zero(weights)
    return Outcome(
        who=trial.who,
        how=how,
        requests=len(load.answers),
        by_version=len(bad),
        others=len(failed) - len(bad),
        trigger_to_bad=first,
        bad_to_zero=None if first is None or zero is None else zero - first,
        trigger_to_end=ended,
        cpu=cpu,
        window=window,
        memory=usage.memory,
        behind=load.behind,
        weights=weights,
    )


def _end(trial: Trial) -> str:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if how := trial.ended():
            return how
        time.sleep(1)
    return "not ended"


@contextmanager
def _weights(api: Api, trial: Trial) -> Iterator[list[tuple[float, float]]]:
    """The candidate's weights with their moments (monotonic), as the API server tells of them."""
    seen: list[tuple[float, float]] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            try:
                only = f"metadata.name={trial.name}"
                for _, changed in api.watch(trial.carrier, trial.namespace, fields=only, seconds=5):
                    seen.extend((time.monotonic(), trial.weight(found)) for found in changed)
            except Retry:
                continue

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    yield seen
    over.set()
    thread.join()


def _answered(answer: Answer) -> float:
    return answer.at + answer.seconds


def _zero(weights: tuple[tuple[float, float], ...]) -> float | None:
    """When the weight went back to zero for good; None where it did not."""
    positive = [number for number, (_, weight) in enumerate(weights) if weight > 0]
    after = weights[positive[-1] + 1 :] if positive else ()
    return after[0][0] if after else None
