"""Error budgets that hold releases: what is left of them, and when nobody knows, which holds, too."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from policies.spec.declaration import Budget
from policies.windows import Frozen

SILENT_SECONDS = 300.0  # after the last answer, for which it still counts


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a target's budget: what was left of it (None: no answer was a number) at the time of
    the last answer, since when it is on this side of its limit, and why there is no newer answer."""

    left: float | None
    at: float
    since: float
    trouble: str = ""


def worst(values: Sequence[float]) -> float | None:
    """What is left by the series of a query: the least. None where there are none, or one is no number."""
    return None if not values or any(math.isnan(one) for one in values) else min(values)


def learned(budget: Budget, known: Known | None, left: float | None, at: float) -> Known:
    """What is known after an answer."""
    same = known is not None and _spent(budget, known.left) == _spent(budget, left)
    return Known(left, at, known.since if same and known is not None else at)


def held(budget: Budget, known: Known | None, at: float) -> Frozen | None:
    """Why a release is held now; None where enough is left. Its end is in nobody's calendar."""
    if known is None or at - known.at > SILENT_SECONDS:
        why = f": {known.trouble}" if known is not None and known.trouble else ""
        return Frozen(None, f"the error budget `{budget.query}`, of which nothing is known now{why}")
    if known.left is None:
        return Frozen(None, f"the error budget `{budget.query}`, which has no series, or none with a number")
    if not _spent(budget, known.left):
        return None
    since = datetime.fromtimestamp(known.since, UTC)
    return Frozen(
        None,
        f"the error budget `{budget.query}`, spent since {since:%a %Y-%m-%d %H:%M} UTC; it goes on once more"
        f" than {budget.least:.4g} of it is left",
    )


def _spent(budget: Budget, left: float | None) -> bool:
    return left is None or left <= budget.least
