"""What builds and evaluations print, kept in the store while they run: pods go, and take theirs with them.

Pieces of one run lie behind each other; each begins where the one before ended. Of a run that prints more
than `MOST` characters the newest are kept.
"""

from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select

from service.errors import Conflict
from service.ports.printing import Printed, Printing
from service.store.database import writing
from service.store.store import Store
from service.store.tables import printed

MOST = 1 << 20  # characters of one run
EVERY_SECONDS = 1.0  # between two readings of one run
_AT_ONCE = 8  # pieces: whoever prints faster than that is read on at the next time


@dataclass(frozen=True, slots=True)
class Tail:
    """Text that a run printed from some character on, and the number of characters up to its end."""

    text: str
    end: int


def keep(store: Store, run: str, printing: Printing, name: str) -> None:
    """Read on what `name` prints, and keep it as the run's. Two who do it at once keep it once.

    Raises what the port raises.
    """
    mark, end = _last(store, run)
    for _ in range(_AT_ONCE):
        found = printing.read_on(name, mark)
        if not found.text or not _add(store, run, end, found):
            return
        mark, end = found.mark, end + len(found.text)


def tail(store: Store, run: str, begin: int = 0) -> Tail | None:
    """What is kept from that character on; None where nothing of the run is."""
    with store.read() as read:
        wanted = select(printed.c.start, printed.c.text).where(printed.c.run == run, printed.c.until > begin)
        rows = read.connection.execute(wanted.order_by(printed.c.start)).all()
        end = read.connection.scalar(select(func.max(printed.c.until)).where(printed.c.run == run))
    if end is None:
        return None
    return Tail("".join(row.text[max(0, begin - row.start) :] for row in rows), end)


def forget(store: Store, before: float) -> None:
    """Remove what was printed before that moment."""
    with writing(store.engine) as connection:
        connection.execute(delete(printed).where(printed.c.at < before))


def _last(store: Store, run: str) -> tuple[str, int]:
    with store.read() as read:
        last = select(printed.c.mark, printed.c.until).where(printed.c.run == run)
        row = read.connection.execute(last.order_by(printed.c.start.desc()).limit(1)).one_or_none()
    return ("", 0) if row is None else (row.mark, row.until)


def _add(store: Store, run: str, begin: int, found: Printed) -> bool:
    """Whether it was the first who kept what begins there."""
    text = found.text.replace("\0", "\N{REPLACEMENT CHARACTER}")  # which PostgreSQL holds in no text
    until = begin + len(text)
    row = {"run": run, "start": begin, "until": until, "text": text, "mark": found.mark, "at": store.now()}
    old = (printed.c.run == run, printed.c.until <= until - MOST)
    try:
        with writing(store.engine) as connection:
            connection.execute(insert(printed).values(row))
            connection.execute(delete(printed).where(*old))
    except Conflict:
        return False
    return True
