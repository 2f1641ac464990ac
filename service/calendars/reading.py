"""Reads calendar files (iCalendar, RFC 5545): bytes into times, or into all their mistakes with their lines.

An event is read by itself, and a file's own time zones never: zones are those of the machine's database.
Size, events and rules are bounded, because a file comes from whoever can push, or from a server elsewhere.
What is not understood is a mistake, never left out: an event that is missed would let a release go on.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from policies import calendars, windows
from policies.calendars import Event, Span, TooMuch
from policies.spec.node import cut
from service.calendars import event
from service.calendars.event import Single, Wrong

LARGEST = 1 << 20  # bytes
MOST_EVENTS = 1_000
AHEAD = 400 * 86_400.0  # seconds for which it is told when events take place
_BACK = 7 * 86_400.0  # and before now: decisions are about moments that are a little old
_MOST_TOLD = 20  # mistakes of one file


class Unreadable(ValueError):
    """A calendar cannot be read; `lines` says why, a line each."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = tuple(lines)


@dataclass(frozen=True, slots=True)
class _Part:
    """An event as it is written, and the line that it begins in."""

    line: int
    text: str


def read(data: bytes, zone: str, now: float) -> tuple[Span, ...]:
    """When the events take place, from a week ago to `AHEAD`. `zone` is that of days and of times without
    one; "": the calendar's own, or else UTC. Raises `Unreadable`."""
    found = _events(data, zone)
    try:
        return calendars.spans(found, now - _BACK, now + AHEAD)
    except TooMuch as error:
        raise Unreadable([f"it {error}"]) from None


def _events(data: bytes, zone: str) -> tuple[Event, ...]:
    head, parts = _split(_text(data))
    clock = ZoneInfo(zone) if zone else _own_zone(head)
    mistakes: list[str] = []
    found: list[Single] = []
    for part in parts:
        try:
            found.append(event.read(part.text, clock))
        except Wrong as error:
            mistakes.append(f"line {part.line}: the event {error}")
    if mistakes:
        more = len(mistakes) - _MOST_TOLD
        raise Unreadable([*mistakes[:_MOST_TOLD], *([f"and {more} more"] if more > 0 else [])])
    return tuple(_together(found))


def _together(found: list[Single]) -> Iterator[Event]:
    """What takes place: a time that was moved or cancelled is none of its series any more."""
    moved: dict[str, set[float]] = {}
    for one in found:
        if one.instead is not None:
            moved.setdefault(one.uid, set()).add(one.instead)
    for one in found:
        if not one.cancelled:
            event = one.event
            own = moved.get(one.uid, set()) if one.instead is None else set()
            yield replace(event, but=event.but | own)


# --- the file --------------------------------------------------------------------------------


def _text(data: bytes) -> str:
    if len(data) > LARGEST:
        raise Unreadable([f"it has {len(data)} bytes; at most {LARGEST} are read"])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable(["it is not UTF-8 text"]) from None


def _split(text: str) -> tuple[list[str], list[_Part]]:
    """What a calendar says of itself, and its events as they are written. Raises `Unreadable`."""
    lines = re.split(r"\r\n|\n|\r", text)
    if lines[0].strip().upper() != "BEGIN:VCALENDAR" or "END:VCALENDAR" not in map(_upper, lines):
        raise Unreadable(["it is no calendar: it must begin with BEGIN:VCALENDAR and end with END:VCALENDAR"])
    head: list[str] = []
    parts: list[_Part] = []
    within: list[str] = []
    begins = 0
    for number, line in enumerate(lines, 1):
        word = _upper(line)
        if word.startswith("BEGIN:"):
            within.append(word[6:])
            begins = number if within[1:] == ["VEVENT"] else begins
        elif word.startswith("END:"):
            if not within or within.pop() != word[4:]:
                raise Unreadable([f"line {number}: {cut(line)} ends what did not begin"])
            if word == "END:VEVENT" and within == ["VCALENDAR"]:
                parts.append(_Part(begins, "\r\n".join((*lines[begins - 1 : number], ""))))
        elif within == ["VCALENDAR"]:
            head.append(line)
    if within:
        raise Unreadable([f"{cut(within[-1])} has no end"])
    if len(parts) > MOST_EVENTS:
        raise Unreadable([f"it has {len(parts)} events; at most {MOST_EVENTS} are read"])
    return head, parts


def _upper(line: str) -> str:
    return line.strip().upper()


def _own_zone(head: list[str]) -> ZoneInfo:
    named = next(
        (line.partition(":")[2].strip() for line in head if _upper(line).startswith("X-WR-TIMEZONE:")), ""
    )
    if named and named not in windows.zones():
        raise Unreadable([f"its time zone {cut(named)!r} is not known; name one behind the file's name"])
    return ZoneInfo(named or "UTC")
