"""What the recorder notes, as small files that the observer takes in: `<home>/recorder/spool/<number>.json`.

A file is written whole or not at all, its number grows, and it is never changed. Together they stay below
a size; beyond it news are dropped and counted, because a user's answer waits for no disk.
"""

import json
import os
import time
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

MOST_BYTES = 64 << 20  # of all files; what comes beyond is lost, and counted
_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Assigned:
    """Who answered a request of a target, and when."""

    target: str
    request: str
    backend: str
    at: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Both versions' answers to one request; `same` is None where one of them could not be read.

    `status` 0: no answer. Of what they `said` only what the policy lets be kept; scores are numbers.
    """

    target: str
    request: str
    at: float
    candidate: str
    stable: str
    status: int
    stable_status: int
    seconds: float
    stable_seconds: float
    same: bool | None
    said: str | None = None
    stable_said: str | None = None
    score: float | None = None
    stable_score: float | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """So many requests of a target whose copies came to nothing, or that could not be noted."""

    target: str
    at: float
    count: int


Note = Assigned | Pair | Lost
_KINDS: dict[str, type] = {"assigned": Assigned, "pair": Pair, "lost": Lost}
_NAMES = {kind: name for name, kind in _KINDS.items()}


class Spool:
    """The folder, as its one writer and its one reader see it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last = 0

    def write(self, notes: Iterable[Note]) -> bool:
        """Store these in a file of their own; False where there is no room. May raise `OSError`."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = json.dumps([row_of(note) for note in notes])
        if self._size() + len(text) > MOST_BYTES:
            return False
        self._last = max(self._last + 1, time.time_ns() // 1_000_000)
        draft = self._folder / "draft"
        draft.write_text(text)
        draft.replace(self._folder / f"{self._last:014}{_SUFFIX}")
        return True

    def numbers(self) -> list[int]:
        """The files that are there, oldest first."""
        return sorted(int(name[: -len(_SUFFIX)]) for name in self._names())

    def read(self, number: int) -> list[Note]:
        """What a file holds; nothing where it is gone, or is none of ours."""
        try:
            rows = json.loads((self._folder / f"{number:014}{_SUFFIX}").read_text())
            return [note_of(row) for row in rows]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def remove(self, number: int) -> None:
        """It is taken in."""
        (self._folder / f"{number:014}{_SUFFIX}").unlink(missing_ok=True)

    def _names(self) -> list[str]:
        found = [path.name for path in self._folder.glob(f"*{_SUFFIX}")]
        return [name for name in found if name[: -len(_SUFFIX)].isdigit()]

    def _size(self) -> int:
        with os.scandir(self._folder) as entries:
            return sum(entry.stat().st_size for entry in entries)


def row_of(note: Note) -> list[Any]:
    """A note as it is written."""
    return [_NAMES[type(note)], *astuple(note)]


def note_of(row: list[Any]) -> Note:
    """The note that was written so. Raises `KeyError` or `TypeError` for what is none."""
    made: Note = _KINDS[row[0]](*row[1:])
    return made
