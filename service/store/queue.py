"""Work to be done to the world, in lanes: claimed by one, fenced by an epoch, ended once.

A lane named `traffic:…` holds wanted states, one named `evidence:…` what is known now and one named `chat:…`
what a message is to say, so there a newer row replaces an older one that nobody is at. A claim counts the
attempt in its own transaction: work that kills its worker is seen again with a higher count, not for ever.
Every function here runs inside the caller's transaction and decides nothing about the work itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, update

from service.store import advisory, due
from service.store.due import LONGEST_LEASE
from service.store.tables import work

TRAFFIC = "traffic:"
NOTIFY = "notify:"
EVIDENCE = "evidence:"
CHAT = "chat:"
NEWEST = (TRAFFIC, EVIDENCE, CHAT)  # only the newest there counts
ABSOLUTE = (TRAFFIC, NOTIFY, CHAT)  # what is written there, newer work writes anew
LEASE_SECONDS = 30.0
ATTEMPTS = 5
OUTLIVED = 2 * ATTEMPTS  # claims in a row that count for nothing because whoever made them lives
LONGEST_TRY = 3600.0  # seconds from when work is due to its answer; what is beyond, nobody tried in


class Lost(Exception):
    """The lease ran out and somebody else has taken the work: whatever was decided is void."""


@dataclass(frozen=True, slots=True)
class Work:
    """One thing to do. The first six fields and `party` are given when it is added, the others by the queue.

    `party` is for whom it is, such as a model; None: for nobody but its lane.

    `started` is when it was first performed: from then on it is observed, not begun anew. `attempts`
    counts claims that nobody answered, this one included; `retries` the errors in a row that nobody foresaw;
    `troubled` is since when each answer has been that it could not be done, put off by the time in which
    nobody tried.
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
        """Seconds for which it was tried and went wrong; 0 where the last answer was a good one.

        By `error`, too: code that does not know `troubled` yet leaves it as it was. A weekend for which all
        was switched off, or by which the clock was wrong, is no trouble of the work.
        """
        if self.error is None or self.troubled is None:
            return 0.0
        untried = max(0.0, now - self.not_before - LONGEST_TRY)
        return max(0.0, now - self.troubled - untried)


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
    next_one = due.next_one(_tuple(kinds), _tuple(lanes), numbered=number is not None)
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


def claim_alike(
    connection: Connection, first: Work, now: float, *, kinds: Sequence[str] | None, most: int
) -> list[Work]:
    """Take, for whoever has just claimed `first`, what is due right behind it and of its kind: in order, at
    most so many.

    Only what nobody has tried: work that ended its worker is tried alone, or it would spoil others' tries.
    """
    behind = due.alike(connection, first.kind, now, _tuple(kinds), most)
    if not behind:
        return []
    untried = (work.c.id.in_(behind), work.c.state == "pending", work.c.attempts == 0)
    free = select(work.c.id).where(*untried).with_for_update(skip_locked=True)
    taken = (
        update(work)
        .where(work.c.id.in_(free.scalar_subquery()))
        .values(
            state="running",
            owner=first.owner,
            lease_until=first.lease_until,
            epoch=work.c.epoch + 1,
            attempts=1,
        )
        .returning(work)
    )
    return sorted(map(work_of, connection.execute(taken)), key=lambda one: (one.rank, one.id))


def _tuple(named: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if named is None else tuple(named)


def renew(connection: Connection, mine: Work, now: float, seconds: float = LEASE_SECONDS) -> None:
    """Keep the lease. Raises `Lost`."""
    _mine(connection, mine, lease_until=now + seconds)


def finish(connection: Connection, mine: Work, now: float) -> None:
    """It is done and its answer is stored, in this same transaction. Raises `Lost`."""
    _mine(connection, mine, state="done", finished=now, lease_until=None, error=None)


def finish_all(connection: Connection, mine: Sequence[Work], now: float) -> None:
    """The same of several at once. Raises `Lost` where one of them is, and then none may be stored."""
    held = {(one.id, one.epoch) for one in mine}
    ended = update(work).where(work.c.id.in_([one.id for one in mine]), work.c.state == "running")
    done = ended.values(state="done", finished=now, lease_until=None, error=None)
    # Told by what is ended: a condition on pairs takes as long as all else of a decision.
    lost = held - {(row.id, row.epoch) for row in connection.execute(done.returning(work.c.id, work.c.epoch))}
    if lost:
        raise Lost(f"of {len(mine)} works {len(lost)} are no longer ours")


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
    if not lost.lane.startswith((NOTIFY, CHAT)):
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
    return None if row is None else work_of(row)


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
    lock_lanes(connection, [mine.lane])
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


def lock_lanes(connection: Connection, lanes: Sequence[str]) -> None:
    """Keep ids of each lane in the order of their commits, for whoever locks them in the order of their
    names."""
    advisory.lock(connection, lanes, seed=1)


def work_of(row: Any) -> Work:
    """The work that a row holds."""
    return Work(**row._mapping)  # noqa: SLF001  SQLAlchemy's own name for a row as a mapping
