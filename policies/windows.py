"""Times at which nothing is released: weekly, daily or by date, each in a time zone of its own.

A window is a text, as people write it: `Fri 16:00 - Mon 08:00 Europe/Berlin`, `22:00 - 06:00`,
`2026-12-20 - 2027-01-02 Europe/Berlin` (both days are in it). Without a zone it is in UTC. Where clocks are
set forward or back at its beginning or end, a window begins at the earlier and ends at the later of the two
moments that may be meant: it is never shorter than it says.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from policies import calendars
from policies.calendars import Span

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MOST_JOINED = 50  # windows that go over into each other
_DAY = timedelta(days=1)
_WEEK = 7
_ENDS = re.compile(
    r"(?:(?P<day>[A-Z][a-z]{2}) )?(?P<time>\d\d:\d\d)|(?P<date>\d{4}-\d\d-\d\d)(?: (?P<at>\d\d:\d\d))?"
)


class NoWindow(ValueError):
    """A text is no window; the message completes "it …"."""


@dataclass(frozen=True, slots=True)
class End:
    """Where a window begins or ends: on a date, on a day of each week (0: Monday), or each day."""

    at: time
    day: int | None = None
    on: date | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """A window, and the text that it was written as."""

    text: str
    first: End
    last: End
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Frozen:
    """Nothing is released before `until` (Unix seconds; None: nobody knows); `why` says it to people."""

    until: float | None
    why: str


@lru_cache(maxsize=1000)
def parse(text: str) -> Window:
    """The window that a text means. Raises `NoWindow`."""
    begins, dash, rest = text.strip().partition(" - ")
    ends, zone = _split(rest)
    if not dash:
        raise NoWindow("has no ` - ` between its beginning and its end")
    first, last = _end(begins.strip(), last=False), _end(ends, last=True)
    kinds = {(end.day is not None, end.on is not None) for end in (first, last)}
    if len(kinds) > 1:
        raise NoWindow("begins and ends by different kinds of times: by date, by day of the week, or daily")
    if first.on and last.on and (last.on, last.at) <= (first.on, first.at):
        raise NoWindow("ends before it begins")
    if not first.on and first == last:
        raise NoWindow("ends when it begins, so it would never end")
    return Window(text.strip(), first, last, zone)


def frozen(windows: Sequence[str], at: float, spans: Sequence[Span] = ()) -> Frozen | None:
    """Until when nothing is released, where that is so now. Windows, and the `spans` of calendars, that meet
    or overlap are one."""
    first, zone = "", "UTC"
    until = at
    for _ in range(_MOST_JOINED):
        covering = [
            (end, one.text, one.zone.key) for one in map(parse, windows) if (end := _until(one, until))
        ]
        covering += [(one.ends, one.name, one.zone) for one in spans if one.begins <= until < one.ends]
        if not covering:
            break
        until, text, zone = max(covering)
        first = first or text
    if until == at:
        return None
    shown = datetime.fromtimestamp(until, ZoneInfo(zone))
    return Frozen(until, f"the freeze `{first}` until {shown:%a %Y-%m-%d %H:%M} {zone}")


def checked(text: str) -> str:
    """A freeze as it is written in `segue.yaml`: a window, or a calendar file. Raises `NoWindow`."""
    named = calendars.named(text)
    if named is None:
        return parse(text).text
    if named.zone and named.zone not in zones():
        raise NoWindow(f"names the time zone {named.zone}, which is not known")
    return str(named)


def _until(window: Window, at: float) -> float | None:
    """When the window that covers this moment ends; None where it does not."""
    ends = [end for begin, end in _near(window, at) if begin <= at < end]
    return max(ends, default=None)


def _near(window: Window, at: float) -> Iterator[tuple[float, float]]:
    """Its occurrences that may cover this moment."""
    first, last = window.first, window.last
    if first.on and last.on:
        yield _span(window, first.on, last.on)
        return
    today = datetime.fromtimestamp(at, window.zone).date()
    for back in range(-1, _WEEK + 2):
        day = today - back * _DAY
        if first.day in {None, day.weekday()}:
            yield _span(window, day, day + _DAY * _length(first, last))


def _length(first: End, last: End) -> int:
    """Days from the one that a window begins on to the one it ends on."""
    if first.day is None or last.day is None:
        return 0 if last.at > first.at else 1
    days = (last.day - first.day) % _WEEK
    return _WEEK if days == 0 and last.at <= first.at else days


def _span(window: Window, begins: date, ends: date) -> tuple[float, float]:
    return min(_moments(begins, window.first.at, window.zone)), max(
        _moments(ends, window.last.at, window.zone)
    )


def _moments(day: date, at: time, zone: ZoneInfo) -> tuple[float, float]:
    """The two moments that a time of the clock may mean there; nearly always they are one."""
    shown = datetime.combine(day, at, zone)
    return shown.timestamp(), shown.replace(fold=1).timestamp()


# --- reading ---------------------------------------------------------------------------------


def _split(rest: str) -> tuple[str, ZoneInfo]:
    """The end's text and the zone behind it."""
    words = rest.split()
    named = words[-1] if (words and "/" in words[-1]) or words[-1:] == ["UTC"] else ""
    if named and named not in zones():
        raise NoWindow(f"names the time zone {named}, which is not known")
    return " ".join(words[:-1] if named else words), ZoneInfo(named or "UTC")


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _end(text: str, *, last: bool) -> End:
    found = _ENDS.fullmatch(text)
    if found is None:
        raise NoWindow(
            f"has {text[:40]!r} where a time such as `Fri 16:00`, `16:00` or `2026-12-20` is meant"
        )
    if found["day"] is not None and found["day"] not in DAYS:
        raise NoWindow(f"has the day {found['day']!r}, and not one of {', '.join(DAYS)}")
    try:
        if found["date"] is None:
            day = None if found["day"] is None else DAYS.index(found["day"])
            return End(time.fromisoformat(found["time"]), day)
        on = date.fromisoformat(found["date"])
        if found["at"] is None:  # a day is meant whole
            return End(time(0), on=on + _DAY if last else on)
        return End(time.fromisoformat(found["at"]), on=on)
    except (ValueError, OverflowError) as error:
        raise NoWindow(f"has {text!r}, which is no time: {error}") from None
