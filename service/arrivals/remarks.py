"""Looks for comments that no webhook told of, below what Segue wrote about releases that go on or just ended.

The same comment by webhook and by sweep is one: both are known by the source and the comment's id. It is
bounded: so many commits of each source, and so many people who are asked about. A comment is left to its
webhook for a while.
"""

from collections.abc import Iterator
from functools import partial

import structlog

from handlers import commands
from handlers.hints import CommentHint
from policies.release import Release
from service.arrivals import commenting
from service.arrivals.commenting import Heard
from service.bootstrap import Parts
from service.engine.deciding import decide
from service.ports.connections import Source
from service.ports.git import GitHost
from service.ports.outcomes import PortError
from service.sources import HOST_KINDS
from service.store.states import release_of

MOST_COMMITS = 10
MOST_PEOPLE = 20
RECENT_SECONDS = 3600.0  # after a release's end, in which people still talk about it
YOUNG_SECONDS = 30.0  # in which a comment's own delivery may be on its way
LOOKED_AT = 200  # newest releases of the installation among which those commits are looked for

log = structlog.get_logger()


def look(parts: Parts, source: Source) -> None:
    """Take commands from new comments. A host that does not tell them is asked again in the next sweep."""
    if source.kind not in HOST_KINDS:
        return
    try:
        found = list(_heard(parts, source))
    except PortError as reason:
        log.info("comments unknown", source=source.name, reason=str(reason))
        return
    for heard in found:
        decide(parts.store, partial(commenting.store, heard=heard))


def _heard(parts: Parts, source: Source) -> Iterator[Heard]:
    host, now = parts.git(source.name), parts.store.now()
    people: set[str] = set()
    for commit, began in _commits(parts, source, now).items():
        for said in host.remarks(commit):
            if not _wanted(host, said, began, now) or _known(parts, source, said):
                continue
            people.add(said.login)
            if len(people) > MOST_PEOPLE:
                return
            heard = commenting.found(parts, source, said, now)
            if heard is not None:
                log.warning("comment found by a sweep", source=source.name, comment=said.comment)
                yield heard


def _commits(parts: Parts, source: Source, now: float) -> dict[str, float]:
    """The newest commits that people may talk about, and when their first release here began."""
    rows = parts.store.releases(limit=LOOKED_AT)
    found: dict[str, float] = {}
    for release in map(release_of, rows):
        commit = release.cause.commit
        if commit and release.cause.source == source.name and _talked_about(release, now):
            if commit not in found and len(found) >= MOST_COMMITS:
                continue
            found[commit] = min(release.began, found.get(commit, release.began))
    return found


def _talked_about(release: Release, now: float) -> bool:
    return not release.final or (release.ended is not None and now - release.ended < RECENT_SECONDS)


def _wanted(host: GitHost, said: CommentHint, began: float, now: float) -> bool:
    if said.written is None or not began <= said.written <= now - YOUNG_SECONDS:
        return False
    # Where an edit within the same second cannot be seen, nobody shall approve in another's name.
    return host.fine_times or not any(map(_approves, commands.command_lines(said.text)))


def _known(parts: Parts, source: Source, said: CommentHint) -> bool:
    return bool(parts.store.record_of(commenting.subject(source.name, said.comment), limit=1))


def _approves(line: str) -> bool:
    return "approve" in line.casefold()
