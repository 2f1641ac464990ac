"""The recorder's notes, as the observer takes them in: each file once for each rollout, then it goes.

A rollout knows up to which file it has taken notes in, and stores that with what it made of them. A file
goes once every rollout that could want it is past it.
"""

import time
from collections.abc import Iterable
from pathlib import Path

from service.recorder.orders import Home
from service.recorder.spool import Assigned, Note, Spool

UNWANTED = 60.0  # seconds after which a file goes that no rollout asks for


class Recordings:
    """The files of this home's recorder. It may never have run: then there are none."""

    def __init__(self, home: Path) -> None:
        self._home = Home(home / "recorder")
        self._spool = Spool(self._home.spool)
        self._read: dict[int, list[Note]] = {}

    def look(self) -> list[Assigned]:
        """See which files there are now, and read those that are new: who answered, by those."""
        fresh = {n: self._spool.read(n) for n in self._spool.numbers() if n not in self._read}
        self._read |= fresh
        return [note for notes in fresh.values() for note in notes if isinstance(note, Assigned)]

    def of(self, target: str, after: int) -> tuple[list[Note], int]:
        """A target's notes in files beyond that number, and the number up to which those are."""
        fresh = [number for number in self._read if number > after]
        notes = [note for number in fresh for note in self._read[number] if note.target == target]
        return notes, max(fresh, default=after)

    def tidy(self, taken: Iterable[int], now: float | None = None) -> None:
        """Remove what every rollout has taken in up to its number; where none asks, what is old."""
        wanted = min(taken, default=None)
        old = (time.time() if now is None else now) - UNWANTED
        for number in list(self._read):
            if number / 1000 < old if wanted is None else number <= wanted:
                self._spool.remove(number)
                del self._read[number]

    def secret(self) -> bytes:
        """The key of the digests that are kept in the place of answers."""
        return self._home.secret()
