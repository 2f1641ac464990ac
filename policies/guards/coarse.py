"""Where a router's buckets hide from a latency guard what it is to see: a shift within one bucket.

A request counts as slower only once it crosses a bound. Where the bounds near what is usual lie far apart, or
the guard's own limit does, a version may become a good deal slower before any of its requests is counted
otherwise. This names the guard, how much longer a usual request may take unseen, and the missing bound. It
reads no counter and judges no version.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from policies.spec.declaration import Guard, GuardKind

COARSE = 2.0  # beyond what is tolerated, a request may take so many times as long before that is told
NEAR = 1.2  # a missing bound is put so far above what is usual
SLOWEST = 0.01  # the share of requests that a limit on slow ones is held against
LEAST = 100.0  # requests from which their durations are known well enough


@dataclass(frozen=True, slots=True)
class Usual:
    """How long stable's requests take (seconds): half of them at most `median`, 99 % at most `slow`."""

    median: float
    slow: float | None = None


@dataclass(frozen=True, slots=True)
class Coarse:
    """A request that takes `at` (seconds) may take `unseen` times as long before `guard` counts it as slower,
    infinitely often where it never does; `missing` are the bounds (seconds) by which it would be seen."""

    guard: str
    at: float
    unseen: float
    missing: tuple[float, ...]


def coarse(guards: Iterable[Guard], bounds: tuple[float, ...], usual: Usual | None) -> Iterator[Coarse]:
    """Each latency guard that is blind with these bounds (seconds); `usual` None where nobody knows it."""
    for guard in guards:
        if guard.kind is not GuardKind.LATENCY:
            continue
        limit = guard.slower_than
        if limit is None:
            found = _of_all(guard, bounds, usual.median) if usual is not None else None
        elif limit not in bounds:
            found = Coarse(guard.name, limit, math.inf, (limit,))
        else:
            found = _of_limit(guard, limit, usual.slow) if usual is not None and usual.slow else None
        if found is not None:
            yield found


def _of_all(guard: Guard, bounds: tuple[float, ...], at: float) -> Coarse | None:
    most, tolerated = COARSE * (1 + guard.worse_by), 1 + guard.worse_by
    times = unseen(bounds, at, guard.worse_by)
    if times <= most:
        return None
    near = rounded_up(NEAR * at)
    ends = next((bound for bound in bounds if at <= bound <= near), near)
    beyond = rounded_up(ends * tolerated * (1 + 1e-5)) if guard.worse_by > 0 else ends
    wanted = dict.fromkeys((ends, beyond))
    return Coarse(guard.name, at, times, tuple(bound for bound in wanted if bound not in bounds))


def _of_limit(guard: Guard, limit: float, slow: float) -> Coarse | None:
    """A limit far above all that is usual hears of a shift only when the slowest requests cross it."""
    if limit <= COARSE * slow:
        return None
    return Coarse(guard.name, slow, limit / slow, (rounded_up(NEAR * slow),))


def unseen(bounds: tuple[float, ...], at: float, worse_by: float) -> float:
    """How many times as long a request of `at` seconds may take before it is counted as slower by more than
    is tolerated: the guard moves the candidate's requests down to where they could lie then."""
    ends = next((bound for bound in bounds if bound >= at), math.inf)
    seen = next((bound for bound in bounds if bound / (1 + worse_by) >= ends), math.inf)
    return seen / at


def usual(counts: Sequence[float], bounds: tuple[float, ...]) -> Usual | None:
    """What is usual by counts per bucket: the middle of the median's bucket; None for too few requests.

    Beyond the last bound nothing is known: then it is the last bound.
    """
    if sum(counts) < LEAST or not bounds:
        return None
    ends = _least_beyond(counts, bounds, 0.5)
    if ends is None:
        return Usual(math.nextafter(bounds[-1], math.inf))
    below = max((bound for bound in bounds if bound < ends), default=0.0)
    middle = math.sqrt(below * ends) if below > 0 else ends / 2
    return Usual(middle, _least_beyond(counts, bounds, SLOWEST))


def _least_beyond(counts: Sequence[float], bounds: tuple[float, ...], share: float) -> float | None:
    """The smallest bound that at most this share of the requests exceeded."""
    total = sum(counts)
    below = zip(bounds, accumulate(counts), strict=False)
    return next((bound for bound, seen in below if total - seen <= share * total), None)


def rounded_up(seconds: float) -> float:
    """To two digits, as people write a bound; never below."""
    step = 10.0 ** (math.floor(math.log10(seconds)) - 1)
    return float(f"{math.ceil(round(seconds / step, 6)) * step:.6g}")


def words(found: Coarse) -> str:
    """As people read it."""
    missing = " and at ".join(map(shown, found.missing))
    if math.isinf(found.unseen) and found.missing == (found.at,):
        return f"`{found.guard}` counts nothing: the router has no bound at {missing}; add it"
    times = f"up to {found.unseen:.2g} times as long" if math.isfinite(found.unseen) else "however long"
    return (
        f"`{found.guard}` does not see that a request of {shown(found.at)} takes longer, {times}:"
        f" a bound is missing at {missing}"
    )


def shown(seconds: float) -> str:
    """A duration as it is written in a `segue.yaml`."""
    return f"{seconds * 1000:.4g}ms" if seconds < 1 else f"{seconds:.4g}s"
