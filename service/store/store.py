"""The engine's store: changes in one transaction each, claims of work, and reads.

It knows nothing of the machines whose states it keeps, and never acts on the world.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, delete

from policies.limits import Limits
from service.errors import Conflict
from service.ports.connections import Cluster, Source
from service.store import labels, leases, queue, queued, record, record_parts, tables
from service.store.bell import ring
from service.store.chain import Head, Line, Proof, Tampered
from service.store.change import Change
from service.store.database import bell_of, open_database, reading, time_of, writing
from service.store.migrate import upgrade_engine
from service.store.queue import LEASE_SECONDS, Work
from service.store.reading import Reading
from service.store.record_parts import Part
from service.store.rows import Cursor, ModelRow, ReleaseRow, TargetRow, Token, VersionRow

T = TypeVar("T")
NO_LIMITS = Limits()
TRIES = 10  # of a decision before which another change came


class Store:
    """The engine's store. `clock` is for tests; without it the database's time counts."""

    def __init__(
        self, engine: Engine, clock: Callable[[], float] | None = None, limits: Limits = NO_LIMITS
    ) -> None:
        self.engine = engine
        self.limits = limits
        self.bell = bell_of(engine)
        self._clock = clock

    @classmethod
    def open(cls, url: str, clock: Callable[[], float] | None = None, limits: Limits = NO_LIMITS) -> "Store":
        """Open the store at this URL, migrated. Whoever decides needs the installation's `limits`."""
        engine = open_database(url)
        upgrade_engine(engine, "engine")
        return cls(engine, clock, limits)

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()

    # --- transactions -----------------------------------------------------------------------

    @contextmanager
    def change(self) -> Iterator[Change]:
        """One write transaction: stored whole at the end, or not at all on any error.

        Keep it short, and touch nothing but the store: on SQLite all other writers wait.
        """
        with writing(self.engine) as connection:
            change = Change(connection, self._now(connection), self.limits)
            yield change
            change.flush()
        ring(self.bell)

    def decide(self, decision: Callable[[Change], T], tries: int = TRIES) -> T:
        """Run a decision in a change; anew, from fresh reads, where another change came first."""
        for _ in range(tries - 1):
            try:
                return self._decide(decision)
            except Conflict:
                continue
        return self._decide(decision)

    def _decide(self, decision: Callable[[Change], T]) -> T:
        with self.change() as change:
            return decision(change)

    @contextmanager
    def read(self) -> Iterator[Reading]:
        """Several reads of one and the same moment."""
        with reading(self.engine) as connection:
            yield Reading(connection, self._now(connection))

    def answers(self) -> bool:
        """Whether it can be read now. Raises `StoreError` where it cannot."""
        with self.read() as read:
            return read.now > 0

    def now(self) -> float:
        """The store's time. On SQLite that is this host's, and nothing need be read for it."""
        if self._clock is not None or self.engine.dialect.name == "sqlite":
            return time.time() if self._clock is None else self._clock()
        with self.read() as read:
            return read.now

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
        """Take the next due work; `lanes` are beginnings of names, `number` wants exactly that one.

        Name the kinds that this code knows: work that only newer code understands then stays.
        """
        with writing(self.engine) as connection:
            now = self._now(connection)
            return queue.claim(
                connection, owner, now, seconds=seconds, kinds=kinds, lanes=lanes, number=number
            )

    def claim_together(
        self, owner: str, together: Sequence[str], most: int, *, kinds: Sequence[str] | None = None
    ) -> list[Work]:
        """Take the next due work, as `claim` does; where it is of a kind in `together`, also what is due
        behind it and of its kind, in its order. Empty where nothing is due."""
        with writing(self.engine) as connection:
            now = self._now(connection)
            first = queue.claim(connection, owner, now, kinds=kinds)
            if first is None or first.kind not in together or first.attempts > 1:
                return [] if first is None else [first]
            return [first, *queue.claim_alike(connection, first, now, kinds=kinds, most=most - 1)]

    def held_by(self, owner: str) -> list[Work]:
        """The work that this owner has claimed and not answered."""
        with reading(self.engine) as connection:
            return queued.held_by(connection, owner)

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

    def outlive(self, lost: Work) -> int:
        """This process lost the work's lease, and lives: that is not held against the work, and what others
        told the world since then is told once more; how many things."""
        with self.change() as change:
            queue.outlived(change.connection, lost)
            return queue.say_again(change.connection, lost, change.now)

    def free(self, owners: Sequence[str]) -> int:
        """End the leases of owners that are known to be dead; how many there were."""
        with writing(self.engine) as connection:
            freed = queue.free(connection, owners, self._now(connection))
        ring(self.bell)
        return freed

    def forget_work(self, before: float) -> int:
        """Remove work that was done or replaced before that moment, and answers of then; how much work."""
        with writing(self.engine) as connection:
            connection.execute(delete(tables.answer).where(tables.answer.c.at < before))
            return queue.forget(connection, before)

    def forget_labels(self, before: float) -> int:
        """Remove labels that came before that moment; how many."""
        with writing(self.engine) as connection:
            return labels.forget(connection, before)

    def acquire(self, duty: str, owner: str, seconds: float = LEASE_SECONDS) -> int | None:
        """Take or keep a duty such as `reconcile`: its epoch, or None while somebody else has it."""
        with writing(self.engine) as connection:
            now = self._now(connection)
            return leases.acquire(connection, tables.duty, duty, owner, now=now, seconds=seconds)

    # --- the record -------------------------------------------------------------------------

    def record_head(self) -> Head:
        """The record's last id and hash, to be kept elsewhere."""
        with reading(self.engine) as connection:
            return record.head(connection)

    def prove(self, heads: Sequence[Head] = ()) -> Proof:
        """What is proven of the record, held against heads that were kept elsewhere."""
        with reading(self.engine) as connection:
            return record.prove(connection, heads)

    def record_part(self, part: Part) -> Iterator[Line]:
        """The entries of a part that are there now, oldest first, read some at a time."""
        upto, after = self.record_head().size, 0
        while True:
            with reading(self.engine) as connection:
                found = record_parts.page(connection, part, after=after, upto=upto)
            yield from found
            if len(found) < record_parts.PAGE:
                return
            after = found[-1].id

    def verify(self) -> Tampered | None:
        """The first entry of the record that is not as it was written, as far as the record itself tells."""
        return self.prove().tampered

    # --- one read each; the words are those of `Reading` --------------------------------------

    def release(self, number: int) -> ReleaseRow | None:
        """The release of that id."""
        with self.read() as read:
            return read.release(number)

    def releases(
        self,
        *,
        model: str | None = None,
        target: str | None = None,
        version_key: str | None = None,
        phase: str | None = None,
        final: bool | None = None,
        before: int | None = None,
        among: str | None = None,
        limit: int = 50,
    ) -> list[ReleaseRow]:
        """Newest first; `among`: of targets that it matches. Next page: `before=<the last id>`."""
        with self.read() as read:
            return read.releases(
                model=model,
                target=target,
                version_key=version_key,
                phase=phase,
                final=final,
                before=before,
                among=among,
                limit=limit,
            )

    def version(self, key: str) -> VersionRow | None:
        """The version of that key."""
        with self.read() as read:
            return read.version(key)

    def versions(self, model: str | None = None) -> list[VersionRow]:
        """Versions, newest first."""
        with self.read() as read:
            return read.versions(model)

    def target(self, name: str) -> TargetRow | None:
        """The target of that name."""
        with self.read() as read:
            return read.target(name)

    def targets(self) -> list[TargetRow]:
        """All targets."""
        with self.read() as read:
            return read.targets()

    def sources(self) -> list[Source]:
        """All connections."""
        with self.read() as read:
            return read.sources()

    def clusters(self) -> list[Cluster]:
        """All connected clusters."""
        with self.read() as read:
            return read.clusters()

    def models(self, source: str | None = None) -> list[ModelRow]:
        """Declared models."""
        with self.read() as read:
            return read.models(source)

    def cursors(self, source: str) -> list[Cursor]:
        """The last values seen at a source."""
        with self.read() as read:
            return read.cursors(source)

    def answer(self, delivery: str) -> Any:
        """What that command was answered; None while it was not."""
        with self.read() as read:
            return read.answer(delivery)

    def token(self, digest: str) -> Token | None:
        """The token with that hash, unless it has expired."""
        with self.read() as read:
            return read.token(digest)

    def tokens(self) -> list[Token]:
        """All API tokens."""
        with self.read() as read:
            return read.tokens()

    def due(self, limit: int = 100, kinds: Sequence[str] | None = None) -> list[int]:
        """Ids of work that could be claimed now."""
        with self.read() as read:
            return read.due(limit, kinds)

    def until_due(self, kinds: Sequence[str]) -> float:
        """Seconds until work of these kinds can be claimed."""
        with self.read() as read:
            return read.until_due(kinds)

    def dead(self) -> list[Work]:
        """Work that was given up."""
        with self.read() as read:
            return read.dead()

    def unfinished(self, kind: str) -> list[Work]:
        """Work of a kind that has not ended, oldest first."""
        with self.read() as read:
            return read.unfinished(kind)

    def work_of(self, subject: str) -> list[Work]:
        """All work about a release or version, oldest first."""
        with self.read() as read:
            return read.work_of(subject)

    def given_up(self, subject: str, *, before: int | None = None, limit: int) -> list[Work]:
        """Work about a release or version that was given up, newest first."""
        with self.read() as read:
            return read.given_up(subject, before=before, limit=limit)

    def record_of(
        self, subject: str | None = None, *, after: int = 0, limit: int = 200
    ) -> list[record.Entry]:
        """The record about a subject, or all of it, oldest first."""
        with self.read() as read:
            return read.record_of(subject, after=after, limit=limit)

    def _now(self, connection: Connection) -> float:
        return time_of(connection) if self._clock is None else self._clock()
