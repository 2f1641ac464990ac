"""One event of a calendar file: its text into values. The one home of the library that knows the format."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import icalendar

from policies import calendars
from policies.calendars import Event
from policies.recurrence import Every, Rule
from policies.spec.node import cut

_NAME = 80  # characters
_DAY = timedelta(days=1)
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_RULE = (
    "FREQ",
    "INTERVAL",
    "COUNT",
    "UNTIL",
    "BYMONTH",
    "BYMONTHDAY",
    "BYYEARDAY",
    "BYDAY",
    "BYSETPOS",
    "WKST",
)


class Wrong(ValueError):
    """Why an event cannot be read; completes "the event …"."""


@dataclass(frozen=True, slots=True)
class Single:
    """An event, and what tells it from others: its `uid`, the moment of the time that it is instead of
    (None: of none), and whether it takes place."""

    event: Event
    uid: str
    instead: float | None
    cancelled: bool


def read(text: str, clock: ZoneInfo) -> Single:
    """The event of this text, whose days, and times without a zone, are by that `clock`. Raises `Wrong`."""
    try:
        told = icalendar.Event.from_ical(text)
        wrong = [str(why) for _, why in told.errors]
        values = {name: told[name] for name in told}
        [getattr(value, "dt", None) for value in values.values()]  # one that is broken says so
    except ValueError as error:
        wrong = [str(error)]
    if wrong:
        raise Wrong(f"cannot be read: {cut(wrong[0])}")
    name = _name(values)
    try:
        return _of(values, name, clock)
    except Wrong as error:
        raise Wrong(f"`{name}` {error}") from None
    except (OverflowError, ValueError, AttributeError, TypeError) as error:
        raise Wrong(f"`{name}` cannot be read: {cut(str(error))}") from None


def _of(values: Mapping[str, Any], name: str, clock: ZoneInfo) -> Single:
    if "EXRULE" in values:
        raise Wrong("has an EXRULE, which is not read; write EXDATE")
    if "DTSTART" not in values:
        raise Wrong("has no DTSTART")
    begins = values["DTSTART"].dt
    first, zone = _local(values["DTSTART"], begins, clock)
    if not 1900 <= first.year < 9000:
        raise Wrong(f"begins in the year {first.year}")
    event = Event(
        name,
        first,
        _length(values, first, zone, clock),
        zone,
        _rule(values, zone),
        tuple(_more(values, zone, clock, _length(values, first, zone, clock))),
        frozenset(_but(values, begins, clock)),
    )
    instead = None
    if "RECURRENCE-ID" in values:
        given = values["RECURRENCE-ID"]
        if "RANGE" in given.params:
            raise Wrong("changes all times from one on (RANGE=THISANDFUTURE), which is not read")
        instead = calendars.moment(*_local(given, given.dt, clock))
    cancelled = str(values.get("STATUS", "")).upper() == "CANCELLED"
    return Single(event, str(values.get("UID", "")), instead, cancelled)


def _name(values: Mapping[str, Any]) -> str:
    """Its summary as one short line of plain text."""
    said = str(values.get("SUMMARY", "")).replace("`", "'")
    plain = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    return plain[:_NAME] or "an event without a name"


def _local(given: Any, value: Any, clock: ZoneInfo) -> tuple[datetime, ZoneInfo]:
    """The clock's time and its zone; a day without a time is its beginning."""
    named = str(given.params.get("TZID", ""))
    if not isinstance(value, datetime):
        if not isinstance(value, date):
            raise Wrong("has a time without a day")
        return datetime.combine(value, time(0)), clock
    if value.tzinfo is None:
        if named:
            raise Wrong(f"names the time zone {cut(named)!r}, which is not known here")
        return value, clock
    zone = value.tzinfo if isinstance(value.tzinfo, ZoneInfo) and value.tzinfo.key else ZoneInfo("UTC")
    return value.astimezone(zone).replace(tzinfo=None), zone


def _length(values: Mapping[str, Any], first: datetime, zone: ZoneInfo, clock: ZoneInfo) -> timedelta:
    if "DTEND" in values:
        last, other = _local(values["DTEND"], values["DTEND"].dt, clock)
        if other.key != zone.key:
            last = last.replace(tzinfo=other).astimezone(zone).replace(tzinfo=None)
        length = last - first
    elif "DURATION" in values:
        length = values["DURATION"].dt
    else:
        whole = not isinstance(values["DTSTART"].dt, datetime)
        length = _DAY if whole else timedelta(0)
    if length < timedelta(0):
        raise Wrong("ends before it begins")
    return length


def _more(
    values: Mapping[str, Any], zone: ZoneInfo, clock: ZoneInfo, length: timedelta
) -> Iterator[tuple[datetime, timedelta]]:
    for given, value in _listed(values, "RDATE"):
        begins, lasts = value, length
        if isinstance(value, tuple):  # a period: its beginning, and its end or how long
            begins = value[0]
            lasts = value[1] if isinstance(value[1], timedelta) else value[1] - value[0]
        shown, other = _local(given, begins, clock)
        if other.key != zone.key:
            shown = shown.replace(tzinfo=other).astimezone(zone).replace(tzinfo=None)
        yield shown, lasts


def _but(values: Mapping[str, Any], begins: Any, clock: ZoneInfo) -> Iterator[float]:
    for given, value in _listed(values, "EXDATE"):
        if isinstance(value, datetime) is not isinstance(begins, datetime):
            raise Wrong("has an EXDATE of another kind than its DTSTART: both are days, or both are times")
        yield calendars.moment(*_local(given, value, clock))


def _listed(values: Mapping[str, Any], name: str) -> Iterator[tuple[Any, Any]]:
    given = values.get(name, [])
    for one in given if isinstance(given, list) else [given]:
        for value in one.dts:
            yield one, value.dt


# --- its rule --------------------------------------------------------------------------------


def _rule(values: Mapping[str, Any], zone: ZoneInfo) -> Rule | None:
    given = values.get("RRULE")
    if given is None:
        return None
    if isinstance(given, list):
        raise Wrong("has more than one RRULE")
    said = {str(name).upper(): found for name, found in given.items()}
    if unread := sorted(said.keys() - {*_RULE}):
        raise Wrong(f"comes again by {unread[0]}, which is not read; read are {', '.join(_RULE)}")
    every = str(said.get("FREQ", [""])[0]).upper()
    if every not in set(Every):
        raise Wrong(f"comes again {every or 'by no FREQ'}; read are {', '.join(Every)}")
    rule = Rule(
        Every(every),
        _one(said, "INTERVAL", 1) or 1,
        _one(said, "COUNT", 1),
        _until(said, zone),
        _numbers(said, "BYMONTH", 12),
        _numbers(said, "BYMONTHDAY", 31),
        _numbers(said, "BYYEARDAY", 366),
        tuple(_weekday(str(one)) for one in said.get("BYDAY", ())),
        _numbers(said, "BYSETPOS", 366),
        _WEEKDAYS.index(str(said.get("WKST", ["MO"])[0]).upper()),
    )
    if any(nth for nth, _ in rule.weekdays) and rule.every in {Every.DAY, Every.WEEK}:
        raise Wrong(f"comes again {every} by a numbered BYDAY, which is for MONTHLY and YEARLY")
    return rule


def _one(said: Mapping[str, Any], name: str, least: int) -> int | None:
    if name not in said:
        return None
    number = int(said[name][0])
    if not least <= number <= 100_000:
        raise Wrong(f"has {name}={number}; it is from {least} to 100000")
    return number


def _numbers(said: Mapping[str, Any], name: str, most: int) -> tuple[int, ...]:
    found = tuple(int(one) for one in said.get(name, ()))
    if any(not 1 <= abs(one) <= most for one in found):
        raise Wrong(f"has a {name} that is not from 1 to {most}")
    return found


def _weekday(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([+-]?\d{1,2})?([A-Z]{2})", text.upper())
    if found is None or found[2] not in _WEEKDAYS:
        raise Wrong(f"has the BYDAY {cut(text)}")
    return int(found[1] or 0), _WEEKDAYS.index(found[2])


def _until(said: Mapping[str, Any], zone: ZoneInfo) -> datetime | None:
    if "UNTIL" not in said:
        return None
    value = said["UNTIL"][0]
    if not isinstance(value, datetime):
        return datetime.combine(value, time.max)
    return value if value.tzinfo is None else value.astimezone(zone).replace(tzinfo=None)
