"""What came in, and what became of it: deliveries, changes seen at sources, and work that was given up.

A delivery's id is its number in the inbox, that of anything else is `work-N`. Nothing is stored for this
page: it is put together from the inbox, the engine's work, and what each was answered.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from policies.events import AliasChanged, ImageChanged, RefChanged, SourceEvent, VersionRegistered
from service.engine.ordering import SINCE
from service.engine.replaying import KINDS
from service.settings import Settings
from service.store import queued
from service.store.inbox import Arrival, Inbox
from service.store.queue import Work
from service.store.reading import Reading
from service.store.states import COMMAND, SOURCE_EVENT
from service.store.store import Store

ORDERS = "order:"  # lanes of commands that a source gave, not a person
PAGE = 50
MOST_SHOWN = 64 * 1024  # bytes of a body
_SECRET = re.compile(r"secret|token|password|passwd|authorization|api_?key|credential", re.IGNORECASE)
HIDDEN = "(hidden)"


class State(StrEnum):
    """What became of it."""

    STORED = "stored"  # in the inbox, and not taken yet
    WAITING = "waiting"  # taken, and not done; `text` says why if it was tried
    DONE = "done"  # `text` says what followed
    DEAD = "dead"  # given up; `text` says why
    DISMISSED = "dismissed"  # given up, and somebody said that it may rest; `text` says who and why


@dataclass(frozen=True, slots=True)
class Happened:
    """One delivery, change or piece of work. `led` names the events or releases that followed from it.

    `delivery` is the number of the delivery that it is; None for what did not come in as one.
    """

    id: str
    at: float
    source: str
    kind: str
    what: str
    state: State
    text: str = ""
    led: tuple[str, ...] = ()
    tries: int = 0
    delivery: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Newest first; `next` is what `before` must be for what is older, None where nothing is."""

    events: tuple[Happened, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Message:
    """A delivery as it came in: headers, and what is told of its body."""

    headers: Mapping[str, str]
    delivery: str  # the sender's own id of it
    digest: str
    size: int
    body: str | None


def page(
    store: Store, inbox: Inbox, *, source: str | None, failed: bool, before: str | None, limit: int = PAGE
) -> Page:
    """What came in and was seen, or with `failed` what was given up; so many of it.

    Raises `ValueError` for a `before` that is no page's `next`.
    """
    arrived_before, work_before = _position(before)
    arrived = [] if failed else inbox.arrivals(before=arrived_before, source=source, limit=limit + 1)
    with store.read() as read:
        works = _works(read, source, work_before, failed=failed, limit=limit)
        shown = _told(read, arrived, works)
    merged = tuple(_newest_first(shown, len(arrived)))
    kept = merged[:limit]
    return Page(kept, _next(kept, before) if len(merged) > limit else None)


def one(store: Store, inbox: Inbox, name: str) -> Happened | None:
    """The event of that id."""
    number = name.removeprefix("work-")
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        return None
    arrived = inbox.arrivals(before=int(number) + 1, limit=1) if number == name else []
    with store.read() as read:
        if number == name:
            return next((e for e in _told(read, arrived, ()) if e.id == name), None)
        return next(iter(_of_works(read, queued.chosen(read.connection, numbers=(int(number),)))), None)


def message(inbox: Inbox, number: int, hidden: Iterable[bytes], *, body: bool) -> Message | None:
    """The delivery of that id, with its body only if asked for and never with any of the `hidden` texts."""
    found = inbox.get(number)
    if found is None:
        return None
    secrets = [one.decode("utf-8", "replace") for one in hidden if one]
    headers = {key: _without(value, secrets) for key, value in found.headers.items()}
    text = _without(_readable(found.body), secrets)[:MOST_SHOWN] if body else None
    return Message(headers, found.delivery_id, found.digest, len(found.body), text)


def hidden(settings: Settings, source: str) -> tuple[bytes, ...]:
    """What must not be shown of a source's deliveries."""
    names = (f"hook-{source}", f"login-{source}")
    return tuple(secret for name in names if (secret := settings.secret(name)))


# --- one list out of two ---------------------------------------------------------------------


def _position(before: str | None) -> tuple[int | None, int | None]:
    if before is None:
        return None, None
    found = re.fullmatch(r"(\d{1,9})\.(\d{1,9})", before, re.ASCII)
    if found is None:
        raise ValueError("`before` must be the `next` of the page before")
    return int(found[1]), int(found[2])


def _newest_first(shown: Sequence[Happened], count: int) -> Iterator[Happened]:
    """Two lists, each newest first, as one. Each keeps its order: times may be equal, or set back."""
    left, right = list(shown[:count]), list(shown[count:])
    while left or right:
        take_left = bool(left) and (not right or left[0].at >= right[0].at)
        yield (left if take_left else right).pop(0)


def _next(kept: Sequence[Happened], before: str | None) -> str:
    """The ids below which the next page begins, in both lists."""
    arrived, work = _position(before)
    for shown in kept:
        if shown.id.startswith("work-"):
            work = int(shown.id.removeprefix("work-"))
        else:
            arrived = int(shown.id)
    last = 10**9 - 1  # a list of which nothing was shown yet begins at its newest
    return f"{last if arrived is None else arrived}.{last if work is None else work}"


def _works(read: Reading, source: str | None, before: int | None, *, failed: bool, limit: int) -> list[Work]:
    if failed:
        return queued.newest(read.connection, state="dead", of=source, before=before, limit=limit + 1)
    found = []
    for lane in ("event:", ORDERS):
        lanes = f"{lane}{source}:" if source else lane
        found += queued.newest(read.connection, lanes=lanes, before=before, limit=limit + 1)
    return sorted(found, key=lambda work: -work.id)


# --- what became of each ---------------------------------------------------------------------


def _told(read: Reading, arrived: Sequence[Arrival], works: Sequence[Work]) -> list[Happened]:
    """The deliveries, then the rest, each in their order; what became of them all is asked for at once."""
    names = [str(one.id) for one in arrived]
    taken = queued.latest(read.connection, names, KINDS) if names else {}
    told = _of_works(read, [*taken.values(), *works])
    known = dict(zip(taken, told, strict=False))
    return [*(_of_arrival(one, known.get(str(one.id))) for one in arrived), *told[len(taken) :]]


def _of_arrival(arrived: Arrival, work: Happened | None) -> Happened:
    what = f"{arrived.delivery_id[:60]}, {arrived.size} bytes"
    number = arrived.id
    stored = Happened(
        str(number), arrived.received, arrived.source, "delivery", what, State.STORED, delivery=number
    )
    if work is None:
        return stored
    told = work.what if work.kind == "command" else what
    return replace(stored, what=told, state=work.state, text=work.text, led=work.led, tries=work.tries)


def _of_works(read: Reading, works: Sequence[Work]) -> list[Happened]:
    if not works:
        return []
    answers = read.answers([_answered(work) for work in works])
    keys = [key for answer in answers.values() for key in answer.get("events", ())]
    named = queued.chosen(read.connection, keys=keys) if keys else ()
    numbers = {work.key: f"work-{work.id}" for work in named}
    return [_of_work(work, answers.get(_answered(work), {}), numbers) for work in works]


def _answered(work: Work) -> str:
    """The name under which the work's answer is kept."""
    return work.subject if work.kind == "command" else f"work-{work.id}"


_STATES = {
    "done": State.DONE,
    "replaced": State.DONE,
    "dead": State.DEAD,
    "dismissed": State.DISMISSED,
}


def _of_work(work: Work, answer: Mapping[str, Any], numbers: Mapping[str, str]) -> Happened:
    state = _STATES.get(work.state, State.WAITING)
    led = [numbers[key] for key in answer.get("events", ()) if key in numbers]
    led += answer.get("led") or ([answer["release"]] if answer.get("release") else [])
    return Happened(
        id=f"work-{work.id}",
        at=work.created,
        source=queued.source_of(work),
        kind=work.kind,
        what=_what(work),
        state=state,
        text=answer.get("text", "") if state in {State.DONE, State.DISMISSED} else work.error or "",
        led=tuple(led),
        tries=work.attempts + work.retries,
        delivery=int(work.subject) if work.kind in KINDS and work.subject.isdigit() else None,
    )


def _what(work: Work) -> str:
    if work.kind == "event":
        return change(SOURCE_EVENT.load(work.body))
    if work.kind == "command":
        command = COMMAND.load(work.body)
        # Since when it counts is a number for the engine; to people the reason says more.
        more = [f"{key} {value}" for key, value in command.arguments if key != SINCE]
        why = f" ({command.reason})" if command.reason else ""
        return f"{command.actor}: {' '.join(filter(None, (command.verb, command.subject, *more)))}{why}"
    return f"{work.kind} {work.subject}"


def change(event: SourceEvent) -> str:
    """A change at a source in one line."""
    match event:
        case RefChanged(ref=name, after=value):
            shown = (value or "")[:12]
        case AliasChanged(version=value):
            name, shown = event.reference, value or ""
        case ImageChanged(digest=value, tag=tag):
            name, shown = event.reference, f"{tag}@{value[:19]}" if value else ""
        case VersionRegistered():
            name, shown = event.reference, event.value or ""
    return f"{name} is now {shown}" if shown else f"{name} was removed"


# --- nothing secret --------------------------------------------------------------------------


def _readable(body: bytes) -> str:
    """The body as text; of JSON the values of keys that by their name hold a login are left out."""
    try:
        return json.dumps(_hidden(json.loads(body)), indent=2)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


def _hidden(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: HIDDEN if _SECRET.search(key) and isinstance(item, str) else _hidden(item)
            for key, item in value.items()
        }
    return [_hidden(item) for item in value] if isinstance(value, list) else value


def _without(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text
