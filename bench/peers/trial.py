"""One rollout of one version under one controller, with 100 requests a second all the time."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.peers import objects
from bench.peers.controllers import Usage
from bench.peers.plane import ACCOUNT, NAMESPACE
from service.adapters.kubernetes.api import Api
from service.adapters.kubernetes.kinds import DEPLOYMENT, POD, Kind
from service.ports.outcomes import Retry
from tests.cluster import audit
from tests.cluster.load import Answer, Load

RATE = 100.0  # requests a second
BEFORE, AFTER = 30.0, 20.0  # seconds; the candidate's pods may answer for some after the end
PATIENCE = 1200.0  # seconds; a good version takes Segue a quarter of an hour by its defaults
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trial:
    """What a rollout needs to be played and looked at.

    `ended` says how it ended, None before. `weight` reads the candidate's share (percent) from the object of
    kind `carrier`. `pids` are the controller's processes, with `names` where there are several.
    """

    who: str
    host: str
    carrier: Kind
    namespace: str
    name: str
    image: str
    weight: Callable[[Object], float]
    trigger: Callable[[], None]
    ended: Callable[[], str | None]
    pids: tuple[int, ...]
    names: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Times in seconds, None where it did not come to that.

    `cpu`: of the controller's processes from the trigger to weight 0, or to the end where the version was
    promoted; `cpu_after`: from then until `AFTER` seconds past the end; `cpu_at_rest`: in a minute before it.
    `calls`: of the API server, from the trigger to the end; `calls_at_rest`: in a minute before it.
    """

    who: str
    how: str
    requests: int
    by_version: int  # answers of the candidate that are no 200
    others: int  # failed, and not answered by the candidate
    cluster_ready: float  # the cluster's own time to a ready pod of the same kind
    trigger_to_share: float | None  # to the first weight of the candidate's, written
    trigger_to_first: float | None  # to the candidate's first answer
    trigger_to_bad: float | None
    bad_to_zero: float | None
    trigger_to_end: float
    cpu: float
    cpu_after: float
    cpu_at_rest: float
    processes: dict[str, float]  # the parts of `cpu`
    calls: int
    calls_at_rest: float
    memory: float  # MiB
    behind: float  # seconds by which the load was late at most
    weights: tuple[tuple[float, float], ...]  # seconds since the trigger, percent


def run(api: Api, url: str, log: Path, trial: Trial, candidate: str) -> Outcome:
    """Play it. `log`: the API server's audit log; `candidate`: what the new version calls itself."""
    with _weights(api, trial) as seen, Load(url, {"Host": trial.host}, rate=RATE, path="/") as load:
        ready = min(_ready(api, trial.namespace, trial.image) for _ in range(3))  # the first pulls the image
        resting, idle = _calls(log), Usage(trial.pids)
        time.sleep(BEFORE)
        before, at_rest = _calls(log), idle.end()
        usage = Usage(trial.pids)
        begun, begun_at = load.now(), time.monotonic()
        trial.trigger()
        how = _end(trial)
        ended, calls = load.now() - begun, _calls(log) - before
        time.sleep(AFTER)
        whole = usage.end()
    failed = [one for one in load.answers if one.status != 200]
    bad = [one for one in failed if one.version == candidate]
    weights = tuple((round(at - begun_at, 1), weight) for at, weight in seen)
    first = min(map(_answered, bad)) - begun if bad else None
    answered = [_answered(one) for one in load.answers if one.version == candidate]
    zero = _zero(weights)
    counted = begun_at + (ended if zero is None else zero)
    return Outcome(
        who=trial.who,
        how=how,
        requests=len(load.answers),
        by_version=len(bad),
        others=len(failed) - len(bad),
        cluster_ready=ready,
        trigger_to_share=next((at for at, weight in weights if weight > 0), None),
        trigger_to_first=min(answered) - begun if answered else None,
        trigger_to_bad=first,
        bad_to_zero=None if first is None or zero is None else zero - first,
        trigger_to_end=ended,
        cpu=usage.until(counted),
        cpu_after=whole - usage.until(counted),
        cpu_at_rest=at_rest * 60 / BEFORE,
        processes=_by_name(trial, usage.by_process(counted)),
        calls=calls,
        calls_at_rest=(before - resting) * 60 / BEFORE,
        memory=usage.memory,
        behind=load.behind,
        weights=weights,
    )


def _ready(api: Api, namespace: str, image: str) -> float:
    """Seconds from creating the application's Deployment, under nobody's care, to its first ready pod."""
    begun = time.monotonic()
    api.create(DEPLOYMENT, namespace, objects.bare(namespace, image))
    while not ((api.get(DEPLOYMENT, namespace, objects.BARE) or {}).get("status") or {}).get("readyReplicas"):
        time.sleep(0.02)
    seconds = time.monotonic() - begun
    api.delete(DEPLOYMENT, namespace, objects.BARE)
    while api.get(DEPLOYMENT, namespace, objects.BARE) or api.list(POD, namespace, f"app={objects.BARE}"):
        time.sleep(0.2)
    return seconds


def _calls(log: Path) -> int:
    return len(audit.calls(log, NAMESPACE, ACCOUNT))


def _by_name(trial: Trial, spent: dict[int, float]) -> dict[str, float]:
    return {trial.names.get(pid, trial.who): round(seconds, 2) for pid, seconds in spent.items()}


def _end(trial: Trial) -> str:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if how := trial.ended():
            return how
        time.sleep(1)
    return "not ended"


@contextmanager
def _weights(api: Api, trial: Trial) -> Iterator[list[tuple[float, float]]]:
    """The candidate's weights, and when (monotonic) the API server told of each change."""
    seen: list[tuple[float, float]] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            try:
                only = f"metadata.name={trial.name}"
                for _, changed in api.watch(trial.carrier, trial.namespace, fields=only, seconds=5):
                    for weight in map(trial.weight, changed):
                        if not seen or seen[-1][1] != weight:
                            seen.append((time.monotonic(), weight))
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
