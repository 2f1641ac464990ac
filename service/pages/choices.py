"""What a form offers to choose from: all of it where that is little, else some, and a name is typed."""

from collections.abc import Sequence
from dataclasses import dataclass

MOST = 50  # in a list; more is neither read by people nor small


@dataclass(frozen=True, slots=True)
class Choice:
    """The names that are offered; `more`: there are others, which can be typed."""

    names: tuple[str, ...]
    more: bool


def of(names: Sequence[str]) -> Choice:
    """The choice among these."""
    return Choice(tuple(names[:MOST]), len(names) > MOST)
