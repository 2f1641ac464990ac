"""What can be read of the engine in one transaction, as it all was at one moment; nothing here writes."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import Column, Connection, select

from policies.release import Phase
from service.ports.connections import Cluster, Source, subscription
from service.store import due, labels, queued, record, record_parts, record_proof, target_pages
from service.store.chain import Head, Line
from service.store.labels import Cohort, Known
from service.store.queue import Work
from service.store.record_parts import Part
from service.store.record_proof import Stretch
from service.store.rows import Cursor, ModelRow, ReleaseRow, TargetRow, Token, VersionRow
from service.store.tables import answer, cluster, cursor, model, release, source, target, token, version

MOST_KEYS = 500
# In the order of the values that are made from them, thousands at a time. A release's name is derived from
# its id; its column is for people who look into the database.
_RELEASE = tuple(release.c[part.name] for part in fields(ReleaseRow))
_TARGET = tuple(target.c[part.name] for part in fields(TargetRow))


class Reading:
    """Reads in one transaction; made by `Store.read`. `now` is the store's time when it began."""

    def __init__(self, connection: Connection, now: float) -> None:
        self.connection = connection
        self.now = now

    def release(self, number: int) -> ReleaseRow | None:
        """The release of that id."""
        row = self.connection.execute(select(*_RELEASE).where(release.c.id == number)).one_or_none()
        return None if row is None else ReleaseRow(*row)

    def releases(
        self,
        *,
        model: str | None = None,
        target: str | None = None,
        version_key: str | None = None,
        phase: str | None = None,
        final: bool | None = None,
        before: int | None = None,
        begun: float | None = None,
        among: str | None = None,
        targets: Sequence[str] | None = None,
        limit: int = 1000,
    ) -> list[ReleaseRow]:
        """Newest first; with `begun` those that had begun by that time, with `among` those whose target that
        regular expression matches, with `targets` those of these few. Next page: `before=<the last id>`."""
        wanted = {"model": model, "target": target, "version_key": version_key, "phase": phase}
        query = select(*_RELEASE).order_by(release.c.id.desc()).limit(limit)
        for column, value in wanted.items():
            if value is not None:
                query = query.where(release.c[column] == value)
        if final is not None:
            # Not `== final`: only this form is known to the index over open releases.
            query = query.where(release.c.final if final else ~release.c.final)
        if before is not None:
            query = query.where(release.c.id < before)
        if begun is not None:
            query = query.where(release.c.created <= begun)
        if among is not None:
            query = query.where(release.c.target.regexp_match(among))
        if targets is not None:
            query = query.where(release.c.target.in_(targets))
        return [ReleaseRow(*row) for row in self.connection.execute(query)]

    def releases_of(self, numbers: Sequence[int]) -> list[ReleaseRow]:
        """The releases of these ids."""
        return [ReleaseRow(*row) for row in self._chosen(_RELEASE, release.c.id, numbers)]

    def next_promoted(self, target: str, after: int) -> ReleaseRow | None:
        """The first release of a target behind that one which was promoted."""
        there = (release.c.target == target, release.c.phase == Phase.PROMOTED.value, release.c.id > after)
        query = select(*_RELEASE).where(*there).order_by(release.c.id).limit(1)
        row = self.connection.execute(query).one_or_none()
        return None if row is None else ReleaseRow(*row)

    def release_revs(self, phases: Sequence[str]) -> dict[int, int]:
        """Ids and revisions of the open releases in one of these phases."""
        opened = (~release.c.final, release.c.phase.in_(phases))
        rows = self.connection.execute(select(release.c.id, release.c.rev).where(*opened))
        return {row.id: row.rev for row in rows}

    def release_marks(self, numbers: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Of these releases, by id: the revision, and the last entry of the record, 0 where there is none."""
        columns = (release.c.id, release.c.name, release.c.rev)
        names = {row.id: (row.name, row.rev) for row in self._chosen(columns, release.c.id, numbers)}
        last = record.last_of(self.connection, [name for name, _ in names.values()])
        return {number: (rev, last.get(name, 0)) for number, (name, rev) in names.items()}

    def version(self, key: str) -> VersionRow | None:
        """The version of that key."""
        row = self.connection.execute(select(version).where(version.c.key == key)).one_or_none()
        return None if row is None else VersionRow(**_fields(row))

    def versions_of(self, keys: Sequence[str]) -> list[VersionRow]:
        """The versions of these keys."""
        return [VersionRow(**_fields(row)) for row in self._chosen(version.c, version.c.key, keys)]

    def versions(self, model: str | None = None) -> list[VersionRow]:
        """Newest first."""
        query = select(version).order_by(version.c.created.desc(), version.c.key)
        if model is not None:
            query = query.where(version.c.model == model)
        return [VersionRow(**_fields(row)) for row in self.connection.execute(query)]

    def target(self, name: str) -> TargetRow | None:
        """The target of that name."""
        row = self.connection.execute(select(target).where(target.c.name == name)).one_or_none()
        return None if row is None else TargetRow(**_fields(row))

    def targets(self) -> list[TargetRow]:
        """All targets, by name."""
        rows = self.connection.execute(select(target).order_by(target.c.name))
        return [TargetRow(**_fields(row)) for row in rows]

    def target_page(
        self, *, among: str | None, after: str | None, limit: int
    ) -> list[tuple[str, TargetRow | None]]:
        """A page of the names of targets, by name, also of those that only a release is on its way to."""
        return target_pages.page(self.connection, among=among, after=after, limit=limit)

    def targets_of(self, names: Sequence[str]) -> list[TargetRow]:
        """The targets of these names."""
        return [TargetRow(*row) for row in self._chosen(_TARGET, target.c.name, names)]

    def target_revs(self) -> dict[str, int]:
        """Names and revisions of all targets."""
        rows = self.connection.execute(select(target.c.name, target.c.rev))
        return {row.name: row.rev for row in rows}

    def sources(self) -> list[Source]:
        """All connections, by name."""
        rows = self.connection.execute(select(source).order_by(source.c.name))
        return [
            Source(
                row.name,
                row.kind,
                row.url,
                tuple(row.owns),
                tuple((i, n) for i, n in row.people or ()),
                subscription(row.subscription),
            )
            for row in rows
        ]

    def clusters(self) -> list[Cluster]:
        """All connected clusters, by name."""
        rows = self.connection.execute(select(cluster).order_by(cluster.c.name))
        return [Cluster(**row.body) for row in rows]

    def model(self, name: str) -> ModelRow | None:
        """The declared model of that name."""
        row = self.connection.execute(select(model).where(model.c.name == name)).one_or_none()
        return None if row is None else ModelRow(**_fields(row))

    def model_names(self) -> list[str]:
        """The names of all declared models."""
        return sorted(self.connection.scalars(select(model.c.name)))

    def models_of(self, names: Sequence[str]) -> list[ModelRow]:
        """The declared models of these names, by name."""
        query = select(model).where(model.c.name.in_(names)).order_by(model.c.name)
        return [ModelRow(**_fields(row)) for row in self.connection.execute(query)]

    def models(self, source: str | None = None) -> list[ModelRow]:
        """Declared models, by name; of one source, or all."""
        query = select(model).order_by(model.c.name)
        if source is not None:
            query = query.where(model.c.source == source)
        return [ModelRow(**_fields(row)) for row in self.connection.execute(query)]

    def cursors(self, source: str) -> list[Cursor]:
        """The last values seen at a source, by reference."""
        query = select(cursor).where(cursor.c.source == source).order_by(cursor.c.reference)
        return [Cursor(**_fields(row)) for row in self.connection.execute(query)]

    def cursor(self, source: str, reference: str) -> str | None:
        """The value last seen of one reference; None where none was."""
        here = (cursor.c.source == source, cursor.c.reference == reference)
        found: str | None = self.connection.scalar(select(cursor.c.value).where(*here))
        return found

    def tokens(self) -> list[Token]:
        """All API tokens, by name."""
        rows = self.connection.execute(select(token).order_by(token.c.name))
        return [Token(**_fields(row)) for row in rows]

    def token(self, digest: str) -> Token | None:
        """The token with that hash, unless it has expired."""
        row = self.connection.execute(select(token).where(token.c.hash == digest)).one_or_none()
        if row is None or (row.expires is not None and row.expires <= self.now):
            return None
        return Token(**_fields(row))

    def answer(self, delivery: str) -> Any:
        """What that command was answered; None while it was not."""
        return self.connection.scalar(select(answer.c.body).where(answer.c.delivery == delivery))

    def answers(self, names: Sequence[str]) -> dict[str, Any]:
        """What each of these was answered, as far as it was."""
        rows = self.connection.execute(select(answer).where(answer.c.delivery.in_(names)))
        return {row.delivery: row.body for row in rows}

    def cohorts(
        self, model: str, source: str, since: float, until: float, *, span: int, apart: bool = False
    ) -> list[Cohort]:
        """The labelled answers of whole spans from `since` to `until`, oldest first; `apart`: by segments."""
        return labels.cohorts(self.connection, model, source, since, until, span=span, apart=apart)

    def truths(self, model: str, source: str, since: float) -> list[tuple[str, str]]:
        """(request, label) of what was answered since, where the label itself is known."""
        return labels.truths(self.connection, model, source, since)

    def unassigned(self, model: str, since: float) -> list[str]:
        """Labelled requests since then of which no row says which version answered."""
        return labels.unassigned(self.connection, model, since)

    def labels(self, model: str) -> list[Known]:
        """What is known of a model's answers, by table and version."""
        return labels.known(self.connection, model)

    def due(self, limit: int = 100, kinds: Sequence[str] | None = None) -> list[int]:
        """Ids of work that could be claimed now."""
        return due.ids(self.connection, self.now, limit, kinds)

    def until_due(self, kinds: Sequence[str]) -> float:
        """Seconds until work of these kinds can be claimed: 0 where it can be now, infinite without any."""
        at = due.soonest(self.connection, self.now, kinds)
        return math.inf if at is None else max(0.0, at - self.now)

    def owners(self) -> list[str]:
        """Who holds a lease on work now."""
        return queued.owners(self.connection)

    def known_work(self, keys: Sequence[str]) -> frozenset[str]:
        """Those of the keys whose work was added before."""
        return queued.known(self.connection, keys)

    def dead(self) -> list[Work]:
        """Work that was given up."""
        return queued.listed(self.connection, state="dead")

    def unfinished(self, kind: str) -> list[Work]:
        """Work of a kind that has not ended, oldest first."""
        return queued.unfinished(self.connection, kind)

    def newest_at_sources(self, kind: str) -> dict[str, Work]:
        """Of each source the newest work of a kind that is about it, by the source's name."""
        return queued.newest_at_sources(self.connection, kind)

    def work_of(self, subject: str) -> list[Work]:
        """All work about a release or version, oldest first."""
        return queued.listed(self.connection, subject=subject)

    def given_up(self, subject: str, *, before: int | None = None, limit: int) -> list[Work]:
        """Work about a release or version that was given up, newest first."""
        return queued.newest(self.connection, state="dead", about=subject, before=before, limit=limit)

    def record_of(
        self, subject: str | None = None, *, after: int = 0, limit: int = 200
    ) -> list[record.Entry]:
        """The record about a subject, or all of it, oldest first."""
        return record.entries(self.connection, subject, after=after, limit=limit)

    def newest_of_record(
        self, subject: str | None = None, *, before: int | None = None, limit: int = 100
    ) -> list[record.Entry]:
        """The record about a subject, or all of it, newest first."""
        return record.newest(self.connection, subject, before=before, limit=limit)

    def record_head(self) -> Head:
        """The record's last id and hash, noted now."""
        return replace(record.head(self.connection), at=self.now)

    def record_lines(self) -> Iterator[Line]:
        """The whole record as it is stored, oldest first."""
        return record.lines(self.connection)

    def record_stretch(self, heads: Sequence[Head], *, after: int, most: int) -> Stretch | None:
        """What is proven of at most so many entries behind that one; None where there is no such entry."""
        return record_proof.stretch(self.connection, heads, after=after, most=most)

    def knows(self, part: Part) -> bool:
        """Whether there is, or was, what a part of the record is asked about."""
        return record_parts.is_known(self.connection, part)

    def record_holds(self, head: Head) -> bool:
        """Whether that entry of the record still has that hash."""
        return record.holds(self.connection, head)

    def _chosen(self, columns: Iterable[Column[Any]], key: Any, wanted: Sequence[Any]) -> Iterator[Any]:
        """Rows by key; some at a time, because a statement has room for so many only."""
        for part in range(0, len(wanted), MOST_KEYS):
            some = wanted[part : part + MOST_KEYS]
            yield from self.connection.execute(select(*columns).where(key.in_(some)))


def _fields(row: Any) -> dict[str, Any]:
    return dict(row._mapping)  # noqa: SLF001  SQLAlchemy's own name for a row as a mapping
