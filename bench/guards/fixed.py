"""One world at a fixed share of traffic, two hours long: every method sees the very same requests.

What is counted: how often a method rolls back, and how many of the candidate's requests it took. Kayenta gets
a baseline of the candidate's size, drawn from stable's requests (its own advice); all others use all of
stable's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.guards import kayenta, learned, thresholds
from bench.guards.worlds import HORIZON, Case
from policies.guards.judge import Judge
from policies.guards.plan import History
from policies.spec.declaration import WARM_UP, Environment, Guard, GuardKind
from service.worlds.many import Many
from service.worlds.traffic import Arms, Traffic

EVERY = 10.0  # seconds between two looks: 720 of them
OFTEN = 1.0  # the same by Segue's own default
WEIGHT = 10.0
PER_MINUTE = int(60 / EVERY)
OURS, OURS_LEARNED = "Segue, no history", "Segue, 4 h of history"
KAYENTA_5, KAYENTA_30, LIMITS = "Kayenta, 5 min", "Kayenta, 30 min", "Argo/Flagger limits"
METHODS = (OURS, OURS_LEARNED, KAYENTA_5, KAYENTA_30, LIMITS)
GUARDS = (  # those that bet; what counts starts or shares is not asked here
    Guard("errors", GuardKind.ERRORS),
    Guard("latency", GuardKind.LATENCY),
)
ENVIRONMENT = Environment(guards=GUARDS)


@dataclass(frozen=True, slots=True)
class Caught:
    """One method in some runs of one case: when each was rolled back (seconds, inf if not), and the
    candidate's requests and failed requests until then."""

    at: np.ndarray
    requests: np.ndarray
    failed: np.ndarray

    def plus(self, other: "Caught") -> "Caught":
        return Caught(
            np.concatenate([self.at, other.at]),
            np.concatenate([self.requests, other.requests]),
            np.concatenate([self.failed, other.failed]),
        )


def weights(case: Case) -> np.ndarray:
    """The weight at each look."""
    looks = int(HORIZON / EVERY)
    if not case.climbs:
        return np.full(looks, WEIGHT)
    ladder = np.array([1.0, 2, 5, 10, 20, 35, 60])
    return ladder[np.arange(looks) * len(ladder) // looks]


def run(case: Case, runs: int, seed: int, bounds: tuple[float, ...]) -> dict[str, Caught]:
    """So many runs of this case under every method."""
    traffic, everyone = Traffic(case.world, runs, seed, bounds=bounds, horizon=HORIZON), np.arange(runs)
    environment, past = _known(case)
    panels = {
        OURS: Many([Judge.of(environment, history=past)] * runs, bounds),
        OURS_LEARNED: Many(learned.judges(environment, case.world, runs, seed, bounds, past=past), bounds),
    }
    looks = weights(case)
    begins = int(case.world.onset / EVERY)  # what it cost before it was bad is no cost
    counts = np.zeros((2, len(looks), runs))
    caught = {name: np.full(runs, np.inf) for name in panels}
    minutes: list[tuple[Arms, Arms]] = []
    for look, weight in enumerate(looks):
        column = np.full(runs, weight)
        tick = traffic.step(everyone, column, EVERY)
        if look >= begins:
            counts[:, look] = tick.candidate.requests, tick.candidate.errors
        for name, panel in panels.items():
            panel.observe(everyone, tick, column)
            caught[name] = np.where(panel.harmful(everyone), np.minimum(caught[name], tick.at), caught[name])
        minutes.append((tick.candidate, tick.stable))
    caught |= _by_minutes(minutes, looks, runs, seed, bounds)
    return {name: _until(at, counts) for name, at in caught.items()}


def often(case: Case, runs: int, seed: int, bounds: tuple[float, ...]) -> dict[str, Caught]:
    """The same under Segue with history alone, looking each second as it does by default."""
    traffic, everyone = Traffic(case.world, runs, seed, bounds=bounds, horizon=HORIZON), np.arange(runs)
    environment, past = _known(case)
    panel = Many(learned.judges(environment, case.world, runs, seed, bounds, past=past), bounds)
    at, counts, column = np.full(runs, np.inf), np.zeros((2, runs)), np.full(runs, WEIGHT)
    while not np.isfinite(at).all() and traffic.at < HORIZON:
        tick = traffic.step(everyone, column, OFTEN)
        counts += np.where(np.isinf(at), [tick.candidate.requests, tick.candidate.errors], 0.0)
        panel.observe(everyone, tick, column)
        at = np.where(panel.harmful(everyone), np.minimum(at, tick.at), at)
    return {OURS_LEARNED: Caught(at, *counts)}


def _known(case: Case) -> tuple[Environment, History]:
    """The guards, and an hour of what served. All candidates but cold ones are warm when they are first
    looked at: what is counted is what comes then."""
    environment = replace(ENVIRONMENT, warm_up=WARM_UP if case.world.cold > 1 else 0.0)
    return environment, History(case.world.rate * 3600, case.world.rate * case.world.errors * 3600)


def _until(at: np.ndarray, counts: np.ndarray) -> Caught:
    """What the candidate had got by then."""
    sums = counts.cumsum(axis=1)
    last = np.where(np.isfinite(at), at / EVERY, counts.shape[1]).astype(int) - 1
    runs = np.arange(len(at))
    return Caught(at, sums[0, last, runs], sums[1, last, runs])


def _by_minutes(
    looks: Sequence[tuple[Arms, Arms]], at: np.ndarray, runs: int, seed: int, bounds: tuple[float, ...]
) -> dict[str, np.ndarray]:
    """The methods that look at one number per minute."""
    dice = np.random.default_rng((seed, 2))
    canary, baseline = [], []
    for first in range(0, len(looks), PER_MINUTE):
        mine = _sum([one for one, _ in looks[first : first + PER_MINUTE]])
        share = at[first] / (100 - at[first])
        theirs = thinned(_sum([other for _, other in looks[first : first + PER_MINUTE]]), share, dice)
        canary.append(points(mine, bounds))
        baseline.append(points(theirs, bounds))
    ours, other = np.array(canary), np.array(baseline)  # minutes, numbers, runs
    failures = thresholds.bad(ours[:, 0], ours[:, 1], ours[:, 3]).cumsum(axis=0) >= thresholds.FAILURES
    first_bad = np.where(failures.any(axis=0), (failures.argmax(axis=0) + 1) * 60.0, np.inf)
    found = {LIMITS: first_bad, KAYENTA_5: np.full(runs, np.inf), KAYENTA_30: np.full(runs, np.inf)}
    for name, every in ((KAYENTA_5, 5), (KAYENTA_30, 30)):
        for one in range(runs):
            minute = kayenta.first_failure(ours[:, 2:, one].T, other[:, 2:, one].T, every=every)
            if minute is not None:
                found[name][one] = minute * 60.0
    return found


def _sum(arms: Sequence[Arms]) -> Arms:
    return Arms(*(np.sum(parts, axis=0) for parts in zip(*arms, strict=True)))


def thinned(arms: Arms, share: float, dice: np.random.Generator) -> Arms:
    """A baseline of the candidate's size out of stable's requests."""
    if share >= 1:
        return arms
    failed = dice.binomial(arms.errors.astype(int), share)
    fine = dice.binomial((arms.requests - arms.errors).astype(int), share)
    return Arms(
        (failed + fine).astype(float),
        failed.astype(float),
        dice.binomial(arms.buckets.astype(int), share).astype(float),
    )


def points(arms: Arms, bounds: tuple[float, ...]) -> np.ndarray:
    """(requests, errors, share of failures, p99) of one minute."""
    failures = np.where(
        arms.requests > 0, arms.errors / np.where(arms.requests > 0, arms.requests, 1), np.nan
    )
    return np.stack([arms.requests, arms.errors, failures, thresholds.quantile(arms.buckets, bounds)])
