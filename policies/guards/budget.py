"""One budget of false rollbacks for a whole rollout, shared by all its betting guards.

The weighted mean of the guards' *current* E is itself such a capital under "nobody is worse than
tolerated", whatever the dependence between guards, so rolling back when it reaches
`1 / false_rollbacks` is wrong with at most that probability, over all guards and all looks. A mean of
running maxima would not be (Tavyrikov, Goeman, de Heide 2025). Culprits are those whose own peak
reached `1 / (false_rollbacks * weight)`. Deterministic guards have no place here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

SUSPICION = 10.0  # E from which the weight is held


@dataclass(frozen=True, slots=True)
class Stake:
    """One guard's part: its weight (any positive number), log E now, and the highest log E ever."""

    guard: str
    weight: float
    log_e: float
    log_peak: float


@dataclass(frozen=True, slots=True)
class Combined:
    """The rollout's log E, whether that is harm or suspicion, and who caused it."""

    log_e: float
    harm: bool
    suspect: bool
    culprits: tuple[str, ...]


def threshold(stake_weight: float, total_weight: float, false_rollbacks: float) -> float:
    """log E at which one guard alone would roll back."""
    return math.log(total_weight / (false_rollbacks * stake_weight))


def combine(stakes: Sequence[Stake], false_rollbacks: float) -> Combined:
    """All guards of a rollout at one moment. No guards at all are no evidence."""
    if not stakes:
        return Combined(0.0, harm=False, suspect=False, culprits=())
    total = sum(s.weight for s in stakes)
    logs = [s.log_e + math.log(s.weight / total) for s in stakes]
    top = max(logs)
    log_e = top + math.log(sum(math.exp(value - top) for value in logs))
    harm = log_e >= -math.log(false_rollbacks)
    named = tuple(s.guard for s in stakes if s.log_peak >= threshold(s.weight, total, false_rollbacks))
    # Several guards may cross only together: then the largest contribution is named.
    culprits = named or (stakes[logs.index(top)].guard,) if harm else ()
    return Combined(log_e, harm, log_e >= math.log(SUSPICION), culprits)
