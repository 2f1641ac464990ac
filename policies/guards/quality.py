"""Is the candidate wrong more often than stable, by more than `drop`? From true labels, paired or not.

Paired: both versions answered the same request (shadow traffic), so only requests that exactly one of
them got wrong say anything. Unpaired: each version answered its own requests, and labels come later;
they are counted by the cohort of requests that they belong to (an hour, say), and a cohort counts once,
when the time for its labels (`within`) is over for all of it, so that a slow kind of answer is not missing
on one side. `drop` is absolute: 1 % lets 92 % fall to 91 %. A label must not come because of what it
says. This module joins nothing and reads no clock.

Formulas, for any bet `lam` that is chosen from the past, exact in finite samples:
paired, with D = 1, 0, -1 as only the candidate, both or neither, only stable is wrong:
`1 + lam (D - drop)` (Waudby-Smith, Ramdas 2024; without `drop` it is a sequential McNemar test);
unpaired, with the candidate's share w of the cohort's labels, x and y wrong ones of n in all:
`(1 + lam (1/w - drop))^x (1 - lam (1/(1-w) + drop))^y (1 - lam drop)^(n-x-y)`. By weighted arithmetic and
geometric means its expectation is at most `(1 + lam (p - q - drop))^n`, whatever the cohort's own rates p
and q are, so no cohort is compared with another. Alternatives are mixed over restarts.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from policies.guards import betting
from policies.guards.betting import Array
from policies.guards.labelled import Cohort, Pairs

_OCTAVES: Array = np.arange(-5, 5, dtype=np.float64)
LIFTS: Array = np.exp2(_OCTAVES)  # by how much a wrong answer is more likely the candidate's: 1/32 ... 16
_MASS: Array = np.exp2(-np.abs(_OCTAVES) / 2)  # most for "twice as often wrong"
LOG_PRIOR: Array = np.log(_MASS / _MASS.sum())
AT_ONCE = 0.8  # what a model knows it knows from the start: a late onset is rarer than of errors


@dataclass(frozen=True, slots=True)
class QualityState:
    """The bets, what was counted, and what waits.

    `counted` is the end of the newest cohort that was bet on (0: none), `waiting` how many labels are
    of younger ones, `ripe_at` when the oldest of those counts (0: none waits). Of pairs, `wrong` and
    `stable_wrong` are those that only one version got wrong, and `both_wrong` the others.
    """

    bets: tuple[float, ...]
    at: float = 0.0
    seconds: float = 0.0
    log_e: float = 0.0
    log_peak: float = 0.0
    wrong: float = 0.0
    labels: float = 0.0
    stable_wrong: float = 0.0
    stable_labels: float = 0.0
    both_wrong: float = 0.0
    counted: float = 0.0
    waiting: float = 0.0
    ripe_at: float = 0.0


def start(at: float) -> QualityState:
    return QualityState((math.log(AT_ONCE),) * len(LIFTS), at)


def pair_gains(pairs: Pairs, drop: float) -> Array:
    """Log gains of the alternatives from pairs."""
    lam = LIFTS / (2 + LIFTS) / (1 + drop)
    same = pairs.pairs - pairs.only_candidate - pairs.only_stable
    return (
        pairs.only_candidate * np.log1p(lam * (1 - drop))
        + pairs.only_stable * np.log1p(-lam * (1 + drop))
        + same * np.log1p(-lam * drop)
    )


def cohort_gains(cohort: Cohort, drop: float) -> Array:
    """Log gains of the alternatives from a cohort that is ripe; nothing if an arm has no labels in it."""
    n, m = cohort.labels, cohort.stable_labels
    if n <= 0 or m <= 0:
        return np.zeros(LIFTS.shape)
    share, other = n / (n + m), m / (n + m)
    lam = share * other * LIFTS / (1 + share * LIFTS) / (1 + drop * other)
    right = n + m - cohort.wrong - cohort.stable_wrong
    return (
        cohort.wrong * np.log1p(lam * (1 / share - drop))
        + cohort.stable_wrong * np.log1p(-lam * (1 / other + drop))
        + right * np.log1p(-lam * drop)
    )


def hear_pairs(state: QualityState, pairs: Pairs, *, at: float, drop: float) -> QualityState:
    """After some more labelled pairs."""
    state = _bet(state, pair_gains(pairs, drop), at)
    return replace(
        state,
        wrong=state.wrong + pairs.only_candidate,
        stable_wrong=state.stable_wrong + pairs.only_stable,
        both_wrong=state.both_wrong + pairs.both_wrong,
        labels=state.labels + pairs.pairs,
        stable_labels=state.stable_labels + pairs.pairs,
    )


def hear_cohorts(
    state: QualityState, cohorts: tuple[Cohort, ...], *, at: float, within: float, drop: float, burst: float
) -> QualityState:
    """After what is known now of cohorts that are not counted yet: ripe ones are bet on, once, in order."""
    waits: list[Cohort] = []
    for cohort in sorted(cohorts, key=lambda one: one.ended):
        if cohort.ended <= state.counted:
            continue  # counted already; a label that came since is too late
        if cohort.ended + within > at:
            waits.append(cohort)
            continue
        state = replace(
            _bet(state, cohort_gains(cohort, drop) / burst, at),
            wrong=state.wrong + cohort.wrong,
            labels=state.labels + cohort.labels,
            stable_wrong=state.stable_wrong + cohort.stable_wrong,
            stable_labels=state.stable_labels + cohort.stable_labels,
            counted=cohort.ended,
        )
    return replace(
        state,
        waiting=sum(one.labels for one in waits),
        ripe_at=waits[0].ended + within if waits else 0.0,
    )


def _bet(state: QualityState, gains: Array, at: float) -> QualityState:
    after = state.seconds + max(0.0, at - state.at)
    times = betting.array(state.seconds), betting.array(after)
    bets = betting.joined(betting.array(state.bets), *times, AT_ONCE) + gains
    placed = betting.log_sum(bets + LOG_PRIOR)
    log_e = float(np.logaddexp(placed, np.log1p(-betting.spent(times[1], AT_ONCE))))
    return replace(
        state,
        bets=tuple(bets.tolist()),
        at=max(state.at, at),
        seconds=after,
        log_e=log_e,
        log_peak=max(state.log_peak, log_e),
    )
