"""Noise learned from stored increments whose two arms served the same version. Pure, and no clock.

Such increments are stable's pods split in two, or a rollout of a version that was there already; the caller
knows which. Each guard learns by its own bad requests. How long an arm's luck lasts is learned too: of
several lengths of block the one is taken whose luck costs a bet most, `block * spread^2`, because within
one block evidence comes to an end at about `effect^2 / (2 spread^2)`.
"""

from collections.abc import Iterable, Sequence

from policies.guards import increment, noise
from policies.guards.increment import Gap, Increment
from policies.guards.noise import Noise, Pair
from policies.guards.plan import bad_of
from policies.spec.declaration import Guard, GuardKind

BLOCKS = (60.0, noise.BLOCK, 900.0)  # seconds
_LEARNING = (GuardKind.ERRORS, GuardKind.LATENCY, GuardKind.SLO)


def learn(guards: Iterable[Guard], history: Sequence[Increment | Gap]) -> dict[str, Noise]:
    """The noise of each betting guard, by its name; provisional where there is too little history."""
    equal = [what for what in map(increment.checked, history) if isinstance(what, Increment)]
    return {guard.name: _learned(guard, equal) for guard in guards if guard.kind in _LEARNING}


def _learned(guard: Guard, history: list[Increment]) -> Noise:
    bound = guard.slower_than
    if guard.kind is GuardKind.LATENCY and bound is None:
        bound = _usual(history)
        if bound is None:
            return noise.PROVISIONAL
    pairs = [pair for what in history if (pair := _pair(what, bound)) is not None]
    found = [noise.estimate(pairs, block) for block in BLOCKS]
    known = [one for one in found if not one.provisional]
    if not known:
        return noise.PROVISIONAL
    usual = next((one for one in known if one.block == noise.BLOCK), known[0])
    # Luck that is no more than the margin on an estimate tells nothing about how long it lasts.
    worst = max(known, key=lambda one: one.block * (one.spread - noise.LEAST_SPREAD) ** 2)
    return worst if worst.spread > 2 * usual.spread or worst.spread > 4 * noise.LEAST_SPREAD else usual


def _usual(history: list[Increment]) -> float | None:
    """The bound that about a twentieth of all requests exceeded, of the newest buckets."""
    bounds = next((what.bounds for what in reversed(history) if what.bounds), ())
    total = [0.0] * (len(bounds) + 1)
    for what in history:
        for arm in (what.candidate, what.stable):
            if arm is not None and what.bounds == bounds and arm.buckets:
                total = [a + b for a, b in zip(total, arm.buckets, strict=True)]
    return increment.usual_bound(total, bounds)


def _pair(what: Increment, bound: float | None) -> Pair | None:
    """One interval's two arms; None where a count is missing on either side."""
    mine = bad_of(bound, what.candidate, what.bounds)
    theirs = None if what.stable is None else bad_of(bound, what.stable, what.bounds)
    return None if mine is None or theirs is None else Pair(what.at, *mine, *theirs)
