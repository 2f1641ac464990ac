"""The engine's store: changes in one transaction each, claims of work, and reads.

It knows nothing of the machines whose states it keeps, and never acts on the world.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, func, select

from service import leases, queue, record, rows, tables
from service.change import Change
from service.database import open_database, reading, writing
from service.errors import Conflict
from service.migrate import upgrade_engine
from service.ports import Source
from service.queue import LEASE_SECONDS, Work
from service.rows import Cursor, ModelRow, ReleaseRow, TargetRow, Token, VersionRow

T = TypeVar("T")


class Store:
    """The engine's store. `clock` is for tests; without it PostgreSQL's own clock counts, because
    hosts disagree, and on SQLite the only host's."""

    def __init__(self, engine: Engine, clock: Callable[[], float] | None = None) -> None:
        self.engine = engine
        self._clock = clock

    @classmethod
    def open(cls, url: str, clock: Callable[[], float] | None = None) -> "Store":
        """Open the store at this URL, migrated."""
        engine = open_database(url)
        upgrade_engine(engine, "engine")
        return cls(engine, clock)

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()

    # --- changes ----------------------------------------------------------------------------

    @contextmanager
    def change(self) -> Iterator[Change]:
        """One write transaction: stored whole at the end, or not at all on any error."""
        with writing(self.engine) as connection:
            change = Change(connection, self._now(connection))
            yield change
            change.flush()

    def decide(self, decision: Callable[[Change], T], tries: int = 10) -> T:
        """Run a decision in a change; anew, from fresh reads, where another change came first."""
        for last in range(tries):
            try:
                with self.change() as change:
                    return decision(change)
            except Conflict:
                if last == tries - 1:
                    raise
        raise AssertionError

    # --- work -------------------------------------------------------------------------------

    def claim(
        self,
        owner: str,
        *,
        seconds: float = LEASE_SECONDS,
        kinds: Sequence[str] | None = None,
        lanes: Sequence[str] | None = None,
        number: int | None = None,
    ) -> Work | None:
        """Take the next due work; `lanes` are beginnings of names, `number` wants exactly that one."""
        with writing(self.engine) as connection:
            now = self._now(connection)
            return queue.claim(
                connection, owner, now, seconds=seconds, kinds=kinds, lanes=lanes, number=number
            )

    def renew(self, work: Work, seconds: float = LEASE_SECONDS) -> None:
        """Keep the lease; call it just before an effect, too. Raises `Lost`."""
        with writing(self.engine) as connection:
            queue.renew(connection, work, self._now(connection), seconds)

    def again(self, work: Work, not_before: float) -> None:
        """It is performed; look at it again then. Raises `Lost`."""
        with self.change() as change:
            change.again(work, not_before)

    def retry(self, work: Work, not_before: float, error: str, *, counted: bool = True) -> None:
        """It could not be done; try again then. Not `counted`: its kind is unknown here. Raises `Lost`."""
        with self.change() as change:
            change.retry(work, not_before, error, counted=counted)

    def revive(self, number: int, actor: str) -> bool:
        """Make dead work due again; False where it is not dead, or its wanted state is outdated."""
        with self.change() as change:
            revived = queue.revive(change.connection, number, change.now)
            if revived:
                change.record(f"work-{number}", actor, "revive")
            return revived

    def due(self, limit: int = 100) -> list[int]:
        """Ids of work that could be claimed now."""
        with reading(self.engine) as connection:
            return queue.due(connection, self._now(connection), limit)

    def dead(self) -> list[Work]:
        """Work that was given up."""
        with reading(self.engine) as connection:
            return queue.listed(connection, state="dead")

    def work_of(self, subject: str) -> list[Work]:
        """All work about a release or version, oldest first."""
        with reading(self.engine) as connection:
            return queue.listed(connection, subject=subject)

    def acquire(self, duty: str, owner: str, seconds: float = LEASE_SECONDS) -> int | None:
        """Take or keep a duty such as `reconcile`: its epoch, or None while somebody else has it."""
        with writing(self.engine) as connection:
            now = self._now(connection)
            return leases.acquire(connection, tables.duty, duty, owner, now=now, seconds=seconds)

    # --- reads ------------------------------------------------------------------------------

    def now(self) -> float:
        """The store's time."""
        with reading(self.engine) as connection:
            return self._now(connection)

    def release(self, number: int) -> ReleaseRow | None:
        """The release of that id."""
        with reading(self.engine) as connection:
            return rows.release(connection, number)

    def releases(self, **wanted: Any) -> list[ReleaseRow]:
        """Releases, newest first; the words are those of `service.rows.releases`."""
        with reading(self.engine) as connection:
            return rows.releases(connection, **wanted)

    def version(self, key: str) -> VersionRow | None:
        """The version of that key."""
        with reading(self.engine) as connection:
            return rows.version(connection, key)

    def versions(self, model: str | None = None) -> list[VersionRow]:
        """Versions, newest first."""
        with reading(self.engine) as connection:
            return rows.versions(connection, model)

    def target(self, name: str) -> TargetRow | None:
        """The target of that name."""
        with reading(self.engine) as connection:
            return rows.target(connection, name)

    def targets(self) -> list[TargetRow]:
        """All targets."""
        with reading(self.engine) as connection:
            return rows.targets(connection)

    def sources(self) -> list[Source]:
        """All connections."""
        with reading(self.engine) as connection:
            return rows.sources(connection)

    def models(self, source: str | None = None) -> list[ModelRow]:
        """Declared models."""
        with reading(self.engine) as connection:
            return rows.models(connection, source)

    def cursors(self, source: str) -> list[Cursor]:
        """The last values seen at a source."""
        with reading(self.engine) as connection:
            return rows.cursors(connection, source)

    def answer(self, delivery: str) -> Any:
        """What that command was answered; None while it was not."""
        with reading(self.engine) as connection:
            return rows.answer(connection, delivery)

    def token(self, digest: str) -> Token | None:
        """The token with that hash, unless it has expired."""
        with reading(self.engine) as connection:
            return rows.token(connection, digest, self._now(connection))

    def tokens(self) -> list[Token]:
        """All API tokens."""
        with reading(self.engine) as connection:
            return rows.tokens(connection)

    def record_of(
        self, subject: str | None = None, *, after: int = 0, limit: int = 200
    ) -> list[record.Entry]:
        """The record about a subject, or all of it, oldest first."""
        with reading(self.engine) as connection:
            return record.entries(connection, subject, after=after, limit=limit)

    def record_head(self) -> tuple[int, str]:
        """The record's last id and hash, to be kept elsewhere."""
        with reading(self.engine) as connection:
            return record.head(connection)

    def verify(self, kept: tuple[int, str] | None = None) -> record.Tampered | None:
        """The first entry of the record that is not as it was written."""
        with reading(self.engine) as connection:
            return record.verify(connection, kept)

    def _now(self, connection: Connection) -> float:
        if self._clock is not None:
            return self._clock()
        if connection.dialect.name == "postgresql":
            return float(connection.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0)
        return time.time()
