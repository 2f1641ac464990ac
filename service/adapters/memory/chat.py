"""A chat that keeps its messages in memory; for tests and for trying things out."""

import threading
from dataclasses import dataclass, field
from typing import Self

from service.ports.chat import Message, Take, Told
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.settings import Settings


@dataclass(slots=True)
class Posted:
    """A message as it stands there, and how often it was written."""

    room: str
    key: str
    message: Message
    under: str
    written: int = 1


@dataclass(slots=True)
class MemoryChat:
    """`rooms` are names with their ids; `gone` is why the chat cannot be reached, as long as it cannot.

    What `says` holds is what people say there: whoever listens is handed it.
    """

    rooms: dict[str, str] = field(default_factory=lambda: {"#ml-release": "C1"})
    posted: dict[str, Posted] = field(default_factory=dict)
    says: list[Told] = field(default_factory=list)
    gone: str = ""
    listening: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, _settings: Settings, _source: Source) -> Self:
        """An empty chat."""
        return cls()

    def check(self) -> str:
        self._reach()
        return "memory"

    def room(self, name: str) -> str:
        self._reach()
        if name in self.rooms.values():
            return name
        if name not in self.rooms:
            raise Refused(f"there is no room {name}, or we are not in it")
        return self.rooms[name]

    def put(self, room: str, key: str, message: Message, posted: str = "", under: str = "") -> str:
        self._reach()
        if room not in self.rooms.values():
            raise Refused(f"we are not in the room {room}")
        with self._lock:
            known = posted if posted in self.posted else self._found(room, key)
            if known:
                self.posted[known].message = message
                self.posted[known].written += 1
                return known
            name = f"m{len(self.posted) + 1}"
            self.posted[name] = Posted(room, key, message, under)
            return name

    def listens(self) -> bool:
        return self.listening

    def listen(self, since: str | None, take: Take, stop: threading.Event) -> None:
        """Hands over what was said, a message each, until it is told to stop."""
        at = len(self.says) if since is None else int(since)
        while not stop.is_set():
            self._reach()
            while at < len(self.says):
                take(self.says[at : at + 1], str(at + 1))
                at += 1
            stop.wait(0.01)

    def remove(self, name: str) -> None:
        """Somebody deletes a message."""
        with self._lock:
            del self.posted[name]

    def said(self, room: str = "C1") -> list[Message]:
        """The messages of a room, oldest first."""
        return [one.message for one in self.posted.values() if one.room == room]

    def _found(self, room: str, key: str) -> str:
        return next((n for n, one in self.posted.items() if (one.room, one.key) == (room, key)), "")

    def _reach(self) -> None:
        if self.gone:
            raise Retry(self.gone)
