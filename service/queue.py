"""Work to be done to the world, in lanes: added once, claimed by one, fenced by an epoch.

Only the oldest unfinished row of a lane can be claimed. A lane named `traffic:…` holds wanted
states and one named `evidence:…` what is known now, so there a newer row replaces an older one that nobody
is at, and takes its place among those that wait. A claim counts the attempt in
its own transaction: work that kills its worker is seen again with a higher count, not for ever.
Parties take turns: of a party's backlog each piece ranks TURN_SECONDS behind the one before, so that what
others add meanwhile goes between, and what has waited longest of all goes at last.
Every function here runs inside the caller's transaction and decides nothing about the work itself.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Double,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from service.tables import work

TRAFFIC = "traffic:"
NOTIFY = "notify:"
EVIDENCE = "evidence:"
NEWEST = (TRAFFIC, EVIDENCE)  # only the newest there counts
ABSOLUTE = (TRAFFIC, NOTIFY)  # what is written there, newer work writes anew
CLOCK = "clock:"
URGENT_LANES = (TRAFFIC, EVIDENCE, CLOCK, "command", "order:")  # short, and never put behind a backlog
TURN_SECONDS = 60.0
YIELD_SECONDS = 1.0  # what is told until so long after a deadline is weighed before it, where both wait
LEASE_SECONDS = 30.0
LONGEST_LEASE = 600.0  # no lease is longer: one that seems to be was given before a clock was set back
ATTEMPTS = 5
OUTLIVED = 2 * ATTEMPTS  # claims in a row that count for nothing because whoever made them lives


class Lost(Exception):
    """The lease ran out and somebody else has taken the work: whatever was decided is void."""


@dataclass(frozen=True, slots=True)
class Work:
    """One thing to do. The first six fields and `party` are given when it is added, the others by the queue.

    `party` is for whom it is, such as a model; None: for nobody but its lane.

    `started` is when it was first performed: from then on it is observed, not begun anew. `attempts`
    counts claims that nobody answered, this one included; `retries` the errors in a row that nobody foresaw;
    `troubled` is since when each answer has been that it could not be done.
    """

    lane: str
    kind: str
    key: str
    subject: str
    body: dict[str, Any] = field(default_factory=dict)
    not_before: float = 0.0
    id: int = 0
    state: str = "pending"
    attempts: int = 0
    retries: int = 0
    owner: str | None = None
    lease_until: float | None = None
    epoch: int = 0
    error: str | None = None
    created: float = 0.0
    started: float | None = None
    finished: float | None = None
    troubled: float | None = None
    party: str | None = None
    rank: float = 0.0

    @property
    def exhausted(self) -> bool:
        """Its workers ended too often without an answer: do not perform it, answer that it failed."""
        return self.attempts > ATTEMPTS

    def in_trouble(self, now: float) -> float:
        """Seconds for which it has gone wrong; 0 where the last answer was a good one.

        By `error`, too: code that does not know `troubled` yet leaves it as it was.
        """
        return 0.0 if self.error is None or self.troubled is None else max(0.0, now - self.troubled)


def add(connection: Connection, new: Work, now: float) -> int | None:
    """Put work at the end of its lane; its id, or None where its key is known already."""
    _lock_lane(connection, new.lane)
    party = None if new.lane.startswith(URGENT_LANES) else new.party or new.lane
    values = {
        "lane": new.lane,
        "kind": new.kind,
        "key": new.key,
        "subject": new.subject,
        "body": new.body,
        "not_before": new.not_before,
        "state": "pending",
        "attempts": 0,
        "retries": 0,
        "epoch": 0,
        "created": now,
        "party": party,
        "rank": max(now, _turn(new), _behind(connection, party)),
    }
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    added: int | None = connection.scalar(
        insert(work).values(values).on_conflict_do_nothing(index_elements=["key"]).returning(work.c.id)
    )
    if added is not None and new.lane.startswith(NEWEST):
        _replace_older(connection, new.lane, added, now)
    return added


def _replace_older(connection: Connection, lane: str, number: int, now: float) -> None:
    """What nobody is at in the lane goes. Its place is kept, or a late worker would never come to it."""
    older = (work.c.lane == lane, work.c.id < number, work.c.finished.is_(None))
    waits = work.c.state.in_(("pending", "started"))
    gone = update(work).where(*older, waits).values(state="replaced", finished=now).returning(work.c.rank)
    first: float = min(connection.scalars(gone), default=math.inf)
    if first < now:
        connection.execute(update(work).where(work.c.id == number).values(rank=first))


def claim(
    connection: Connection,
    owner: str,
    now: float,
    *,
    seconds: float = LEASE_SECONDS,
    kinds: Sequence[str] | None = None,
    lanes: Sequence[str] | None = None,
    number: int | None = None,
) -> Work | None:
    """Take the next due work: of these kinds, of lanes that begin with one of these, or exactly `number`.

    The attempt is counted, and the epoch grows, in this transaction.
    """
    if seconds > LONGEST_LEASE:
        raise ValueError(f"a lease of {seconds} s is too long; the longest is {LONGEST_LEASE} s")
    next_one = _next(_tuple(kinds), _tuple(lanes), numbered=number is not None)
    while row := connection.execute(next_one, {"now": now, "number": number}).one_or_none():
        if row.state == "running" and _outdated(connection, row.lane, row.id):
            # Its worker died, and a newer state is wanted by now.
            _end(connection, row.id, "replaced", now)
            continue
        if row.attempts >= 2 * ATTEMPTS:
            # Not even the answer "this failed" could be given.
            _end(connection, row.id, "dead", now, f"ended its worker {row.attempts} times")
            continue
        return _take(connection, row.id, row.epoch, owner, now + seconds)
    return None


@cache
def _next(kinds: tuple[str, ...] | None, lanes: tuple[str, ...] | None, *, numbered: bool) -> Select[Any]:
    """Made once for each set of kinds, as `_due_ids` is."""
    wanted = _due(bindparam("now", type_=Double))
    if kinds is not None:
        wanted.append(work.c.kind.in_(kinds))
    if lanes is not None:
        wanted.append(or_(*(work.c.lane.startswith(lane, autoescape=True) for lane in lanes)))
    if numbered:
        wanted.append(work.c.id == bindparam("number"))
    first = select(work).where(*wanted).order_by(work.c.rank, work.c.id).limit(1)
    return first.with_for_update(skip_locked=True)


def _tuple(named: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if named is None else tuple(named)


def renew(connection: Connection, mine: Work, now: float, seconds: float = LEASE_SECONDS) -> None:
    """Keep the lease. Raises `Lost`."""
    _mine(connection, mine, lease_until=now + seconds)


def finish(connection: Connection, mine: Work, now: float) -> None:
    """It is done and its answer is stored, in this same transaction. Raises `Lost`."""
    _mine(connection, mine, state="done", finished=now, lease_until=None, error=None)


def again(connection: Connection, mine: Work, not_before: float, now: float) -> None:
    """It is performed; look at it again later. Looking is no failed attempt. Raises `Lost`."""
    _put_back(
        connection,
        mine,
        now,
        state="started",
        not_before=not_before,
        retries=0,
        error=None,
        troubled=None,
        rank=not_before,
    )


def retry(
    connection: Connection, mine: Work, not_before: float, now: float, error: str, *, counted: bool = True
) -> None:
    """It could not be done now. `counted`: by an error that nobody foresaw. Raises `Lost`."""
    values = {
        "state": "pending" if mine.started is None else "started",
        "not_before": not_before,
        "retries": mine.retries + 1 if counted else mine.retries,
        "error": error,
        "troubled": now - mine.in_trouble(now),
        "rank": max(mine.rank, not_before),
    }
    _put_back(connection, mine, now, **values)


def fail(connection: Connection, mine: Work, now: float, error: str) -> None:
    """Give it up; people see it among the dead and may revive it. Raises `Lost`."""
    _mine(connection, mine, state="dead", finished=now, lease_until=None, error=error)


def outlived(connection: Connection, lost: Work) -> None:
    """Whoever lost its lease and lives was not ended by the work: that claim is no attempt.

    It counts as an error that nobody foresaw, and only a few times in a row: work that stops its worker each
    time for longer than a lease lasts must end, too.
    """
    # An answer given since then has begun the count anew; each claim raises both the epoch and the count.
    counted = work.c.attempts > work.c.epoch - lost.epoch
    still = (work.c.id == lost.id, work.c.finished.is_(None), work.c.epoch > lost.epoch, counted)
    fewer = update(work).where(*still, work.c.retries < OUTLIVED)
    connection.execute(fewer.values(attempts=work.c.attempts - 1, retries=work.c.retries + 1))


def say_again(connection: Connection, lost: Work, now: float) -> int:
    """Make what is newer in its lane due again, where that is told to the world; how many there were.

    Whoever stood still until its lease had ended may have written over what others told since.
    """
    if not lost.lane.startswith(NOTIFY):
        return 0
    newer = and_(
        work.c.lane == lost.lane, work.c.kind == lost.kind, work.c.id > lost.id, work.c.state == "done"
    )
    return connection.execute(update(work).where(newer).values(_fresh(now))).rowcount


def revive(connection: Connection, number: int, now: float) -> bool:
    """Make dead work due again, at its old place in its lane.

    Not where its lane had newer work of its kind: what that wrote must not be overwritten by what is older.
    """
    dead = and_(work.c.id == number, work.c.state == "dead")
    found = connection.execute(select(work.c.lane, work.c.kind).where(dead)).one_or_none()
    if found is None or (found.lane.startswith(ABSOLUTE) and _had_newer(connection, number, *found)):
        return False
    return connection.execute(update(work).where(dead).values(_fresh(now))).rowcount == 1


def dismiss(connection: Connection, number: int) -> bool:
    """Let given up work rest: nobody is shown it among the dead any more. False where it is not dead."""
    dead = update(work).where(work.c.id == number, work.c.state == "dead")
    return connection.execute(dead.values(state="dismissed")).rowcount == 1


def _fresh(now: float) -> dict[str, Any]:
    """Due, as if it had not been tried."""
    untried = {"state": "pending", "attempts": 0, "retries": 0, "not_before": now, "rank": now}
    return {**untried, "finished": None, "error": None, "troubled": None}


def owners(connection: Connection) -> list[str]:
    """Who holds a lease now."""
    return list(connection.scalars(_OWNERS))


def free(connection: Connection, owners: Sequence[str], now: float) -> int:
    """End the leases of owners that are known to be dead; how many there were."""
    theirs = and_(work.c.finished.is_(None), work.c.state == "running", work.c.owner.in_(owners))
    return connection.execute(
        update(work).where(theirs, work.c.lease_until > now).values(lease_until=now)
    ).rowcount


def forget(connection: Connection, before: float) -> int:
    """Remove work that ended earlier, however it did; its keys may then be added anew.

    What was given up so long ago goes, too: what it wrote over would not be known any more if it came back.
    """
    old = and_(work.c.state.in_(("done", "replaced", "dead", "dismissed")), work.c.finished < before)
    return connection.execute(delete(work).where(old)).rowcount


def due(
    connection: Connection, now: float, limit: int = 100, kinds: Sequence[str] | None = None
) -> list[int]:
    """Ids that could be claimed now, oldest first: hints for workers."""
    query = _due_ids(_tuple(kinds))
    return list(connection.scalars(query, {"now": now, "most": limit}))


@cache
def _due_ids(kinds: tuple[str, ...] | None) -> Select[tuple[int]]:
    """Made once for each set of kinds: whoever polls asks often, and making it costs more than asking."""
    wanted = _due(bindparam("now", type_=Double))
    if kinds is not None:
        wanted.append(work.c.kind.in_(kinds))
    return select(work.c.id).where(*wanted).order_by(work.c.rank, work.c.id).limit(bindparam("most"))


def soonest(connection: Connection, now: float, kinds: Sequence[str]) -> float | None:
    """When the next work of these kinds can be claimed, be it in the past; None where there is none."""
    found: float | None = connection.scalar(_soonest(tuple(kinds)), {"now": now})
    return found


@cache
def _soonest(kinds: tuple[str, ...]) -> Select[Any]:
    now = bindparam("now", type_=Double)
    at = case((work.c.state == "running", work.c.lease_until), else_=work.c.not_before)
    wrong = or_(
        and_(work.c.state == "running", work.c.lease_until > now + LONGEST_LEASE),
        and_(work.c.state != "running", _too_long(now)),
    )
    wanted = (work.c.finished.is_(None), work.c.kind.in_(kinds), ~_blocked())
    return select(func.min(case((wrong, now), else_=at))).where(*wanted)


def known(connection: Connection, keys: Sequence[str]) -> frozenset[str]:
    """Those of the keys that are known: adding them once more would change nothing."""
    return frozenset(connection.scalars(select(work.c.key).where(work.c.key.in_(keys))))


def listed(connection: Connection, *, state: str | None = None, subject: str | None = None) -> list[Work]:
    """Work in a state or about a subject, oldest first."""
    query = select(work).order_by(work.c.id)
    if state is not None:
        query = query.where(work.c.state == state)
    if subject is not None:
        query = query.where(work.c.subject == subject)
    return [_work(row) for row in connection.execute(query)]


def newest(
    connection: Connection,
    *,
    kinds: Sequence[str] | None = None,
    state: str | None = None,
    lanes: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Work]:
    """Work newest first: of these kinds, in this state, of lanes that begin so. Next page: `before`."""
    query = select(work).order_by(work.c.id.desc()).limit(limit)
    if kinds is not None:
        query = query.where(work.c.kind.in_(kinds))
    if state is not None:
        query = query.where(work.c.state == state)
    if lanes is not None:
        query = query.where(work.c.lane.startswith(lanes, autoescape=True))
    if before is not None:
        query = query.where(work.c.id < before)
    return [_work(row) for row in connection.execute(query)]


def chosen(connection: Connection, *, numbers: Sequence[int] = (), keys: Sequence[str] = ()) -> list[Work]:
    """The work of these ids and of these keys, oldest first."""
    wanted = or_(work.c.id.in_(numbers), work.c.key.in_(keys))
    return [_work(row) for row in connection.execute(select(work).where(wanted).order_by(work.c.id))]


def latest(connection: Connection, subjects: Sequence[str], kinds: Sequence[str]) -> dict[str, Work]:
    """The newest work of these kinds about each subject that has any."""
    wanted = (work.c.subject.in_(subjects), work.c.kind.in_(kinds))
    rows = connection.execute(select(work).where(*wanted).order_by(work.c.id))
    return {row.subject: _work(row) for row in rows}


def unfinished(connection: Connection, kind: str) -> list[Work]:
    """Work of a kind that has not ended, oldest first."""
    query = select(work).where(work.c.finished.is_(None), work.c.kind == kind).order_by(work.c.id)
    return [_work(row) for row in connection.execute(query)]


_OWNERS = select(work.c.owner).where(work.c.finished.is_(None), work.c.state == "running").distinct()


def _turn(new: Work) -> float:
    return new.not_before + YIELD_SECONDS if new.lane.startswith(CLOCK) else new.not_before


def _behind(connection: Connection, party: str | None) -> float:
    """The least rank for more of a party's work: its turn after the last that nobody has begun."""
    if party is None:
        return 0.0
    waiting = (work.c.party == party, work.c.finished.is_(None), work.c.state == "pending")
    last: float | None = connection.scalar(select(func.max(work.c.rank)).where(*waiting))
    return 0.0 if last is None else last + TURN_SECONDS


def _due(now: float | BindParameter[float]) -> list[ColumnElement[bool]]:
    come = or_(work.c.not_before <= now, _too_long(now))
    waiting = and_(work.c.state.in_(("pending", "started")), come)
    lapsed = or_(work.c.lease_until <= now, work.c.lease_until > now + LONGEST_LEASE)
    expired = and_(work.c.state == "running", lapsed)
    # The first condition follows from the second; it is what the partial indexes are known by.
    return [work.c.finished.is_(None), or_(waiting, expired), ~_blocked()]


def _blocked() -> ColumnElement[bool]:
    """Whether something older in its lane is unfinished."""
    older = work.alias("older")
    return exists().where(older.c.lane == work.c.lane, older.c.id < work.c.id, older.c.finished.is_(None))


def _too_long(now: float | BindParameter[float]) -> ColumnElement[bool]:
    """Only what a clock was set for waits for long; else the wait was given before a clock was set back."""
    return and_(work.c.not_before > now + LONGEST_LEASE, ~work.c.lane.startswith(CLOCK))


def _take(connection: Connection, number: int, epoch: int, owner: str, until: float) -> Work | None:
    taken = (
        update(work)
        .where(work.c.id == number, work.c.epoch == epoch)
        .values(
            state="running", owner=owner, lease_until=until, epoch=epoch + 1, attempts=work.c.attempts + 1
        )
        .returning(work)
    )
    row = connection.execute(taken).one_or_none()
    return None if row is None else _work(row)


def _mine(connection: Connection, mine: Work, **values: Any) -> None:
    """Change work only while the claim that is in hand still stands."""
    if connection.execute(update(work).where(_held(mine)).values(values)).rowcount != 1:
        raise _lost(mine)


def _held(mine: Work) -> ColumnElement[bool]:
    return and_(work.c.id == mine.id, work.c.epoch == mine.epoch, work.c.state == "running")


def _lost(mine: Work) -> Lost:
    return Lost(f"work {mine.id} ({mine.kind}) is no longer ours: epoch {mine.epoch} has passed")


def _put_back(connection: Connection, mine: Work, now: float, **values: Any) -> None:
    # The row first, then its lane: the order in which a change that adds to its own lane locks them.
    if connection.scalar(select(work.c.id).where(_held(mine)).with_for_update()) is None:
        raise _lost(mine)
    _lock_lane(connection, mine.lane)
    if _outdated(connection, mine.lane, mine.id):
        _mine(connection, mine, state="replaced", finished=now, lease_until=None)
        return
    if values["state"] == "started" and mine.started is None:
        values["started"] = now
    _mine(connection, mine, lease_until=None, owner=None, attempts=0, **values)


def _outdated(connection: Connection, lane: str, number: int) -> bool:
    """Whether the lane has newer work than this, where only the newest counts."""
    if not lane.startswith(NEWEST):
        return False
    newer = select(func.count()).where(work.c.lane == lane, work.c.id > number, work.c.finished.is_(None))
    return connection.scalar(newer) != 0


def _had_newer(connection: Connection, number: int, lane: str, kind: str) -> bool:
    newer = select(func.count()).where(work.c.lane == lane, work.c.id > number)
    if not lane.startswith(TRAFFIC):
        newer = newer.where(work.c.kind == kind)
    return connection.scalar(newer) != 0


def _end(connection: Connection, number: int, state: str, now: float, error: str | None = None) -> None:
    ended = update(work).where(work.c.id == number)
    connection.execute(ended.values(state=state, finished=now, lease_until=None, error=error))


def _lock_lane(connection: Connection, lane: str) -> None:
    """Keep ids of a lane in the order of their commits; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(lane, 1))))


def _work(row: Any) -> Work:
    return Work(**row._mapping)  # noqa: SLF001  SQLAlchemy's own name for a row as a mapping
