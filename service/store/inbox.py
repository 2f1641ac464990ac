"""The inbox: deliveries, stored before they are acknowledged, and nothing else.

Deliveries that arrive together are stored by one writer in one transaction (group commit): one
fsync serves them all, and each caller is answered only after it. A delivery that is here already,
by its sender's id and the digest of what was signed, is answered as stored. Where the sender says that an
id is for one request only, another body under it is refused.
"""

import hashlib
import json
import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Double,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite

from service.errors import StoreUnavailable
from service.store.bell import ring
from service.store.database import bell_of, open_database, reading, writing

INBOX = MetaData()
delivery = Table(
    "delivery",
    INBOX,
    Column("id", Integer, primary_key=True),
    Column("source", Text, nullable=False),
    Column("delivery_id", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("received", Double, nullable=False),
    UniqueConstraint("source", "delivery_id", "digest", name="delivery_once"),
    sqlite_autoincrement=True,
)
# Ids that are for one request only, and which: kept as long as deliveries are.
used_key = Table(
    "used_key",
    INBOX,
    Column("source", Text, primary_key=True),
    Column("delivery_id", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("at", Double, nullable=False),
)
_KEY = (delivery.c.source, delivery.c.delivery_id, delivery.c.digest)
MOST_AT_ONCE = 200
ANSWER_SECONDS = 10.0
LOOK_BACK = 200


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery as it came in, and when. `id` is given by the store.

    `once`: its sender's id is for this body alone.
    """

    source: str
    delivery_id: str
    headers: Mapping[str, str]
    body: bytes
    received: float
    id: int = 0
    once: bool = False

    @property
    def digest(self) -> str:
        """What was signed, as a digest: unsigned headers do not make it another delivery."""
        return hashlib.sha256(self.body).hexdigest()


class KeyUsed(Exception):
    """That id was used for another body."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The row that holds the delivery; `duplicate`: it was there before."""

    id: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Arrival:
    """A delivery without its body, of which `size` is told (bytes)."""

    id: int
    source: str
    delivery_id: str
    digest: str
    received: float
    size: int


@dataclass(slots=True)
class _Waiting:
    delivery: Delivery
    done: threading.Event = field(default_factory=threading.Event)
    stored: Stored | None = None
    error: str = ""
    used: bool = False


class Inbox:
    """The inbox of one installation. Any thread may store; one thread writes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.bell = bell_of(engine)
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(maxsize=5_000)
        self._writer: threading.Thread | None = None
        self._starting = threading.Lock()

    @classmethod
    def open(cls, url: str) -> "Inbox":
        """The inbox at this URL; its table is made where it is missing."""
        engine = open_database(url)
        with writing(engine) as connection:
            INBOX.create_all(connection)
        return cls(engine)

    def store(self, new: Delivery) -> Stored:
        """Store it and return once it is safe on disk. Raises `StoreUnavailable`; `KeyUsed` for an id that is
        for another body alone."""
        self._start()
        waiting = _Waiting(new)
        try:
            self._queue.put_nowait(waiting)
        except queue.Full:
            raise StoreUnavailable("too many deliveries at once") from None
        if not waiting.done.wait(ANSWER_SECONDS):
            raise StoreUnavailable("the store did not answer in time")
        if waiting.used:
            raise KeyUsed
        if waiting.stored is None:
            raise StoreUnavailable(waiting.error)
        return waiting.stored

    @property
    def look_back(self) -> int:
        """How many ids whoever follows the inbox looks back, taking each row once: on PostgreSQL a row of a
        slower transaction may appear behind one with a greater id. SQLite has one writer at a time.
        """
        return 0 if self._engine.dialect.name == "sqlite" else LOOK_BACK

    def after(self, number: int, limit: int = 500) -> list[Delivery]:
        """Rows beyond this id, oldest first."""
        query = select(delivery).where(delivery.c.id > number).order_by(delivery.c.id).limit(limit)
        with reading(self._engine) as connection:
            return [_delivery(row) for row in connection.execute(query)]

    def arrived(self, number: int, limit: int = 500) -> list[tuple[int, str]]:
        """Ids and sources of the same rows, without their bodies."""
        query = select(delivery.c.id, delivery.c.source).where(delivery.c.id > number)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(delivery.c.id).limit(limit))
            return [(row.id, row.source) for row in rows]

    def arrivals(
        self, *, before: int | None = None, source: str | None = None, limit: int = 50
    ) -> list[Arrival]:
        """What came in, newest first; of one source, or all. Next page: `before=<the last one's id>`."""
        columns = (delivery.c.id, *_KEY, delivery.c.received, func.length(delivery.c.body).label("size"))
        query = select(*columns).order_by(delivery.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(delivery.c.id < before)
        if source is not None:
            query = query.where(delivery.c.source == source)
        with reading(self._engine) as connection:
            return [Arrival(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001

    def newest(self) -> int:
        """The greatest id; 0 for an empty inbox."""
        query = select(delivery.c.id).order_by(delivery.c.id.desc()).limit(1)
        with reading(self._engine) as connection:
            return connection.scalar(query) or 0

    def get(self, number: int) -> Delivery | None:
        """The delivery of that id."""
        with reading(self._engine) as connection:
            row = connection.execute(select(delivery).where(delivery.c.id == number)).one_or_none()
        return None if row is None else _delivery(row)

    def forget_before(self, received: float, taken: int) -> int:
        """Remove older deliveries, of those up to the id that the engine has taken; how many."""
        old = (delivery.c.received < received, delivery.c.id <= taken)
        with writing(self._engine) as connection:
            connection.execute(delete(used_key).where(used_key.c.at < received))
            return connection.execute(delete(delivery).where(*old)).rowcount

    def close(self) -> None:
        """Store what waits, and end."""
        if self._writer is not None:
            self._queue.put(None)
            self._writer.join(ANSWER_SECONDS)
        self._engine.dispose()

    # --- the one writer ----------------------------------------------------------------------

    def _start(self) -> None:
        with self._starting:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_for_ever, name="inbox", daemon=True)
                self._writer.start()

    def _write_for_ever(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, ended = self._batch(first)
            self._write(batch)
            if ended:
                return

    def _batch(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        batch = [first]
        while len(batch) < MOST_AT_ONCE:
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                break
            if following is None:
                return batch, True
            batch.append(following)
        return batch, False

    def _write(self, batch: list[_Waiting]) -> None:
        try:
            with writing(self._engine) as connection:
                stored = _insert(connection, [waiting.delivery for waiting in batch])
        except Exception as error:  # noqa: BLE001  whatever it was, nobody may be told "stored"
            for waiting in batch:
                waiting.error = f"{type(error).__name__}: the delivery was not stored"
                waiting.done.set()
            return
        for waiting, result in zip(batch, stored, strict=True):
            waiting.stored, waiting.used = result, result is None
            waiting.done.set()
        ring(self.bell)


def _insert(connection: Connection, batch: Sequence[Delivery]) -> list[Stored | None]:
    """Store what is new, all of it in one statement: a statement for each would cost more than its row.

    None for one whose id was used for another body.
    """
    first = _first_bodies(connection, [new for new in batch if new.once])
    taken = [new for new in batch if _its_own(new, first)]
    adding = _adding(connection, delivery).returning(delivery.c.id, *_KEY)
    rows = connection.execute(adding, [_values(new) for new in taken]) if taken else ()
    added = {tuple(key): number for number, *key in rows}
    stored: list[Stored | None] = []
    for new in batch:
        if not _its_own(new, first):
            stored.append(None)
            continue
        key = (new.source, new.delivery_id, new.digest)
        number = added.pop(key, None)  # the same one again in this batch was there before
        stored.append(_known(connection, key) if number is None else Stored(number, duplicate=False))
    return stored


def _adding(connection: Connection, to: Table) -> Any:
    """An insert that passes over what is there."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return insert(to).on_conflict_do_nothing()


def _first_bodies(connection: Connection, keyed: Sequence[Delivery]) -> dict[tuple[str, str], str]:
    """For which body each of these ids is, now if it was for none: by source and id, its digest."""
    if not keyed:
        return {}
    new = {(one.source, one.delivery_id): one for one in reversed(keyed)}
    # In one order everywhere: two processes that wait for each other's rows would wait for ever.
    rows = [
        {
            "source": source,
            "delivery_id": name,
            "digest": new[source, name].digest,
            "at": new[source, name].received,
        }
        for source, name in sorted(new)
    ]
    connection.execute(_adding(connection, used_key), rows)
    key = tuple_(used_key.c.source, used_key.c.delivery_id)
    found = connection.execute(select(used_key).where(key.in_(sorted(new))))
    return {(row.source, row.delivery_id): row.digest for row in found}


def _its_own(new: Delivery, first: Mapping[tuple[str, str], str]) -> bool:
    return not new.once or first[new.source, new.delivery_id] == new.digest


def _values(new: Delivery) -> dict[str, object]:
    return {
        "source": new.source,
        "delivery_id": new.delivery_id,
        "digest": new.digest,
        "headers": json.dumps(dict(new.headers)),
        "body": new.body,
        "received": new.received,
    }


def _known(connection: Connection, key: tuple[str, str, str]) -> Stored:
    query = select(delivery.c.id).where(*(column == part for column, part in zip(_KEY, key, strict=True)))
    return Stored(connection.execute(query).scalar_one(), duplicate=True)


def _delivery(row: object) -> Delivery:
    found = row._mapping  # type: ignore[attr-defined]  # noqa: SLF001
    return Delivery(
        source=found["source"],
        delivery_id=found["delivery_id"],
        headers=json.loads(found["headers"]),
        body=found["body"],
        received=found["received"],
        id=found["id"],
    )
