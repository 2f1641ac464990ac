"""What a build or an evaluation prints, read on from where the reader stopped."""

from dataclasses import dataclass
from typing import Protocol

PIECE = 256 << 10  # bytes that one reading gives at most; the next one goes on behind them


@dataclass(frozen=True, slots=True)
class Printed:
    """Some text, and the mark from which to read on. Only who gave a mark knows what it says."""

    text: str
    mark: str


class Printing(Protocol):
    """Whoever runs something that prints."""

    def read_on(self, name: str, mark: str) -> Printed:
        """What it printed behind the mark; "" is the beginning. No text where there is nothing new."""
        ...
