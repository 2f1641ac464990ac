"""What one scrape interval added to each arm's counters: the only food of the guards.

Two readings of a router's counters become an `Increment`, or a `Gap` with its reason. A gap in one
arm drops the interval for both arms, because a bet compares arms over the same time; nothing is
ever filled in with zero. A restarted counting process, a counter that went back, a NaN, an infinite
or impossible number are gaps. This module must not read anything itself, and must not know ports:
readings are taken by their shape.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from operator import sub
from typing import Any, Protocol

ABSURD = 1e12  # no scrape interval of one arm holds more requests than this


class CountersLike(Protocol):
    """Cumulative counts; `buckets` are cumulative by upper bound in seconds, the last is infinity."""

    @property
    def requests(self) -> float: ...
    @property
    def errors(self) -> float: ...
    @property
    def buckets(self) -> tuple[tuple[float, float], ...]: ...


class SampleLike(Protocol):
    """One reading of all backends; `started` tells one counting process from the next."""

    @property
    def at(self) -> float: ...
    @property
    def started(self) -> float: ...
    @property
    def named(self) -> "Mapping[str, CountersLike]": ...


@dataclass(frozen=True, slots=True)
class Arm:
    """What one version got in the interval; `buckets` are counts *per* bucket, not cumulative."""

    requests: float
    errors: float
    buckets: tuple[float, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Increment:
    """One interval that both arms have; `seconds` long, ending `at`, at this weight (percent).

    `stable` is None where all traffic goes to one version. `bounds` are the buckets' upper bounds in
    seconds without the infinite one, so an arm has one bucket more than there are bounds.
    """

    sequence: int
    at: float
    seconds: float
    weight: float
    candidate: Arm
    stable: Arm | None
    bounds: tuple[float, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Gap:
    """An interval that says nothing, and why. `silent`: the numbers themselves are missing."""

    sequence: int
    at: float
    reason: str
    silent: bool


def came_late(before: SampleLike, after: SampleLike) -> bool:
    """Whether this is a reading from before the other: to go on from it would count the time between twice.

    Where a clock was set back instead, the counters went on.
    """
    if after.started != before.started or not after.at < before.at:
        return False
    return any(
        now.requests < then.requests
        for name, now in after.named.items()
        if (then := before.named.get(name)) is not None
    )


def difference(
    before: SampleLike | None,
    after: SampleLike,
    *,
    candidate: str,
    stable: str | None,
    weight: float,
    sequence: int,
) -> Increment | Gap:
    """What happened between two readings of the same router, for the two backends named.

    A backend that neither reading knows has had no request yet: routers create a counter with the
    first request. That is a count, not a gap; one that vanished is a gap.
    """

    def gap(reason: str, *, silent: bool = False) -> Gap:
        return Gap(sequence, after.at, reason, silent)

    if before is None:
        return gap("first reading: nothing to compare it with yet")
    if before.started != after.started:
        return gap("the router's counters started again")
    if not after.at > before.at:
        return gap("the readings are not in order of time")
    arms: list[Arm] = []
    bounds: tuple[float, ...] = ()
    for name in (candidate, stable):
        if name is None:
            continue
        then, now = before.named.get(name), after.named.get(name)
        if then is not None and now is None:
            return gap(f"the counters of {name} are gone", silent=True)
        arm = _arm(then, now)
        if isinstance(arm, str):
            return gap(f"{name}: {arm}", silent=True)
        arms.append(arm)
        these = _bounds(now)
        if bounds and these and these != bounds:
            return gap("the two versions are measured in different buckets")
        bounds = bounds or these
    seconds = after.at - before.at
    stable_arm = arms[1] if len(arms) > 1 else None
    return _fitting(Increment(sequence, after.at, seconds, weight, arms[0], stable_arm, bounds))


def _arm(then: CountersLike | None, now: CountersLike | None) -> Arm | str:
    """One backend's increment, or what is wrong with it."""
    if now is None:
        return Arm(0.0, 0.0)
    if then is not None and then.buckets and _bounds(then) != _bounds(now):
        return "its buckets changed"
    requests = now.requests - (then.requests if then else 0.0)
    errors = now.errors - (then.errors if then else 0.0)
    past = dict(then.buckets) if then else {}
    cumulative = [count - past.get(bound, 0.0) for bound, count in now.buckets]
    buckets = tuple(map(sub, cumulative, [0.0, *cumulative]))
    arm = Arm(requests, errors, buckets)
    return wrong_with(arm) or arm


def _bounds(counters: CountersLike | None) -> tuple[float, ...]:
    """The finite ones. Most histograms end with the infinite one, and hold no other."""
    bounds = tuple([bound for bound, _ in counters.buckets]) if counters else ()
    if bounds and bounds[-1] == math.inf:
        bounds = bounds[:-1]
    return bounds if all(map(math.isfinite, bounds)) else tuple(filter(math.isfinite, bounds))


def wrong_with(arm: Arm) -> str | None:
    """Why these numbers cannot be a count of requests; None if they can."""
    numbers = (arm.requests, arm.errors, *arm.buckets)
    if not all(map(math.isfinite, numbers)):
        return "a counter is not a number"
    if min(numbers) < 0:
        return "a counter went back"
    if arm.errors > arm.requests:
        return "more errors than requests"
    return "more requests than can be" if max(numbers) > ABSURD else None


def checked(what: Increment | Gap) -> Increment | Gap:
    """The increment itself, or the gap that it really is: what guards are fed has passed here."""
    if isinstance(what, Gap):
        return what if math.isfinite(what.at) else replace(what, at=0.0)
    reason = wrong_with(what.candidate) or (wrong_with(what.stable) if what.stable else None)
    return _fitting(what) if reason is None else _not(what, reason)


def _fitting(what: Increment) -> Increment | Gap:
    """The same of one whose counts are counts of requests."""
    arms = [what.candidate] + ([what.stable] if what.stable else [])
    if any(a.buckets and len(a.buckets) != len(what.bounds) + 1 for a in arms):
        return _not(what, "the buckets do not fit their bounds")
    if not math.isfinite(what.at):
        return _not(what, "the interval's time is not a time")
    if not 0 <= what.seconds <= ABSURD:
        return _not(what, "the interval's length is not a length")
    return what if 0 <= what.weight <= 100 else _not(what, "the weight is not a percentage")


def _not(what: Increment, reason: str) -> Gap:
    return Gap(what.sequence, what.at if math.isfinite(what.at) else 0.0, reason, silent=True)


def slower(arm: Arm, bounds: tuple[float, ...], limit: float) -> tuple[float, float] | None:
    """(requests slower than `limit` seconds, requests timed); None if `limit` is no bucket's bound.

    A bound between two buckets is refused rather than interpolated.
    """
    if limit not in bounds or not arm.buckets:
        return (0.0, 0.0) if limit in bounds and arm.requests == 0 else None
    timed = sum(arm.buckets)
    return sum(arm.buckets[bounds.index(limit) + 1 :]), timed


def usual_bound(buckets: Iterable[float], bounds: tuple[float, ...], share: float = 0.05) -> float | None:
    """The bound to watch: the part of stable's past requests beyond it is, by ratio, nearest to `share`.

    So few as are beyond a much higher one would tell little. None where most requests exceed them all.
    """
    counts = list(buckets)
    total = sum(counts)
    beyond = zip(bounds, (total - seen for seen in accumulate(counts)), strict=False)
    far = {bound: abs(math.log(slow / total / share)) for bound, slow in beyond if 0 < slow <= total / 2}
    return min(far, key=lambda bound: far[bound], default=None)


def to_json(what: Increment | Gap) -> dict[str, Any]:
    """A plain mapping, exact to the last bit, for the store."""
    match what:
        case Gap():
            return {"gap": [what.sequence, what.at, what.reason, what.silent]}
        case Increment():
            return {
                "sequence": what.sequence,
                "at": what.at,
                "seconds": what.seconds,
                "weight": what.weight,
                "candidate": _arm_row(what.candidate),
                "stable": None if what.stable is None else _arm_row(what.stable),
                "bounds": list(what.bounds),
            }


def from_json(row: Mapping[str, Any]) -> Increment | Gap:
    """What `to_json` wrote."""
    if "gap" in row:
        return Gap(*row["gap"])
    stable = row["stable"]
    return Increment(
        row["sequence"],
        row["at"],
        row["seconds"],
        row["weight"],
        _arm_of(row["candidate"]),
        None if stable is None else _arm_of(stable),
        tuple(row["bounds"]),
    )


def _arm_row(arm: Arm) -> list[float]:
    return [arm.requests, arm.errors, *arm.buckets]


def _arm_of(row: list[float]) -> Arm:
    return Arm(row[0], row[1], tuple(row[2:]))
