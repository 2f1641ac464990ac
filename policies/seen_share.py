"""The candidate's weight where somebody else sets it: what the counters of the last seconds show.

Guards want a weight that stands still while it stands still: it moves only where the last requests cannot be
luck at the present one. Pure; the window is what was counted lately.
"""

import math
from dataclasses import dataclass, field

from policies.guards.increment import Increment

SECONDS = 10.0  # of the window, or as long as it takes to see ...
REQUESTS = 100.0  # ... so many
SURE = 4.0  # standard deviations that are no luck
LEAST = 1.0  # percent points below which nothing moves but from and to none


@dataclass(frozen=True, slots=True)
class SeenShare:
    """`weight` in percent; the window holds seconds, the candidate's requests and stable's."""

    weight: float = 0.0
    window: tuple[tuple[float, float, float], ...] = field(default=())


def after(known: SeenShare, what: Increment) -> SeenShare:
    """With one more interval."""
    mine = what.candidate.requests
    theirs = what.stable.requests if what.stable is not None else 0.0
    window = _cut((*known.window, (what.seconds, mine, theirs)))
    counted = sum(m for _, m, _ in window)
    total = counted + sum(t for _, _, t in window)
    if total <= 0:
        return SeenShare(known.weight, window)
    share = 100 * counted / total
    if not _moved(known.weight, share, total):
        return SeenShare(known.weight, window)
    # What came before it moved is not of the present weight; the interval in which it did is the best guess.
    return SeenShare(_rounded(share), window[-1:])


def _moved(weight: float, share: float, total: float) -> bool:
    if weight == 0:
        return share > 0
    if share == 0 or (share == 100) != (weight == 100):
        return total >= REQUESTS / 5
    chance = weight / 100
    luck = 100 * SURE * math.sqrt(chance * (1 - chance) / total)
    return abs(share - weight) > max(LEAST, luck)


def _cut(window: tuple[tuple[float, float, float], ...]) -> tuple[tuple[float, float, float], ...]:
    """The newest intervals that hold enough."""
    seconds = requests = 0.0
    for number, (lasted, mine, theirs) in enumerate(reversed(window), start=1):
        seconds, requests = seconds + lasted, requests + mine + theirs
        if seconds >= SECONDS and requests >= REQUESTS:
            return window[-number:]
    return window[-600:]


def _rounded(share: float) -> float:
    return float(min(100.0, max(0.1, round(share, 1)) if share < 1 else round(share))) if share else 0.0
