"""How long a guard takes for one scrape and how much it remembers, as ratios to what is allowed.

Run from the repository's root: `make bench-guards`. Below 1 is within the limit.
"""

import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np

from policies import ramp
from policies.guards import factors, heartbeat, histogram, rate, share, slo, threshold
from policies.guards.increment import Arm, Increment
from policies.guards.judge import Judge
from policies.guards.noise import PROVISIONAL, Noise
from policies.guards.plan import History
from policies.guards.state import to_json
from policies.spec.declaration import Environment, Guard, GuardKind
from policies.spec.support import BOUNDS

MICROSECONDS, AT_ONCE = 100.0, 5.0  # of one rollout alone, and of each of many
BYTES = 4096
ROUNDS, STEPS = 9, 400
LOOKS, EVERY = 360, 10.0  # a rollout's first hour, in which durations are learned
GOAL = math.log(150)
CALM, DIVIDED = (Noise(burst, 0.05, provisional=False, calm=True) for burst in (1.0, 1.1))


def fed_rate(state: rate.RateState, at: float) -> rate.RateState:
    return rate.update(
        state,
        bad=at % 3 == 0,
        requests=10.0,
        stable_bad=at % 2 == 0,
        stable_requests=90.0,
        at=at,
        seconds=1.0,
        worse_by=0.0,
        noise=PROVISIONAL,
    )


def fed_slo(state: slo.SloState, at: float) -> slo.SloState:
    return slo.update(
        state, bad=at % 9 == 0, requests=10.0, limit=0.01, at=at, seconds=1.0, noise=PROVISIONAL
    )


def fed_share(state: share.ShareState, at: float) -> share.ShareState:
    return share.update(
        state, requests=10.0, stable_requests=90.0, weight=10.0, tolerance=0.05, at=at, seconds=1.0
    )


def near_harm(bad: float, noise: Noise) -> Callable[[Any, float], Any]:
    """A step always from the same state, which an interval with so many bad requests may lead to harm."""

    def fed(state: rate.RateState, bad: float, of: float, at: float, goal: float) -> rate.RateState:
        requests = {"requests": 1000.0, "stable_requests": 9000.0}
        counts = requests | {"bad": bad, "stable_bad": of - bad}
        return rate.update(state, **counts, at=at, seconds=10.0, worse_by=0.0, noise=noise, goal=goal)

    near = fed(rate.start(), 11.0, 35.0, 10.0, math.inf)
    return lambda _state, _at: fed(near, bad // 10, bad, 20.0, GOAL)


@lru_cache(maxsize=STEPS)
def durations(at: float) -> tuple[Arm, Arm]:
    mine, theirs = (tuple(float((at + place) % most) for place in range(len(BOUNDS) + 1)) for most in (3, 19))
    return Arm(sum(mine), 0.0, mine), Arm(sum(theirs), 0.0, theirs)


def fed_histogram(state: histogram.HistogramState, at: float) -> histogram.HistogramState:
    return histogram.update(
        state,
        *durations(at % 57),
        bounds=BOUNDS,
        at=at,
        seconds=1.0,
        worse_by=0.0,
        noise=PROVISIONAL,
    )


def many_rates(runs: int) -> Callable[[Any, float], Any]:
    """A step of so many guards at once; nearly each interval has bad requests."""
    dice = np.random.default_rng(runs)
    n, m = dice.poisson(100, runs), dice.poisson(900, runs)
    counts = dice.binomial(n, 0.01), n, dice.binomial(m, 0.01), m

    def step(track: rate.Track | None, at: float) -> rate.Track:
        track = track or rate.start_track((runs,))
        after = rate.advance(track, *counts, at=at, seconds=EVERY, worse_by=0.0, noise=PROVISIONAL)
        rate.log_evidence(after)
        return after

    return step


def many_durations(runs: int) -> Callable[[Any, float], Any]:
    dice, buckets = np.random.default_rng(runs), len(BOUNDS) + 1
    chances, places = dice.dirichlet(np.full(buckets, 2.0)), factors.before(BOUNDS)
    some = [[dice.poisson(of * chances, (runs, buckets)) for of in (100, 900)] for _ in range(12)]

    def step(track: histogram.Track | None, at: float) -> histogram.Track:
        arms = some[int(at / EVERY) % len(some)]
        track = track or histogram.start_track((runs,), buckets)
        after = histogram.advance(track, *arms, places=places, at=at, seconds=EVERY, noise=PROVISIONAL)
        histogram.log_evidence(after)
        return after

    return step


def fed_heart(state: heartbeat.HeartState, at: float) -> heartbeat.HeartState:
    return heartbeat.update(state, heartbeat.Alive(), at=at, silent=at % 2 == 0, no_data_for=60.0)


def fed_threshold(state: threshold.ThresholdState, at: float) -> threshold.ThresholdState:
    return threshold.update(state, bad=1.0, requests=10.0, limit=0.05, at=at)


def microseconds(step: Callable[[Any, float], Any], state: Any) -> tuple[float, Any]:
    """The median round's processor time for one step, and the state at the end.

    A step waits for nothing; by the clock it would be other programs' load that is measured.
    """
    times, at = [], 0.0
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(STEPS):
            at += 1.0
            state = step(state, at)
        times.append((time.process_time() - began) / STEPS * 1e6)
    return statistics.median(times), state


def of_each(step: Callable[[Any, float], Any], runs: int) -> float:
    """Microseconds of processor time for each of so many rollouts at a look, the mean of their first hour."""
    state, began = None, time.process_time()
    for look in range(LOOKS):
        state = step(state, EVERY * look)
    return (time.process_time() - began) / LOOKS / runs * 1e6


def judge() -> tuple[float, float, int]:
    """(microseconds to observe, to say, bytes) of a whole judge with four guards."""
    kinds = (GuardKind.ERRORS, GuardKind.LATENCY, GuardKind.ALIVE, GuardKind.SHARE)
    judge = Judge.of(
        Environment(guards=tuple(Guard(str(kind), kind) for kind in kinds)), history=History(10_000, 10)
    )
    row = Increment(0, 0.0, 1.0, 10.0, Arm(10, 0, (9, 1, 0)), Arm(90, 1, (80, 8, 2)), (0.1, 1.0))

    def step(state: Any, at: float) -> Any:
        return judge.observe(
            state, Increment(int(at), at, 1.0, row.weight, row.candidate, row.stable, row.bounds)
        )

    spent, state = microseconds(step, judge.start(0.0))
    began = time.perf_counter()
    for _ in range(100):
        judge.evidence(state, epoch=1)
    saying = (time.perf_counter() - began) / 100 * 1e6
    return spent, saying, len(json.dumps(to_json(state)))


def main() -> int:
    """Print the table; fail if a guard's state is too large. Times depend on what else the machine does."""
    cases: list[tuple[str, Callable[[Any, float], Any], Any]] = [
        ("rate", fed_rate, rate.start()),
        ("histogram", fed_histogram, histogram.start()),
        ("slo", fed_slo, slo.start()),
        ("share", fed_share, share.start(10.0)),
        ("heartbeat", fed_heart, heartbeat.start(0.0)),
        ("threshold", fed_threshold, threshold.ThresholdState()),
    ]
    print(f"{'guard':<12}{'us/scrape':>10}{'of 100 us':>11}{'bytes':>8}{'of 4 kB':>9}")
    largest = 0
    for name, step, state in cases:
        spent, after = microseconds(step, state)
        size = len(json.dumps(asdict(after)))
        largest = max(largest, size)
        print(f"{name:<12}{spent:>10.1f}{spent / MICROSECONDS:>11.2f}{size:>8}{size / BYTES:>9.2f}")
    for bad, noise, what in (
        (2.0, CALM, "2 bad"),
        (12.0, CALM, "12 bad"),
        (60.0, CALM, "60 bad"),
        (12.0, DIVIDED, "12 bad, counts divided"),
        (60.0, DIVIDED, "60 bad, counts divided"),
    ):
        spent, _ = microseconds(near_harm(bad, noise), None)
        print(f"rate near harm, {what:<24}{spent:>8.1f}{spent / MICROSECONDS:>8.2f} of 100 us")
    for what, made in (("rate", many_rates), ("histogram", many_durations)):
        for runs in (50, 1000):
            spent = of_each(made(runs), runs)
            print(f"{what:<10} {runs:>5} at once, each{spent:>19.1f}{spent / AT_ONCE:>8.2f} of 5 us")
    began = time.perf_counter()
    for errors in range(1000):
        ramp.upper_bound(errors, 100_000)
    print(f"{'ramp bound':<12}{(time.perf_counter() - began) * 1e3:>10.1f}")
    spent, saying, size = judge()
    print(f"whole judge, four guards: {spent:.0f} us to observe, {saying:.0f} us to say, {size} bytes")
    return int(largest > BYTES)


if __name__ == "__main__":
    sys.exit(main())
