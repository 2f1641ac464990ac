"""One look of a guard at its counters: the next cut, and what it tells the judge.

The caller reads the series and keeps the cut from look to look; without one (a first look, another process)
nothing is told but that. This module reads nothing and knows no source.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from policies.guards import readings
from policies.guards.counted import Counted, Row
from policies.guards.drift import MOST_BINS, Scored
from policies.guards.readings import Cut, Gained, Series, Versions
from policies.spec import selector
from policies.spec.declaration import Comparison, Guard, GuardKind
from policies.spec.selector import Selector

FIRST = "first reading: nothing to compare it with yet"


@dataclass(frozen=True, slots=True)
class Moment:
    """When it is looked, at which weight (percent), since when it has not moved, and what comes next."""

    now: float
    weight: float
    moved: float
    sequence: int


def selectors(guard: Guard) -> tuple[Selector, ...]:
    """What the guard reads: its counter, and the total's where it has one."""
    return tuple(selector.read(text) for text in (guard.query, guard.of) if text is not None)


def look(
    guard: Guard, before: Cut | None, series: Sequence[Series] | str, versions: Versions, moment: Moment
) -> tuple[Cut | None, Counted | Scored | None]:
    """The cut to go on from, and the news; None where no newer sample came.

    `series` may be the reason why there are none."""

    def gap(reason: str) -> Counted:
        return Counted(moment.sequence, moment.now, 0.0, moment.weight, guard.name, gap=reason)

    if isinstance(series, str):
        return before, gap(series)
    reason = _missing(guard, series) or readings.unnamed(series, versions)
    if reason is not None:
        return before, gap(reason)
    after = readings.cut(series, moment.now)
    if isinstance(after, str):
        return before, gap(after)
    if before is None:
        return after, gap(FIRST)
    if after.at == before.at:
        return before, None
    if readings.came_late(before, after):
        return before, gap("an earlier answer came late: what it says was told before")
    after = readings.following(before, after)
    if before.at < moment.moved:
        return after, gap("it was counted before the weight moved")
    counted = readings.gained(before, series, after)
    if isinstance(counted, str):
        return after, gap(counted)
    found = _news(guard, counted, versions, moment)
    return after, gap(found) if isinstance(found, str) else found


def _missing(guard: Guard, series: Iterable[Series]) -> str | None:
    """A counter that is not there at all; one of the same name with other labels may begin later, at zero."""
    names = {one.name for one in series}
    for one in selectors(guard):
        if one.name not in names:
            return f"nothing there fits {one}; a program should export it before it counts anything"
    return None


def _news(guard: Guard, counted: Gained, versions: Versions, moment: Moment) -> Counted | Scored | str:
    bounds: tuple[float, ...] = ()
    if guard.of is None:
        found = readings.buckets(counted, versions, guard.segments)
        if isinstance(found, str):
            return found
        bounds, rows = found
        if guard.kind is GuardKind.DRIFT:
            return _scored(guard, rows, counted.at, moment)
    else:
        query, of = selectors(guard)
        told = readings.rows(
            _of(query, counted), _of(of, counted), versions, guard.segments, good=counts_good(guard)
        )
        if isinstance(told, str):
            return told
        rows = told
    return Counted(moment.sequence, counted.at, counted.seconds, moment.weight, guard.name, rows, bounds)


def _scored(guard: Guard, rows: Sequence[Row], at: float, moment: Moment) -> Scored | str:
    mine, theirs = rows[0].candidate.buckets, rows[0].stable.buckets
    if len(mine) > MOST_BINS:
        return f"it has {len(mine)} buckets; at most {MOST_BINS} are compared"
    return Scored(moment.sequence, at, guard.name, mine, theirs)


def counts_good(guard: Guard) -> bool:
    """Whether `query` counts good things: more is better with `drop`, and with a limit from below."""
    return guard.drop is not None or guard.comparison in {Comparison.AT_LEAST, Comparison.MORE_THAN}


def _of(one: Selector, counted: Gained) -> Gained:
    chosen = tuple(pair for pair in counted.counts if one.fits(pair[0].name, dict(pair[0].labels)))
    return Gained(counted.at, counted.seconds, chosen)
