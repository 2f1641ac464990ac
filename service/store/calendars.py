"""Calendar files as the store holds them: their text, and when their events take place."""

from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass

from sqlalchemy import ColumnElement, delete, insert, select

from policies.calendars import Span
from service.store.change import Change
from service.store.reading import Reading
from service.store.tables import calendar


@dataclass(frozen=True, slots=True)
class Calendar:
    """A file under the name that a freeze gives it; its `spans` are all that begin before `until`, 0 where
    nothing could be read yet. Of one that is fetched: when that last went well, the mark of what came, and
    why it does not go now."""

    name: str
    text: str
    spans: tuple[Span, ...]
    until: float
    fetched: float | None = None
    mark: str | None = None
    trouble: str | None = None


def spans(read: Reading, names: Sequence[str], at: float) -> dict[str, tuple[Span, ...]]:
    """When the events of these take place; without those of which nothing is known as far as that moment."""
    wanted = select(calendar.c.name, calendar.c.spans).where(
        calendar.c.name.in_(names), calendar.c.until > at
    )
    return {row.name: tuple(Span(*one) for one in row.spans) for row in read.connection.execute(wanted)}


def ending(read: Reading, before: float) -> list[Calendar]:
    """Those of which something is known, but not beyond that moment."""
    return _those(read, (calendar.c.until < before) & (calendar.c.until > 0))


def fetched(read: Reading, names: Sequence[str]) -> dict[str, Calendar]:
    """Those of these names of which anything is known, or why nothing is."""
    return {one.name: one for one in _those(read, calendar.c.name.in_(names))}


def _those(read: Reading, which: ColumnElement[bool]) -> list[Calendar]:
    rows = read.connection.execute(select(calendar).where(which).order_by(calendar.c.name)).mappings()
    return [Calendar(**{**row, "spans": tuple(Span(*one) for one in row["spans"])}) for row in rows]


def save(change: Change, new: Calendar) -> None:
    """Store it in place of what was known under its name."""
    change.connection.execute(delete(calendar).where(calendar.c.name == new.name))
    values = {**asdict(new), "spans": [list(astuple(one)) for one in new.spans]}
    change.connection.execute(insert(calendar).values(values))


def keep_only(change: Change, source: str, names: Sequence[str]) -> None:
    """Forget the files of a source that no freeze of its names any more."""
    gone = calendar.c.name.startswith(f"{source}:", autoescape=True) & calendar.c.name.not_in(names)
    change.connection.execute(delete(calendar).where(gone))
