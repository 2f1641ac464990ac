"""A policy tried on simulated traffic in a process of its own: in bounded time, and never twice at once.

A trial takes seconds of a processor, which whoever serves requests does not have. So each is a process with
less priority and a limit, only one runs at a time, and what came of the last ones is kept.
"""

import json
import signal
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from policies.guards import coarse
from policies.guards.coarse import Usual
from policies.spec.declaration import Environment
from policies.spec.support import BOUNDS
from service.rehearsing import simulated_shown, simulating
from service.rehearsing.simulating import Expected
from service.showing.panel import Panel
from service.store.codec import Codec
from service.worlds.latency import Latency

log = structlog.get_logger()
RUNS = 100  # rollouts of each kind
CPU_SECONDS = 40
WALL_SECONDS = 180.0  # the process has less priority, and may have to wait for its processor
KEPT = 64
MEDIAN, P99 = 0.08, 0.4  # seconds that requests take, as `segue simulate` assumes
SEED = 1


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried: a policy, requests per second, the failed share of stable's, and how many times as many
    a worse version fails."""

    environment: Environment
    rate: float
    errors: float
    worse: float


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of version comes to, a line each."""

    words: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a trial: words and a picture, or why there are none."""

    kinds: tuple[Kind, ...] = ()
    forecasts: tuple[Mapping[str, Any], ...] = ()  # the same as numbers, for programs
    panels: tuple[Panel, ...] = ()
    left_out: tuple[str, ...] = ()  # guards that no simulated router feeds
    why_not: str = ""
    failed: bool = False  # by no fault of the policy: whoever asks once more has it played once more


FAILED = Tried(why_not="It could not be played; the log of the web process says why.", failed=True)
_MOST_SAID = 2000  # characters of what the child said last
TRIAL: Codec[Trial] = Codec(Trial)
TRIED: Codec[Tried] = Codec(Tried)


def play(trial: Trial) -> Tried:
    """Play it here: the same numbers as `segue simulate --runs 100`."""
    environment, left_out = simulating.fed(trial.environment)
    expected = Expected(trial.rate, trial.errors, Latency.like(MEDIAN, P99))
    kinds = simulating.kinds_of(expected, (trial.worse,), ())
    forecasts = simulating.simulate(environment, expected, kinds, runs=RUNS, seed=SEED)
    told = []
    for forecast in forecasts:
        words, *lines = simulated_shown.lines([forecast], environment.false_rollbacks)
        told.append(Kind(words, tuple(line.strip() for line in lines)))
    numbers = tuple(forecast.as_json() for forecast in forecasts)
    return Tried(tuple(told), numbers, tuple(simulated_shown.panels(forecasts)), tuple(left_out))


def as_json(name: str, trial: Trial, tried: Tried) -> dict[str, Any]:
    """What came of it, as `segue simulate --json` has it; by the buckets of this machine's router."""
    policy, left_out = simulating.fed(trial.environment)
    hidden = list(coarse.coarse(policy.guards, BOUNDS, Usual(MEDIAN, P99)))
    title = simulated_shown.title(name, policy, trial.rate, trial.errors)
    return simulated_shown.values(title, SEED, left_out, hidden, tried.forecasts)


def beside(trial: Trial) -> Tried:
    """Play it in a process of its own, which is given nothing but the trial."""
    command = [sys.executable, "-P", "-m", "service.rehearsing.trial_child", str(CPU_SECONDS)]
    order = json.dumps(TRIAL.dump(trial)).encode()
    one_core = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    try:
        ended = subprocess.run(
            command, input=order, capture_output=True, timeout=WALL_SECONDS, env=one_core, check=False
        )
    except subprocess.TimeoutExpired:
        log.warning("trial ended without a result", seconds=WALL_SECONDS)
        return Tried(why_not=f"It did not end within {WALL_SECONDS:g} s; try it again.", failed=True)
    if ended.returncode == -signal.SIGXCPU:
        return Tried(
            why_not=f"It takes more than {CPU_SECONDS} s of a processor, which the page does not give."
        )
    if ended.returncode:
        said = ended.stderr.decode("utf-8", "replace")[-_MOST_SAID:]
        log.error("trial ended without a result", status=ended.returncode, said=said)
        return FAILED
    return TRIED.load(json.loads(ended.stdout))


class Trials:
    """The trials of late. Any thread may ask; nobody waits."""

    def __init__(self, played: Callable[[Trial], Tried] = beside) -> None:
        self._played = played
        self._known: OrderedDict[Trial, Tried] = OrderedDict()
        self._busy = False
        self._alone = threading.Lock()

    def of(self, trial: Trial) -> Tried | None:
        """What came of it. None while it is played, or another one is; ask again. A failure is told once."""
        with self._alone:
            known = self._known.get(trial)
            if known is not None and known.failed:
                del self._known[trial]
            if known is None and not self._busy:
                self._busy = True
                threading.Thread(target=self._play, args=(trial,), daemon=True).start()
            return known

    def _play(self, trial: Trial) -> None:
        tried = FAILED
        try:
            tried = self._played(trial)
        except Exception:  # nobody waits for this thread: who asks again is told
            log.exception("trial failed")
        finally:
            with self._alone:
                self._busy = False
                self._known[trial] = tried
                while len(self._known) > KEPT:
                    self._known.popitem(last=False)
