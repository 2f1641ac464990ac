"""Where a calendar is fetched that somebody else keeps."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Fetched:
    """A calendar's file, and the mark by which its server knows this content; "" where it gives none."""

    data: bytes
    mark: str = ""


class CalendarServer(Protocol):
    """Tells what a calendar holds now."""

    def fetch(self, mark: str) -> Fetched | None:
        """The file; None where it is as when it had that mark. Raises `Retry` and `Refused`."""
        ...
