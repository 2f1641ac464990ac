"""Releases told as they go on: server-sent events of their record and their state.

One thread looks at the store for all who follow, once something was stored; a follower costs a thread that
sleeps. Nothing here knows HTTP, or who may follow what: it asks.
"""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import structlog

from service.errors import StoreError
from service.showing import views
from service.store.bell import Ear
from service.store.codec import CodecError
from service.store.reading import Reading
from service.store.states import release_of
from service.store.store import Store

log = structlog.get_logger()
MOST, EACH = 100, 10  # streams at once: of a process, and of somebody
LOOK_SECONDS = 0.5  # between two looks at the store, however often something is stored
TURN_SECONDS = 1.0  # how soon it is seen that a follower has gone, or that the process ends
BEAT_SECONDS = 15.0  # after which a silent stream says that it is there, and who follows is looked at again
LONGEST_SECONDS = 3600.0  # after which a stream ends, to be taken up where it was
_RETRY = "retry: 3000\n\n"  # milliseconds
_BEAT = ": still here\n\n"
_MARK = re.compile(r"(\d{1,9})\.(\d{1,9})", re.ASCII)


class Full(Exception):
    """No more streams now; `own`: of the one who asks."""

    def __init__(self, *, own: bool) -> None:
        super().__init__(f"you have {EACH} streams open" if own else f"{MOST} streams are open")
        self.own = own


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """How much of a release was told: its state up to that revision, its record up to that entry."""

    rev: int = 0
    entry: int = 0

    @classmethod
    def of(cls, text: str) -> "Mark":
        """The mark that `str` gave. Raises `ValueError`."""
        found = _MARK.fullmatch(text)
        if found is None:
            raise ValueError("`Last-Event-ID` must be the id of an event of this stream, such as 12.345")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.rev}.{self.entry}"


@dataclass(frozen=True, slots=True)
class State:
    """A release as it was seen last, written once for all who follow it."""

    name: str
    mark: Mark
    text: str
    final: bool


class Streams:
    """All streams of a process. They end when it is told to `stop`."""

    def __init__(self, store: Store, stop: threading.Event) -> None:
        self._store = store
        self._stop = stop
        self._changed = threading.Condition()
        self._seats: Counter[str] = Counter()
        self._followers: Counter[int] = Counter()
        self._seen: dict[int, State] = {}
        self._looking = False

    def open(self) -> int:
        """How many there are."""
        return self._seats.total()

    def sit(self, person: str) -> Callable[[], None]:
        """Room for one more stream, and what gives it back, to be called once. Raises `Full`."""
        with self._changed:
            if self._seats[person] >= EACH:
                raise Full(own=True)
            if self._seats.total() >= MOST:
                raise Full(own=False)
            self._seats[person] += 1
        return partial(self._rise, person)

    def _rise(self, person: str) -> None:
        with self._changed:
            self._seats[person] -= 1
            if not self._seats[person]:
                del self._seats[person]

    def state(self, number: int) -> State | None:
        """The release of that id as it is now."""
        with self._store.read() as read:
            return _state(read, number)

    def follow(
        self, number: int, since: Mark, may: Callable[[], bool], gone: Callable[[], bool]
    ) -> Iterator[str]:
        """Everything that follows on `since`, until the release has ended, who follows has `gone`, or `may`
        not any more."""
        try:
            self._begin(number)
            yield _RETRY
            yield from self._told(number, since, may, gone)
        except StoreError:
            log.warning("stream ended", release=number, exc_info=True)
        finally:
            self._end(number)

    def _told(
        self, number: int, since: Mark, may: Callable[[], bool], gone: Callable[[], bool]
    ) -> Iterator[str]:
        mark, until, beat = since, time.monotonic() + LONGEST_SECONDS, time.monotonic() + BEAT_SECONDS
        while not gone() and not self._stop.is_set() and (now := time.monotonic()) < until:
            state = self._next(number, mark)
            if state is None and now < beat:
                continue
            beat = now + BEAT_SECONDS
            if not may():
                return
            if state is None:
                yield _BEAT
                continue
            yield from self._events(mark, state)
            mark = state.mark
            if state.final:
                return

    def _next(self, number: int, mark: Mark) -> State | None:
        """What there is beyond the mark, once there is; None after a turn without."""
        with self._changed:
            self._changed.wait_for(lambda: self._beyond(number, mark) or self._stop.is_set(), TURN_SECONDS)
            return self._beyond(number, mark)

    def _beyond(self, number: int, mark: Mark) -> State | None:
        state = self._seen.get(number)
        return None if state is None or state.mark == mark else state

    def _events(self, mark: Mark, state: State) -> Iterator[str]:
        """First the record, then the state to which it led; each with the mark to go on from."""
        entry = mark.entry
        while entry < state.mark.entry:
            with self._store.read() as read:
                found = read.record_of(state.name, after=entry)
            for one in found:
                entry = one.id
                yield _event("entry", Mark(mark.rev, entry), json.dumps(views.entry(one), sort_keys=True))
            if not found:
                break
        yield _event("release", state.mark, state.text)
        if state.final:
            yield _event("end", state.mark, "{}")

    # --- one look for all ------------------------------------------------------------------------

    def _begin(self, number: int) -> None:
        with self._changed:
            self._followers[number] += 1
            if not self._looking:
                self._looking = True
                threading.Thread(target=self._look_for_ever, name="streams", daemon=True).start()
        self._look([number])

    def _end(self, number: int) -> None:
        with self._changed:
            self._followers[number] -= 1
            if self._followers[number] <= 0:
                del self._followers[number]
                self._seen.pop(number, None)

    def _look_for_ever(self) -> None:
        """As long as somebody follows something."""
        ear = Ear([self._store.bell])
        try:
            while numbers := self._wanted():
                try:
                    self._look(numbers)
                except StoreError:
                    log.warning("streams see nothing new", exc_info=True)
                self._stop.wait(LOOK_SECONDS)
                ear.wait(self._stop, TURN_SECONDS)
        finally:
            ear.close()

    def _wanted(self) -> list[int]:
        with self._changed:
            numbers = [] if self._stop.is_set() else list(self._followers)
            self._looking = bool(numbers)
            return numbers

    def _look(self, numbers: list[int]) -> None:
        with self._store.read() as read:
            marks = read.release_marks(numbers)
            new = [number for number, mark in marks.items() if self._is_new(number, Mark(*mark))]
            states = {number: state for number in new if (state := _readable(read, number)) is not None}
        if states:
            self._see(states)

    def _see(self, states: dict[int, State]) -> None:
        """Two may look at once: whoever looked first and comes last knows nothing new."""
        with self._changed:
            followed = {number: one for number, one in states.items() if number in self._followers}
            self._seen |= {number: one for number, one in followed.items() if self._is_new(number, one.mark)}
            self._changed.notify_all()

    def _is_new(self, number: int, mark: Mark) -> bool:
        state = self._seen.get(number)
        return state is None or state.mark < mark


def _readable(read: Reading, number: int) -> State | None:
    """The state, unless a newer version wrote it in a form of its own: that ends no other stream."""
    try:
        return _state(read, number)
    except CodecError:
        log.warning("release cannot be read here", release=number, exc_info=True)
        return None


def _state(read: Reading, number: int) -> State | None:
    row = read.release(number)
    if row is None:
        return None
    _, entry = read.release_marks([number])[number]
    text = json.dumps(views.release(release_of(row)), sort_keys=True)
    return State(row.name, Mark(row.rev, entry), text, row.final)


def _event(kind: str, mark: Mark, data: str) -> str:
    return f"event: {kind}\nid: {mark}\ndata: {data}\n\n"
