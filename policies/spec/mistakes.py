"""What is wrong with a file, as values: where, what was found, what is allowed, the nearest valid word."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from policies.spec.node import Place, cut


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake. `message` is a whole sentence for people; the other fields are for programs.

    `line` and `column` count from 1; 0 where the place is not known.
    """

    path: str
    line: int
    column: int
    found: str
    allowed: tuple[str, ...]
    nearest: str | None
    message: str


def mistake(
    place: Place, message: str, *, found: str = "", allowed: Iterable[str] = (), nearest: str | None = None
) -> Mistake:
    """A mistake at a place; what was found is cut to a length that people read."""
    return Mistake(place.path, place.line, place.column, cut(found), tuple(allowed), nearest, message)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was most likely meant, if any is near."""
    by_small = {item.lower().replace("-", "_"): item for item in known}
    close = difflib.get_close_matches(word[:100].lower().replace("-", "_"), by_small, n=1, cutoff=0.6)
    return by_small[close[0]] if close else None


def listed(words: Iterable[str]) -> str:
    """`a`, `b` or `c`."""
    quoted = [f"`{word}`" for word in words]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " or " + quoted[-1]


class Findings:
    """The mistakes of one call of the parser, each once, in the order of the file."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int, int, str], Mistake] = {}

    def add(
        self,
        place: Place,
        message: str,
        *,
        found: str = "",
        allowed: Iterable[str] = (),
        nearest: str | None = None,
    ) -> None:
        self._keep(mistake(place, message, found=found, allowed=allowed, nearest=nearest))

    def _keep(self, new: Mistake) -> None:
        self._found.setdefault((new.path, new.line, new.column, new.message), new)

    def take(self, other: "Findings") -> None:
        """Everything that a smaller part found."""
        for found in other.sorted():
            self._keep(found)

    def __len__(self) -> int:
        return len(self._found)

    def sorted(self) -> tuple[Mistake, ...]:
        return tuple(sorted(self._found.values(), key=lambda m: (m.line, m.column, m.path)))
