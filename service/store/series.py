"""The observer's store: increments of evidence, guard states, and what stable has served.

An increment is stored before any verdict that rests on it, once by its sequence, and only by who
holds the lease. States are derived from the increments and can be rebuilt from them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, Insert, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from service.errors import Conflict
from service.store import leases, recorded_rows
from service.store.database import open_database, reading, time_of, writing
from service.store.migrate import upgrade_engine
from service.store.queue import LEASE_SECONDS
from service.store.recorded_rows import Answers, Assignment
from service.store.tables import history, increment, judge, lease, stretch


@dataclass(frozen=True, slots=True)
class Increment:
    """What one scrape added for one release; `epoch` is that of the target then."""

    release: str
    sequence: int
    epoch: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Judge:
    """A release's guard states after the increment `sequence`."""

    release: str
    state: dict[str, Any]
    sequence: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Served:
    """What a version served on a target in the span of time that began `at`."""

    target: str
    version: str
    at: float
    requests: float
    errors: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a version served on a target in the block of time that began `at`; noise is learned from it."""

    target: str
    version: str
    at: float
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that was taken for so many seconds: every write says under which epoch, and keeps it on."""

    name: str
    owner: str
    epoch: int
    seconds: float


def _columns(row: Increment | Judge | Served | Stretch) -> dict[str, Any]:
    """As `asdict` says it of a flat row, without its search for what is nested: thousands come at once."""
    return {part.name: getattr(row, part.name) for part in fields(row)}


class Writing:
    """One transaction of the lease's holder; made by `Series.change`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._dialect = connection.dialect.name

    def add(self, *new: Increment) -> bool:
        """Store increments; False where the sequence of one of them is stored already."""
        return self._all(_once(self._dialect), new)

    def save_judge(self, *new: Judge) -> None:
        """Store guard states. Raises `Conflict` where later ones of one of the releases are stored."""
        if not self._all(_newer(self._dialect), new):
            names = ", ".join(one.release for one in new[:3]) + (", …" if len(new) > 3 else "")
            raise Conflict(f"guard states of {names} are stored beyond these")

    def _all(self, adding: Insert, new: Sequence[Increment | Judge]) -> bool:
        """Whether all of these were written."""
        if not new:
            return True
        return len(self.connection.execute(adding, [_columns(one) for one in new]).all()) == len(new)

    def add_history(self, served: Iterable[Served]) -> None:
        """Add what versions served to what is known of the spans of time that `at` begins."""
        if rows := [_columns(one) for one in served]:
            self.connection.execute(_more(self._dialect), rows)

    def add_stretches(self, new: Iterable[Stretch]) -> None:
        """Store blocks; one that is stored already is replaced."""
        if rows := [_columns(one) for one in new]:
            self.connection.execute(_replaced(self._dialect), rows)

    def add_pairs(self, release: str, pairs: Iterable[Answers]) -> None:
        """Store what both versions answered to copied requests, where that is new."""
        recorded_rows.add_pairs(self.connection, release, pairs)

    def mark_asked(self, release: str, line: int) -> None:
        """Store that a release's recorded requests are asked up to that line."""
        recorded_rows.mark_asked(self.connection, release, line)

    def assign(self, assigned: Iterable[Assignment]) -> None:
        """Store who answered which request; the first word stands."""
        recorded_rows.assign(self.connection, assigned)

    def forget(self, release: str) -> None:
        """Remove a finished release's increments; its guard states stay."""
        self.connection.execute(delete(increment).where(increment.c.release == release))
        self.forget_pairs(release)

    def forget_pairs(self, release: str) -> None:
        """Remove what is kept of a release's answers."""
        recorded_rows.forget_pairs(self.connection, release)

    def forget_assignments(self, before: float) -> None:
        """Remove who answered before that moment."""
        recorded_rows.forget_assignments(self.connection, before)

    def forget_history(self, before: float) -> None:
        """Remove history that is older."""
        self.connection.execute(delete(history).where(history.c.at < before))

    def forget_stretches(self, before: float) -> None:
        """Remove blocks that are older."""
        self.connection.execute(delete(stretch).where(stretch.c.at < before))


# Made once: each scrape of a rollout runs them, and making one costs more than running it.


_SPAN = ["target", "version", "at"]


def _inserts(dialect: str) -> Any:
    return postgresql.insert if dialect == "postgresql" else sqlite.insert


@cache
def _once(dialect: str) -> Insert:
    made: Insert = _inserts(dialect)(increment).on_conflict_do_nothing().returning(increment.c.sequence)
    return made


@cache
def _more(dialect: str) -> Insert:
    new = _inserts(dialect)(history)
    added = {name: history.c[name] + new.excluded[name] for name in ("requests", "errors")}
    made: Insert = new.on_conflict_do_update(index_elements=_SPAN, set_=added)
    return made


@cache
def _replaced(dialect: str) -> Insert:
    row = _inserts(dialect)(stretch)
    made: Insert = row.on_conflict_do_update(index_elements=_SPAN, set_={"body": row.excluded["body"]})
    return made


@cache
def _newer(dialect: str) -> Insert:
    upsert = _inserts(dialect)(judge)
    values = {name: upsert.excluded[name] for name in ("state", "sequence", "epoch")}
    where = judge.c.sequence <= upsert.excluded.sequence
    made: Insert = upsert.on_conflict_do_update(index_elements=["release"], set_=values, where=where)
    return made.returning(judge.c.sequence)


class Series:
    """The series store. `clock` is for tests; without it the database's time counts."""

    def __init__(self, engine: Engine, clock: Callable[[], float] | None = None) -> None:
        self.engine = engine
        self._clock = clock

    @classmethod
    def open(cls, url: str, clock: Callable[[], float] | None = None) -> "Series":
        """Open the store at this URL, migrated."""
        engine = open_database(url)
        upgrade_engine(engine, "series")
        return cls(engine, clock)

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()

    def acquire(self, name: str, owner: str, seconds: float = LEASE_SECONDS) -> Held | None:
        """Take or keep a lease; None while somebody else has it."""
        with writing(self.engine) as connection:
            now = self._now(connection)
            epoch = leases.acquire(connection, lease, name, owner, now=now, seconds=seconds)
        return None if epoch is None else Held(name, owner, epoch, seconds)

    def let_go(self, held: Held) -> None:
        """End the lease now."""
        with writing(self.engine) as connection:
            leases.release(connection, lease, held.name, held.owner)

    @contextmanager
    def change(self, held: Held) -> Iterator[Writing]:
        """One write transaction, which also keeps the lease. Raises `Conflict` where that has gone to
        somebody else."""
        with writing(self.engine) as connection:
            until = self._now(connection) + held.seconds
            if not leases.keep(connection, lease, held.name, held.owner, held.epoch, until):
                raise Conflict(f"the lease {held.name} is no longer {held.owner}'s")
            yield Writing(connection)

    def releases(self) -> list[str]:
        """The releases of which there are increments."""
        with reading(self.engine) as connection:
            return list(connection.scalars(select(increment.c.release).distinct()))

    def increments(self, release: str, after: int = -1) -> list[Increment]:
        """A release's increments behind a sequence, in their order; the first of all is 0."""
        query = select(increment).where(increment.c.release == release, increment.c.sequence > after)
        with reading(self.engine) as connection:
            rows = connection.execute(query.order_by(increment.c.sequence))
            return [Increment(row.release, row.sequence, row.epoch, row.body) for row in rows]

    def newest(self, release: str) -> int:
        """The sequence of a release's last increment; 0 where there is none."""
        last = select(func.max(increment.c.sequence)).where(increment.c.release == release)
        with reading(self.engine) as connection:
            return connection.scalar(last) or 0

    def judge(self, release: str) -> Judge | None:
        """A release's guard states after one of its last increments; those behind it are judged anew."""
        with reading(self.engine) as connection:
            row = connection.execute(select(judge).where(judge.c.release == release)).one_or_none()
        return None if row is None else Judge(row.release, row.state, row.sequence, row.epoch)

    def history(self, target: str, version: str | None = None, since: float = 0.0) -> list[Served]:
        """What was served on a target, oldest first."""
        query = select(history).where(history.c.target == target, history.c.at >= since)
        if version is not None:
            query = query.where(history.c.version == version)
        with reading(self.engine) as connection:
            rows = connection.execute(query.order_by(history.c.at, history.c.version))
            return [Served(row.target, row.version, row.at, row.requests, row.errors) for row in rows]

    def stretches(self, target: str, since: float = 0.0) -> list[Stretch]:
        """Blocks of all versions of a target, by version and oldest first."""
        query = select(stretch).where(stretch.c.target == target, stretch.c.at >= since)
        with reading(self.engine) as connection:
            rows = connection.execute(query.order_by(stretch.c.version, stretch.c.at))
            return [Stretch(row.target, row.version, row.at, row.body) for row in rows]

    def pairs(self, release: str, requests: Sequence[str]) -> Mapping[str, Answers]:
        """What both versions answered to these requests, of those that were copied."""
        with reading(self.engine) as connection:
            return recorded_rows.pairs_of(connection, release, requests)

    def asked(self, release: str) -> int:
        """Up to which line a release's recorded requests were asked; 0: none."""
        with reading(self.engine) as connection:
            return recorded_rows.asked(connection, release)

    def assigned(self, targets: Sequence[str], requests: Sequence[str]) -> Mapping[str, str]:
        """Which backend answered these requests, of those where it is known."""
        with reading(self.engine) as connection:
            return recorded_rows.assigned(connection, targets, requests)

    def _now(self, connection: Connection) -> float:
        return time_of(connection) if self._clock is None else self._clock()
