"""Days on which something comes again, by a rule of iCalendar: RFC 5545, section 3.3.10.

Only whole days are told here; an event keeps its time of day. However a rule is written, looking at it costs
no more than `cost` says: a rule that names no day at all ends as any other does.
"""

import calendar
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum

_WEEK = 7
_MONTHS = 12
_LONGEST = 366  # days of a period


class Every(StrEnum):
    """The period of a rule; shorter ones than a day are not read."""

    DAY = "DAILY"
    WEEK = "WEEKLY"
    MONTH = "MONTHLY"
    YEAR = "YEARLY"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule. `until` is a time of the event's own clock and counts itself; `weekdays` are which one of the
    period, 0 for each, and the day (0: Monday); `positions` choose among the days of each period. Negative
    numbers count from the end."""

    every: Every
    interval: int = 1
    count: int | None = None
    until: datetime | None = None
    months: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    year_days: tuple[int, ...] = ()
    weekdays: tuple[tuple[int, int], ...] = ()
    positions: tuple[int, ...] = ()
    week_starts: int = 0


def days(rule: Rule, first: date, at: time, since: date, until: date) -> Iterator[date]:
    """The days from `since` to `until`, both in it, on which an event that is on `first` comes again."""
    rule = _whole(rule, first)
    unit, counted = _beginning(rule, first, since), 0
    while (period := _period(rule, unit)) and period[0] <= until:
        for day in _chosen(rule, period):
            if day < first:
                continue
            if day > until or _over(rule, counted, datetime.combine(day, at)):
                return
            counted += 1
            if day >= since:
                yield day
        unit += rule.interval


def cost(rule: Rule, first: date, since: date, until: date) -> int:
    """The most days that are looked at for it. A rule that counts is looked at from its beginning."""
    begins = first if rule.count is not None else max(first, since)
    return max(0, (until - begins).days) + 2 * _LONGEST


def _whole(rule: Rule, first: date) -> Rule:
    """The rule with the days that its first one says, where it names none itself."""
    if rule.year_days or rule.month_days or rule.weekdays:
        return rule
    match rule.every:
        case Every.YEAR:
            return replace(rule, months=rule.months or (first.month,), month_days=(first.day,))
        case Every.MONTH:
            return replace(rule, month_days=(first.day,))
        case Every.WEEK:
            return replace(rule, weekdays=((0, first.weekday()),))
        case Every.DAY:
            return rule


def _over(rule: Rule, counted: int, moment: datetime) -> bool:
    return (rule.count is not None and counted >= rule.count) or (
        rule.until is not None and moment > rule.until
    )


# --- periods, by their numbers ---------------------------------------------------------------


def _beginning(rule: Rule, first: date, since: date) -> int:
    """The period to begin with: what does not count may pass over all before."""
    unit = _unit(rule, first)
    if rule.count is not None:
        return unit
    return unit + max(0, (_unit(rule, since) - unit) // rule.interval) * rule.interval


def _unit(rule: Rule, day: date) -> int:
    match rule.every:
        case Every.YEAR:
            return day.year
        case Every.MONTH:
            return day.year * _MONTHS + day.month - 1
        case Every.WEEK:
            return (day.toordinal() - 1 - rule.week_starts) // _WEEK
        case Every.DAY:
            return day.toordinal()


def _period(rule: Rule, unit: int) -> Sequence[date]:
    """Its days; none where the calendar ends."""
    try:
        match rule.every:
            case Every.YEAR:
                begins, ends = date(unit, 1, 1), date(unit + 1, 1, 1)
            case Every.MONTH:
                begins = date(unit // _MONTHS, unit % _MONTHS + 1, 1)
                ends = date((unit + 1) // _MONTHS, (unit + 1) % _MONTHS + 1, 1)
            case Every.WEEK:
                begins = date.fromordinal(unit * _WEEK + 1 + rule.week_starts)
                ends = begins + timedelta(_WEEK)
            case Every.DAY:
                begins = date.fromordinal(unit)
                ends = begins + timedelta(1)
    except (ValueError, OverflowError):
        return ()
    return [begins + timedelta(n) for n in range((ends - begins).days)]


def _chosen(rule: Rule, period: Sequence[date]) -> list[date]:
    fitting = [day for day in period if _fits(rule, day)]
    if not rule.positions:
        return fitting
    places = {place - 1 if place > 0 else len(fitting) + place for place in rule.positions}
    return [day for place, day in enumerate(fitting) if place in places]


def _fits(rule: Rule, day: date) -> bool:
    if rule.months and day.month not in rule.months:
        return False
    if rule.month_days and not _among(rule.month_days, day.day, _length(day)):
        return False
    of_year = day.timetuple().tm_yday
    if rule.year_days and not _among(rule.year_days, of_year, 365 + calendar.isleap(day.year)):
        return False
    return not rule.weekdays or any(_is(rule, day, nth, weekday) for nth, weekday in rule.weekdays)


def _is(rule: Rule, day: date, nth: int, weekday: int) -> bool:
    """Whether it is that weekday: each one, or the `nth` of its month; of its year where a rule of years
    names no months."""
    if day.weekday() != weekday:
        return False
    if nth == 0:
        return True
    if rule.every is Every.YEAR and not rule.months:
        place, length = day.timetuple().tm_yday, 365 + calendar.isleap(day.year)
    else:
        place, length = day.day, _length(day)
    return nth in {(place - 1) // _WEEK + 1, -((length - place) // _WEEK + 1)}


def _among(wanted: tuple[int, ...], place: int, length: int) -> bool:
    return place in wanted or place - length - 1 in wanted


def _length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]
