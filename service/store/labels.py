"""True labels as the store holds them: one row a request, counted by the hour in which it was answered.

Requests of one hour are compared with each other, so that a day's waves and a change of weight do no
harm. What comes twice is counted once; what comes later and says otherwise changes nothing, because a
guard may have bet on the first word.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, cast, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from handlers.labels import Batch, Label
from service.store.tables import label

HOUR = 3600
MINUTE = 60
_AT_ONCE = 1_000  # rows of one statement: a database takes so many parameters and no more


@dataclass(frozen=True, slots=True)
class Cohort:
    """Of the requests that `version` answered within the span of time that began at `began` (Unix seconds),
    and in these segments where they are told apart, how many have a label, and how many of them were answered
    wrongly."""

    began: int
    version: str | None
    labels: int
    wrong: int
    segments: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one version's answers, of one table; times are Unix seconds."""

    source: str
    version: str | None
    labels: int
    wrong: int
    first: float
    last: float
    came: float


def add(connection: Connection, batch: Batch, now: float) -> int:
    """Store what is new of the batch; how many that were."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    # In one order: two batches with the same requests must not wait for each other.
    rows = [_values(batch, one, now) for one in sorted(batch.labels, key=lambda one: one.request)]
    added = 0
    for part in _parts(rows):
        added += connection.execute(insert(label).values(part).on_conflict_do_nothing()).rowcount
    return added


def cohorts(
    connection: Connection,
    model: str,
    source: str,
    since: float,
    until: float,
    *,
    span: int = HOUR,
    apart: bool = False,
) -> list[Cohort]:
    """The labelled answers of the whole spans from `since` to `until`, oldest first; many make an hour.

    `apart`: told apart by their segments.
    """
    wrong = func.sum(cast(label.c.wrong, Integer))
    began = label.c.hour if span == HOUR else _began(connection, span)
    by = (label.c.version, label.c.segments) if apart else (label.c.version,)
    query = (
        select(began.label("began"), *by, func.count(), wrong)
        .where(label.c.model == model, label.c.source == source)
        .where(label.c.hour >= since // HOUR * HOUR, began >= since, began + span <= until)
        .group_by("began", *by)  # by its name: PostgreSQL takes two parameters for two values
        .order_by("began", *by)
    )
    return [
        Cohort(int(at), version, count, bad, _segments(*segments))
        for at, version, *segments, count, bad in connection.execute(query)
    ]


def _segments(stored: str | None = None) -> tuple[tuple[str, str], ...]:
    return () if stored is None else tuple(json.loads(stored).items())


def _began(connection: Connection, span: int) -> ColumnElement[int]:
    """When the span of an answer began. PostgreSQL rounds where SQLite cuts."""
    whole = func.floor(label.c.at / span) if connection.dialect.name == "postgresql" else label.c.at / span
    return cast(whole, Integer) * span


def known(connection: Connection, model: str) -> list[Known]:
    """What is known of a model's answers, by table and version."""
    wrong = func.sum(cast(label.c.wrong, Integer))
    times = (func.min(label.c.at), func.max(label.c.at), func.max(label.c.came))
    query = (
        select(label.c.source, label.c.version, func.count(), wrong, *times)
        .where(label.c.model == model)
        .group_by(label.c.source, label.c.version)
        .order_by(label.c.source, func.max(label.c.at).desc())
    )
    return [Known(*row) for row in connection.execute(query)]


def truths(connection: Connection, model: str, source: str, since: float) -> list[tuple[str, str]]:
    """(request, label) of what was answered since, where the label itself is known."""
    query = (
        select(label.c.request, label.c.truth)
        .where(label.c.model == model, label.c.source == source, label.c.truth.is_not(None))
        .where(label.c.hour >= since // HOUR * HOUR, label.c.at >= since)
    )
    return [(request, truth) for request, truth in connection.execute(query)]


def unassigned(connection: Connection, model: str, since: float) -> list[str]:
    """Requests with a label whose row does not say which version answered."""
    query = select(label.c.request).where(label.c.model == model, label.c.version.is_(None))
    return list(connection.scalars(query.where(label.c.at >= since).distinct()))


def assign(connection: Connection, model: str, versions: Mapping[str, str]) -> None:
    """Say which version answered these requests, where no row said it."""
    for request, version in sorted(versions.items()):
        which = (label.c.model == model, label.c.request == request, label.c.version.is_(None))
        connection.execute(update(label).where(*which).values(version=version))


def forget(connection: Connection, before: float) -> int:
    """Remove labels that came before that moment; how many."""
    return connection.execute(delete(label).where(label.c.came < before)).rowcount


def _parts(rows: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    return [list(rows[nth : nth + _AT_ONCE]) for nth in range(0, len(rows), _AT_ONCE)]


def _values(batch: Batch, one: Label, now: float) -> dict[str, Any]:
    return {
        "model": batch.model,
        "source": batch.table,
        "request": one.request,
        "version": one.version,
        "at": one.at,
        "hour": int(one.at // HOUR) * HOUR,
        "wrong": one.wrong,
        "truth": one.truth,
        "segments": json.dumps(dict(one.segments)) if one.segments else None,
        "came": now,
    }
