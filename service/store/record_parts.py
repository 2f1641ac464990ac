"""Parts of the record, read to be exported: of a time, of a model, of a release."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Select, or_, select
from sqlalchemy import exists as sql_exists

from service.store.chain import Line
from service.store.tables import model, record, release, version

PAGE = 500


@dataclass(frozen=True, slots=True)
class Part:
    """Which entries: from `since` up to but not at `until`, about this model, about this release (`rel-7`).

    What is about a version is about its model and its releases, too.
    """

    since: float | None = None
    until: float | None = None
    model: str | None = None
    release: str | None = None


def page(connection: Connection, part: Part, *, after: int, upto: int) -> list[Line]:
    """The next entries of a part behind that one, none behind `upto`."""
    query = select(record).where(record.c.id > after, record.c.id <= upto)
    if part.since is not None:
        query = query.where(record.c.at >= part.since)
    if part.until is not None:
        query = query.where(record.c.at < part.until)
    for subjects in _subjects(part):
        query = query.where(subjects)
    rows = connection.execute(query.order_by(record.c.id).limit(PAGE))
    return [Line(**row._mapping) for row in rows]  # noqa: SLF001  SQLAlchemy's own name for a row as a mapping


def is_known(connection: Connection, part: Part) -> bool:
    """Whether there is, or was, such a release and such a model."""
    asked: list[Select[tuple[str]]] = []
    if part.release is not None:
        asked.append(select(release.c.name).where(release.c.name == part.release))
    if part.model is not None:
        declared = select(model.c.name).where(model.c.name == part.model)
        released = select(release.c.name).where(release.c.model == part.model)
        asked.append(declared.union_all(released))  # type: ignore[arg-type]
    return all(connection.scalar(select(sql_exists(query.subquery().select()))) for query in asked)


def _subjects(part: Part) -> Iterator[ColumnElement[bool]]:
    if part.release is not None:
        of_version = select(release.c.version_key).where(release.c.name == part.release)
        yield or_(record.c.subject == part.release, record.c.subject.in_(of_version))
    if part.model is not None:
        yield or_(
            record.c.subject == part.model,
            record.c.subject.startswith(f"{part.model}/", autoescape=True),
            record.c.subject.in_(select(release.c.name).where(release.c.model == part.model)),
            record.c.subject.in_(select(version.c.key).where(version.c.model == part.model)),
        )
