"""Events of a calendar as spans of time in which nothing is released.

An event is what its file says; a span is one time at which it takes place. Where clocks are set forward or
back at its beginning or end it is never shorter than it says.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from policies import recurrence
from policies.recurrence import Rule

MOST_DAYS = 1_000_000  # looked at for all rules of a calendar together: about a second
MOST_SPANS = 2_000
_DAY = timedelta(days=1)
_FILE = re.compile(
    r"(?:(?P<source>[a-z0-9_-]+):)?(?P<path>[\w.-][\w./ -]*\.ics)(?: (?P<zone>[\w+-]+(?:/[\w+-]+)*))?"
)


class TooMuch(ValueError):
    """A calendar says more than is looked at; the message completes "it …"."""


@dataclass(frozen=True, slots=True)
class Named:
    """A calendar file as a freeze names it: a path, and the zone of its days. The `source` is known once the
    file was read there; "" in what people write."""

    path: str
    zone: str = ""
    source: str = ""

    def __str__(self) -> str:
        where = f"{self.source}:{self.path}" if self.source else self.path
        return f"{where} {self.zone}".rstrip()


def named(text: str) -> Named | None:
    """The file that a freeze's text names; None for any other text."""
    found = _FILE.fullmatch(text.strip())
    return None if found is None else Named(found["path"], found["zone"] or "", found["source"] or "")


def fetched_name(called: str) -> str:
    """Under which a calendar of the operator's is known: no file's name is like it."""
    return f"@{called}"


@dataclass(frozen=True, slots=True)
class Event:
    """An event. `first` and `length` are by the clock of its zone; `more` are further times, with their
    lengths; `but` the moments (Unix seconds) at which it does not take place, though its rule names them."""

    name: str
    first: datetime
    length: timedelta
    zone: ZoneInfo
    rule: Rule | None = None
    more: tuple[tuple[datetime, timedelta], ...] = ()
    but: frozenset[float] = frozenset()


@dataclass(frozen=True, slots=True)
class Span:
    """One time at which an event takes place, from Unix seconds to others; `zone` is that of its clock."""

    begins: float
    ends: float
    name: str
    zone: str


def spans(events: Sequence[Event], since: float, until: float) -> tuple[Span, ...]:
    """When these events take place between two moments, in order. Raises `TooMuch`."""
    if _cost(events, since, until) > MOST_DAYS:
        raise TooMuch("has rules that count through too many days; let them begin later, or without COUNT")
    found: set[Span] = set()
    for event in events:
        for span in _spans(event, since, until):
            found.add(span)
            if len(found) > MOST_SPANS:
                raise TooMuch(f"names more than {MOST_SPANS} times within the days that are looked at")
    return tuple(sorted(found, key=lambda span: (span.begins, span.ends, span.name)))


def _cost(events: Sequence[Event], since: float, until: float) -> int:
    return sum(
        recurrence.cost(event.rule, event.first.date(), *_dates(event, since, until))
        for event in events
        if event.rule is not None
    )


def _spans(event: Event, since: float, until: float) -> Iterator[Span]:
    for begins, length in _times(event, since, until):
        span = _span(event, begins, length)
        there = since < span.ends and span.begins < min(until, span.ends)
        if there and moment(begins, event.zone) not in event.but:
            yield span


def _times(event: Event, since: float, until: float) -> Iterator[tuple[datetime, timedelta]]:
    """Its first time counts whether its rule names it or not."""
    yield event.first, event.length
    yield from event.more
    if event.rule is None:
        return
    at = event.first.time()
    for day in recurrence.days(event.rule, event.first.date(), at, *_dates(event, since, until)):
        yield datetime.combine(day, at), event.length


def _dates(event: Event, since: float, until: float) -> tuple[date, date]:
    """The days on which it may begin to take place then."""
    earliest = datetime.fromtimestamp(since, event.zone).replace(tzinfo=None) - event.length - _DAY
    return earliest.date(), datetime.fromtimestamp(until, event.zone).date()


def _span(event: Event, begins: datetime, length: timedelta) -> Span:
    first, last = _moments(begins, event.zone), _moments(begins + length, event.zone)
    return Span(min(first), max(last), event.name, event.zone.key)


def moment(shown: datetime, zone: ZoneInfo) -> float:
    """The moment (Unix seconds) at which that clock shows so; the first where it does so twice."""
    return shown.replace(tzinfo=zone).timestamp()


def _moments(shown: datetime, zone: ZoneInfo) -> tuple[float, float]:
    return moment(shown, zone), moment(shown.replace(fold=1), zone)
