"""What was noted, in memory until it is taken in: numbered batches, which go once they are stored. No I/O.

Whoever takes them says which batch it has heard last and which it has stored last: what was heard is not
told again, and what is not stored is kept, for another one who begins from there.
"""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from service.recorder import between
from service.recorder.spool import Note, note_of, row_of

MOST = 100_000  # notes that are kept; what comes beyond is lost, and counted
MOST_TOLD = 20_000  # notes in one answer, or those of one batch


class Kept:
    """One recorder's batches. Its name is new with each start, as its numbers are."""

    def __init__(self) -> None:
        self.name = uuid.uuid4().hex[:12]
        self._batches: dict[int, list[Note]] = {}
        self._last = 0

    def add(self, notes: list[Note]) -> bool:
        """Keep these; False where there is no room."""
        if not notes:
            return True
        if sum(map(len, self._batches.values())) + len(notes) > MOST:
            return False
        self._last += 1
        self._batches[self._last] = notes
        return True

    def tell(self, heard: int, stored: int) -> dict[str, Any]:
        """What comes after the batch that was heard last; up to the one that was stored all goes."""
        self._batches = {number: notes for number, notes in self._batches.items() if number > stored}
        told: list[list[Any]] = []
        left = MOST_TOLD
        for number, notes in self._batches.items():
            if number > heard and (left >= len(notes) or not told):
                left -= len(notes)
                told.append([number, [row_of(note) for note in notes]])
            elif number > heard:
                break
        return {between.RECORDER: self.name, between.BATCHES: told}


def heard(told: Mapping[str, Any]) -> tuple[str, int, list[Note]]:
    """Who told it, the number of its last batch (0: none), and its notes. Raises `ValueError`."""
    try:
        batches = told[between.BATCHES]
        notes = [note_of(row) for _, rows in batches for row in rows]
        return str(told[between.RECORDER]), max((int(number) for number, _ in batches), default=0), notes
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"no recorder's answer: {error}") from error


def marks(said: str) -> dict[str, int]:
    """Numbers by recorder, as `marked` wrote them; what cannot be read is left out."""
    parts = (part.partition(":") for part in said.split(","))
    return {name: int(number) for name, _, number in parts if number.isascii() and number.isdigit()}


def marked(numbers: Iterable[tuple[str, int]]) -> str:
    """Numbers by recorder, as a query says them."""
    return ",".join(f"{name}:{number}" for name, number in numbers)
