"""One change of the engine: reads, and writes that are stored all together or not at all.

Rows carry the `rev` that they were read with: a row that somebody else changed since raises
`Conflict`, and the caller reads and decides again. Work and record entries are kept back until the
end, where they take their locks in one order, so that two changes cannot wait for each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from handlers.labels import Batch
from policies.limits import Limits, Live
from policies.release import HOLDING, Phase
from service.errors import Conflict
from service.ports.connections import Cluster, Source, Subscription
from service.store import adding, advisory, labels, queue, record, tables
from service.store.queue import Work
from service.store.reading import Reading
from service.store.rows import Cursor, ModelRow, ReleaseRow, TargetRow, Token, VersionRow

_CLUSTER = tables.release.c.state["place"]["cluster"].as_string()


class Change(Reading):
    """What can be written, beside all that can be read, in one transaction; made by `Store.change`.

    After the commit `added` are the ids of its new work.
    """

    def __init__(self, connection: Connection, now: float, limits: Limits) -> None:
        super().__init__(connection, now)
        self.limits = limits
        self.added: tuple[int, ...] = ()
        self._holds: set[str] = set()
        self._work: list[Work] = []
        self._entries: list[record.Entry] = []

    # --- machines ---------------------------------------------------------------------------

    def next_release(self, target: str) -> tuple[int, int]:
        """The id, and the number within the target, for a new release; nobody else gets them."""
        advisory.lock(self.connection, ["segue-release"])
        ids, numbers = func.max(tables.release.c.id), func.max(tables.release.c.number)
        last = self.connection.scalar(select(ids)) or 0
        nth = self.connection.scalar(select(numbers).where(tables.release.c.target == target)) or 0
        return last + 1, nth + 1

    def hold(self, *targets: str) -> bool:
        """What is decided about a target and its releases goes one after the other until this change ends:
        who ends there must see who begins to wait. Whether others may have changed them since they were read.

        Several at once are taken in the order of their names, so that two who do so wait for each other once.
        """
        if self.connection.dialect.name != "postgresql" or self._holds.issuperset(targets):
            return False  # SQLite has one writer at a time
        names = [f"segue-target:{one}" for one in sorted({*targets} - self._holds)]
        advisory.lock(self.connection, names)
        self._holds.update(targets)
        return True

    def live(self) -> list[Live]:
        """The releases that hold a target; until this change ends no other can learn how many there are."""
        self._lock_turns()
        where = (~tables.release.c.final, tables.release.c.phase.in_([phase.value for phase in HOLDING]))
        rows = self.connection.execute(select(tables.release.c.model, _CLUSTER).where(*where))
        return [Live(model, cluster) for model, cluster in rows]

    def queued_beside(self, ended: Live) -> list[str]:
        """Targets with a release that waits for its turn, and that may have waited for this one's room:
        whose waits longest first."""
        self._lock_turns()
        release = tables.release.c
        near = or_(release.model == ended.model, _CLUSTER.is_not_distinct_from(ended.cluster))
        where = (~release.final, release.phase == Phase.QUEUED.value, near)
        rows = self.connection.scalars(select(release.target).where(*where).order_by(release.id))
        return list(dict.fromkeys(rows))

    def _lock_turns(self) -> None:
        """Who counts and who frees room come one after the other, or a release could wait for nobody."""
        advisory.lock(self.connection, ["segue-turns"])

    def save_release(self, row: ReleaseRow) -> ReleaseRow:
        """Store it as the next revision; rev 0 is a new one. Raises `Conflict`."""
        saved = replace(row, rev=row.rev + 1, changed=self.now, created=row.created or self.now)
        self._save(tables.release, "id", {**_columns(saved), "name": saved.name})
        return saved

    def save_releases(self, rows: Sequence[ReleaseRow]) -> None:
        """Store many that are known as their next revisions, in few statements. Raises `Conflict`."""
        if not rows:
            return
        saved = [{**_columns(row), "name": row.name, "rev": row.rev + 1, "changed": self.now} for row in rows]
        adding = self._insert(tables.release)
        newer = adding.on_conflict_do_update(
            index_elements=["id"],
            set_={name: adding.excluded[name] for name in ("phase", "final", "state", "rev", "changed")},
            where=tables.release.c.rev == adding.excluded.rev - 1,
        )
        done = self.connection.execute(newer.returning(tables.release.c.id), saved).all()
        if len(done) != len(rows):
            raise Conflict(f"of {len(rows)} releases {len(rows) - len(done)} have been changed since")

    def save_version(self, row: VersionRow) -> VersionRow:
        """Store it as the next revision; rev 0 is a new one. Raises `Conflict`."""
        saved = replace(row, rev=row.rev + 1, changed=self.now, created=row.created or self.now)
        self._save(tables.version, "key", _columns(saved))
        return saved

    def save_target(self, row: TargetRow) -> TargetRow:
        """Store it as the next revision; rev 0 is a new one. Raises `Conflict`."""
        saved = replace(row, rev=row.rev + 1, changed=self.now)
        self._save(tables.target, "name", _columns(saved))
        return saved

    # --- what sources say -------------------------------------------------------------------

    def cursors(self, source: str) -> list[Cursor]:
        """The last values seen at a source; nobody else changes them before this change ends."""
        here = tables.cursor.c.source == source
        locked = select(tables.cursor.c.reference).where(here).order_by(tables.cursor.c.reference)
        self.connection.execute(locked.with_for_update())
        return super().cursors(source)

    def observe(self, source: str, reference: str, value: str | None, at: float) -> int | None:
        """The new sequence where the reference's value has changed, None where it is the same.

        A webhook and a sweep that tell the same change are therefore one event, and an alias that
        goes v2, v1, v2 is three. That something never seen does not exist is no change.
        """
        here = (tables.cursor.c.source == source, tables.cursor.c.reference == reference)
        seen = self.connection.execute(select(tables.cursor).where(*here).with_for_update()).one_or_none()
        if value == (None if seen is None else seen.value):
            return None
        sequence = 1 if seen is None else seen.sequence + 1
        changed = {"value": value, "sequence": sequence, "at": at}
        if seen is None:
            key = {"source": source, "reference": reference}
            self.connection.execute(insert(tables.cursor).values(key | changed))
        else:
            self.connection.execute(update(tables.cursor).where(*here).values(changed))
        return sequence

    def forget_values(self, source: str, references: Sequence[str]) -> None:
        """Forget what was seen of these references: seen again, they are new."""
        gone = and_(tables.cursor.c.source == source, tables.cursor.c.reference.in_(references))
        self.connection.execute(delete(tables.cursor).where(gone))

    def save_source(self, source: Source) -> None:
        """Store a connection; one of the same name is replaced."""
        people = [list(pair) for pair in source.people] or None
        wanted = None if source.subscription == Subscription() else asdict(source.subscription)
        row = {**asdict(source), "owns": list(source.owns), "people": people, "subscription": wanted}
        self._put(tables.source, "name", row)

    def save_cluster(self, cluster: Cluster) -> None:
        """Store a connected cluster; one of the same name is replaced."""
        self._put(tables.cluster, "name", {"name": cluster.name, "body": asdict(cluster)})

    def remove_source(self, name: str) -> None:
        """Forget a connection and what was last seen there."""
        self.connection.execute(delete(tables.cursor).where(tables.cursor.c.source == name))
        self.connection.execute(delete(tables.source).where(tables.source.c.name == name))

    def save_model(self, row: ModelRow) -> None:
        """Store a declaration; one of the same name is replaced."""
        self._put(tables.model, "name", asdict(row))

    def remove_model(self, name: str) -> None:
        """Forget a declaration; its releases stay."""
        self.connection.execute(delete(tables.model).where(tables.model.c.name == name))

    def assign_labels(self, model: str, versions: Mapping[str, str]) -> None:
        """Say which version answered these requests, where no row said it."""
        labels.assign(self.connection, model, versions)

    def add_labels(self, batch: Batch) -> int:
        """Store the labels of requests that had none; how many there were."""
        return labels.add(self.connection, batch, self.now)

    # --- people -----------------------------------------------------------------------------

    def save_answer(self, delivery: str, body: Any) -> None:
        """Keep what a person's command was answered; the first answer stands."""
        values = {"delivery": delivery, "body": body, "at": self.now}
        self.connection.execute(self._insert(tables.answer).values(values).on_conflict_do_nothing())

    def save_token(self, token: Token) -> None:
        """Store an API token; one of the same name is replaced."""
        self._put(tables.token, "name", asdict(token))

    def remove_token(self, name: str) -> bool:
        """Revoke an API token; whether there was one."""
        gone = self.connection.execute(delete(tables.token).where(tables.token.c.name == name))
        return gone.rowcount == 1

    def add_row(self, table: Table, values: dict[str, Any]) -> bool:
        """Store a row unless there is one with its key; whether there was none."""
        return (
            self.connection.execute(self._insert(table).values(values).on_conflict_do_nothing()).rowcount == 1
        )

    # --- effects and the record -------------------------------------------------------------

    def add_work(self, work: Work) -> None:
        """Have this done once the change is stored; the same key is done once."""
        self._work.append(work)

    def renew(self, work: Work) -> None:
        """Keep the lease, so that what else is written here counts only while it is ours. Raises `Lost`."""
        queue.renew(self.connection, work, self.now)

    def finish(self, work: Work) -> None:
        """The work is done and this change holds its answer. Raises `Lost`."""
        queue.finish(self.connection, work, self.now)

    def finish_all(self, works: Sequence[Work]) -> None:
        """The same of several at once. Raises `Lost`, and then none of them may be stored."""
        queue.finish_all(self.connection, works, self.now)

    def again(self, work: Work, not_before: float) -> None:
        """It is performed; look at it again then. Raises `Lost`."""
        queue.again(self.connection, work, not_before, self.now)

    def retry(self, work: Work, not_before: float, error: str, *, counted: bool = True) -> None:
        """It could not be done; try again then. Raises `Lost`."""
        queue.retry(self.connection, work, not_before, self.now, error, counted=counted)

    def fail(self, work: Work, error: str) -> None:
        """Give the work up, for people to see. Raises `Lost`."""
        queue.fail(self.connection, work, self.now, error)

    def dismiss(self, number: int) -> bool:
        """Let given up work rest; False where it was not given up."""
        return queue.dismiss(self.connection, number)

    def revive(self, number: int) -> bool:
        """Make dead work due again; False where it is not dead, or newer work was done in its place."""
        return queue.revive(self.connection, number, self.now)

    def record(self, subject: str, actor: str, action: str, detail: dict[str, Any] | None = None) -> None:
        """Append to the record."""
        self._entries.append(record.Entry(self.now, subject, actor, action, detail or {}))

    def flush(self) -> None:
        """Write what was kept back; `Store.change` calls it once, at the end."""
        self.added = tuple(sorted(adding.add(self.connection, self._work, self.now)))
        record.append(self.connection, self._entries)

    # --- how rows are written ---------------------------------------------------------------

    def _save(self, table: Table, key: str, values: dict[str, Any]) -> None:
        name, rev = values[key], values["rev"]
        if rev == 1:
            done = self.connection.execute(self._insert(table).values(values).on_conflict_do_nothing())
        else:
            held = (table.c[key] == name, table.c.rev == rev - 1)
            done = self.connection.execute(update(table).where(*held).values(values))
        if done.rowcount != 1:
            raise Conflict(f"{table.name} {name} is no longer at revision {rev - 1}")

    def _put(self, table: Table, key: str, values: dict[str, Any]) -> None:
        upsert = self._insert(table).values(values).on_conflict_do_update(index_elements=[key], set_=values)
        self.connection.execute(upsert)

    def _insert(self, table: Table) -> Any:
        dialect = postgresql if self.connection.dialect.name == "postgresql" else sqlite
        return dialect.insert(table)


def _columns(row: ReleaseRow | VersionRow | TargetRow) -> dict[str, Any]:
    """A row's fields as they are; `asdict` would copy every value within its state."""
    return {one.name: getattr(row, one.name) for one in fields(row)}
