"""What one version served in a block of time, kept small, so that its noise can be learned later.

A version that serves alone is its own other arm: the requests of half an hour later. This gathers what
learning needs of each block and forgets the scrapes. Pure; it must not know whose counters they are.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field, replace
from typing import Any

from policies.guards import increment
from policies.guards.increment import Arm, Increment
from policies.guards.noise import BLOCK, Bunching, Pair

PIECE = (
    10.0  # seconds: pieces at least so long are held beside their neighbours, to see what comes in bunches
)
MOST_PIECE = 60.0  # a longer one was a gap: it has no neighbour


@dataclass(frozen=True, slots=True)
class Stretch:
    """One block: when it began, how many of its seconds were seen, what was served (`buckets` per bucket)
    and how failed and slow requests came within it."""

    at: float
    seconds: float
    requests: float
    errors: float
    buckets: tuple[float, ...] = field(default=())
    bounds: tuple[float, ...] = field(default=())
    failed: Bunching = field(default_factory=Bunching)
    slow: Bunching = field(default_factory=Bunching)

    @property
    def arm(self) -> Arm:
        return Arm(self.requests, self.errors, self.buckets)

    @property
    def whole(self) -> bool:
        """Whether enough of the block was seen to stand for it."""
        return self.seconds >= 0.8 * BLOCK


@dataclass(frozen=True, slots=True)
class Gathering:
    """An open block, the open piece, the piece before it, and the bound beyond which a request is slow."""

    open: Stretch
    piece: tuple[float, Arm] = (0.0, Arm(0.0, 0.0))
    before: Arm | None = None
    bound: float | None = None


def start(at: float) -> Gathering:
    """A block in which nothing was seen."""
    return Gathering(Stretch(math.floor(at / BLOCK) * BLOCK, 0.0, 0.0, 0.0))


def gather(known: Gathering, what: Increment) -> tuple[Gathering, Stretch | None]:
    """After one interval of the version as `candidate`; with it the block that it ended, if it did."""
    begins, ended = math.floor(what.at / BLOCK) * BLOCK, None
    if begins != known.open.at or (known.open.bounds and what.bounds and known.open.bounds != what.bounds):
        ended = known.open if known.open.whole else None
        usual = increment.usual_bound(known.open.buckets, known.open.bounds)
        known = replace(start(what.at), before=known.before, piece=known.piece, bound=usual)
    if what.seconds > MOST_PIECE:
        return replace(known, before=None, piece=(0.0, Arm(0.0, 0.0))), ended
    seen = known.open
    total = _added(seen.arm, what.candidate)
    seen = replace(
        seen,
        seconds=seen.seconds + what.seconds,
        requests=total.requests,
        errors=total.errors,
        buckets=total.buckets,
        bounds=seen.bounds or what.bounds,
    )
    length, piece = known.piece[0] + what.seconds, _added(known.piece[1], what.candidate)
    if length < PIECE:
        return replace(known, open=seen, piece=(length, piece)), ended
    if known.before is not None:
        seen = _beside(seen, piece, known.before, known.bound)
    return replace(known, open=seen, piece=(0.0, Arm(0.0, 0.0)), before=piece), ended


def _added(one: Arm, other: Arm) -> Arm:
    if one.buckets and other.buckets and len(one.buckets) == len(other.buckets):
        buckets = tuple(a + b for a, b in zip(one.buckets, other.buckets, strict=True))
    else:
        buckets = other.buckets or one.buckets
    return Arm(one.requests + other.requests, one.errors + other.errors, buckets)


def _beside(seen: Stretch, piece: Arm, before: Arm, bound: float | None) -> Stretch:
    """The block with one more pair of neighbours."""
    pair = Pair(seen.at, piece.errors, piece.requests, before.errors, before.requests)
    failed = _with(seen.failed, pair)
    slow = seen.slow
    if bound is not None and bound in seen.bounds:
        mine, theirs = (_slower(one, seen.bounds, bound) for one in (piece, before))
        if mine is not None and theirs is not None:
            slow = _with(slow, Pair(seen.at, *mine, *theirs))
    return replace(seen, failed=failed, slow=slow)


def _slower(arm: Arm, bounds: tuple[float, ...], bound: float) -> tuple[float, float] | None:
    fits = len(arm.buckets) == len(bounds) + 1
    return increment.slower(arm, bounds, bound) if fits or not arm.buckets else None


def _with(known: Bunching, pair: Pair) -> Bunching:
    found = pair.moment()
    return known if found is None else known.plus(*found)


def to_json(one: Stretch) -> dict[str, Any]:
    """A plain mapping, exact to the last bit, for the store."""
    return {
        "seconds": one.seconds,
        "served": [one.requests, one.errors, *one.buckets],
        "bounds": list(one.bounds),
        "failed": list(astuple(one.failed)),
        "slow": list(astuple(one.slow)),
    }


def from_json(at: float, row: Mapping[str, Any]) -> Stretch:
    """What `to_json` wrote."""
    requests, errors, *buckets = row["served"]
    failed, slow = Bunching(*row["failed"]), Bunching(*row["slow"])
    return Stretch(at, row["seconds"], requests, errors, tuple(buckets), tuple(row["bounds"]), failed, slow)


def pooled(stretches: Iterable[Stretch]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(counts per bucket, bounds) of all that were counted in the newest one's buckets."""
    known = list(stretches)
    bounds = next((one.bounds for one in reversed(known) if one.bounds and one.buckets), ())
    total = Arm(0.0, 0.0)
    for one in known:
        if one.bounds == bounds and len(one.buckets) == len(bounds) + 1:
            total = _added(total, one.arm)
    return total.buckets, bounds
