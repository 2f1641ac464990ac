"""Lists of the API: row after row, whatever pages they come in."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows; `next` is where those behind them begin, None where there are none."""

    rows: list[T]
    next: str | None


@dataclass(frozen=True, slots=True)
class Rows(Generic[T]):
    """All rows of a list, asked for as they are needed; `page` is the first of its pages alone.

    They are read while others write: each row once, and none that was there from the beginning is missed.
    """

    ask: Callable[[dict[str, str]], Mapping[str, Any]]
    name: str  # of the field that holds the rows
    by: str  # the parameter at which a page begins
    query: Mapping[str, str]

    def page(self) -> Page[T]:
        """The page that was asked for."""
        return self._page(self.query)

    def __iter__(self) -> Iterator[T]:
        """Every row from there on."""
        page = self._page(self.query)
        yield from page.rows
        while page.next is not None:
            page = self._page({**self.query, self.by: page.next})
            yield from page.rows

    def _page(self, query: Mapping[str, str]) -> Page[T]:
        found = self.ask(dict(query))
        return Page(found[self.name], found.get("next"))  # servers of before told some lists whole
