"""Noise learned from what a version served beside itself. Pure, and no clock.

Two kinds of history: increments whose two arms served the same version (the caller knows which), and
stretches of a version that served alone. A stretch and the one half an hour later are two arms: an arm's
luck does not last so long, and what is common to both hardly drifts in it. An incident is in one of the two
only and would look like luck, so of stretches the strangest are left out, and the rest stands for all.
Each guard learns by its own bad requests.
"""

import math
from collections.abc import Iterable, Sequence

from policies.guards import increment, noise, stretch
from policies.guards.increment import Gap, Increment
from policies.guards.noise import BLOCK, Bunching, Moments, Noise, Pair
from policies.guards.plan import bad_of
from policies.guards.stretch import Stretch
from policies.spec.declaration import Guard, GuardKind

APART = 1800.0  # seconds between a stretch and its other arm
STRANGE = 0.05  # the part of stretches that is left out ...
KEPT_VARIANCE = 0.759  # ... and how much of a normal variance is in the rest
MANY = 40  # pairs of stretches from which on any are left out
_LEARNING = (GuardKind.ERRORS, GuardKind.LATENCY, GuardKind.SLO)
Histories = Sequence[Sequence[Stretch]]


def learn(
    guards: Iterable[Guard], history: Sequence[Increment | Gap] = (), alone: Histories = ()
) -> dict[str, Noise]:
    """The noise of each betting guard, by its name; provisional where there is too little history.

    `alone`: the stretches of each version by itself, in order of time.
    """
    equal = [what for what in map(increment.checked, history) if isinstance(what, Increment)]
    known = [one for version in alone for one in version]
    usual = _usual(equal, known)
    return {g.name: noise.of(_moments(g, equal, alone, usual)) for g in guards if g.kind in _LEARNING}


def _moments(guard: Guard, equal: list[Increment], alone: Histories, usual: float | None) -> Moments:
    bound = guard.slower_than
    if guard.kind is GuardKind.LATENCY and bound is None:
        bound = usual
        if bound is None:
            return Moments()
    beside = noise.moments(pair for what in equal if (pair := _pair(what, bound)) is not None)
    single = [_of_stretches(version, bound) for version in alone]
    bunching, blocks = beside.bunching, dict(beside.blocks)
    for one in single:
        bunching = bunching.with_(one.bunching)
        blocks.update((key, value) for key, value in one.blocks.items() if key not in blocks)
    return Moments(bunching, blocks)


def _of_stretches(stretches: Sequence[Stretch], bound: float | None) -> Moments:
    """One version's own blocks, each beside that of half an hour later."""
    by_key = {round(one.at / BLOCK): one for one in stretches if one.whole}
    bunching = Bunching()
    for one in by_key.values():
        bunching = bunching.with_(one.failed if bound is None else one.slow)
    blocks: dict[int, tuple[float, float]] = {}
    for key, one in by_key.items():
        other = by_key.get(key + round(APART / BLOCK))
        if other is None or other.bounds != one.bounds:
            continue
        mine, theirs = bad_of(bound, one.arm, one.bounds), bad_of(bound, other.arm, one.bounds)
        found = Pair(one.at, *mine, *theirs).moment() if mine and theirs else None
        if found is not None:
            blocks[key] = found
    return Moments(bunching, _usual_ones(blocks))


def _usual_ones(blocks: dict[int, tuple[float, float]]) -> dict[int, tuple[float, float]]:
    """Without the strangest; scores of the rest are enlarged to the variance that all had."""
    if len(blocks) < MANY:
        return blocks
    ordered = sorted(blocks, key=lambda key: blocks[key][0] ** 2 / blocks[key][1])
    kept = ordered[: len(ordered) - math.floor(STRANGE * len(ordered))]
    larger = 1 / math.sqrt(KEPT_VARIANCE)
    return {key: (blocks[key][0] * larger, blocks[key][1]) for key in kept}


def _usual(history: list[Increment], alone: list[Stretch]) -> float | None:
    """The bound that about a twentieth of all requests exceeded, of the newest buckets."""
    bounds = next((what.bounds for what in reversed(history) if what.bounds), ())
    if not bounds:
        return increment.usual_bound(*stretch.pooled(alone))
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
