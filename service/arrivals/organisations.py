"""Organisations at Git hosts: one connection and one hook for many repositories.

Each repository whose default branch holds a `segue.yaml` becomes a source of its own, which has the
organisation's secrets and targets; from then on it is one like any other. The others are remembered by when
they were pushed to last, so that nothing is asked of them until they are again. What is there when the
organisation is connected starts nothing; a declaration that is pushed later does.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog

from handlers.hints import Hint, RefHint
from policies.events import ZERO_COMMIT
from service.arrivals import commenting, watching
from service.bootstrap import Parts
from service.engine import declaring
from service.engine.deciding import Deciding, decide
from service.ports.connections import Source
from service.ports.organisations import Organisation, Repository
from service.ports.outcomes import Refused
from service.sources import ORGANISATION_KINDS, shown
from service.store.change import Change
from service.store.queue import Work

MOST_ASKED = 20  # repositories whose files are asked for in one look
WHOLE_SECONDS = 3600.0  # between two readings of the whole list
INEXACT_SECONDS = 60.0  # by which a host's list may be behind
_WHOLE = "*"  # the cursor that says when the whole list was read
_UNASKED = "?"  # begins the value of a repository that was there before, and whose files nobody asked for
_GONE = "-"  # begins the value of one that was a member, and left

log = structlog.get_logger()
Seen = dict[str, str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A repository whose files are to be asked for; `new`: it was pushed to since the last look."""

    path: str
    changed: float
    new: bool


def connect(change: Change, source: Source, repositories: Iterable[Repository]) -> None:
    """Remember what is there already, and have it looked through; the members own what the operator says."""
    known = {cursor.reference for cursor in change.cursors(source.name)}
    for one in repositories:
        if one.path not in known:
            change.observe(source.name, one.path, f"{_UNASKED}{one.changed}", change.now)
    for member in _members(change.sources(), source):
        change.save_source(replace(member, owns=source.owns))
    lane = f"look:{source.name}"
    change.add_work(Work(lane, "look", f"{lane}:connected-{change.now}", source.name))


def look(parts: Parts, source: Source) -> None:
    """Ask which repositories were pushed to, and which of them hold a declaration by now."""
    organisation = parts.organisation(source.name)
    seen = {one.reference: one.value or "" for one in parts.store.cursors(source.name)}
    turn = str(int(parts.store.now() / WHOLE_SECONDS))
    whole = seen.pop(_WHOLE, "") != turn
    if whole:
        _leave(parts, source, organisation)
    asked = candidates(organisation.repositories(), seen, whole=whole)
    known = parts.store.sources()
    strange = [one for one in asked if _connected(known, source, one.path) is None]
    joining = [one for one in strange if _declares(organisation, one.path)]

    with parts.store.change() as change:
        for one in asked:
            change.observe(source.name, one.path, str(one.changed), change.now)
        change.observe(source.name, _WHOLE, turn, change.now)
        for one in joining:
            _add_join(change, source, one)


def candidates(listed: Iterable[Repository], seen: Seen, *, whole: bool) -> tuple[Candidate, ...]:
    """Whose files to ask for: what was pushed to since it was seen last, then what nobody asked for yet.

    `listed` is read until what is older than everything seen, but where the `whole` list is wanted.
    """
    newest = max((_time(value) for value in seen.values()), default=0.0)
    found: dict[str, Candidate] = {}
    for one in listed:
        if not whole and one.changed < newest - INEXACT_SECONDS:
            break
        before = seen.get(one.path)
        if before == str(one.changed):
            continue
        new = one.changed > (newest if before is None else _time(before))
        found[one.path] = Candidate(one.path, one.changed, new)
    left = [path for path, value in seen.items() if value.startswith(_UNASKED) and path not in found]
    backlog = (Candidate(path, _time(seen[path]), new=False) for path in left)
    first = sorted(found.values(), key=lambda one: not one.new)
    return (*first, *backlog)[:MOST_ASKED]


def _time(value: str) -> float:
    return float(value.lstrip(_UNASKED + _GONE) or 0.0)


def _declares(organisation: Organisation, path: str) -> bool:
    """A repository that the login may not read is left out, and the log says so."""
    try:
        return organisation.declares(path)
    except Refused as reason:
        log.warning("repository left out", repository=path, reason=str(reason))
        return False


def _add_join(change: Change, source: Source, one: Candidate) -> None:
    key = f"join:{source.name}:{one.path}:{change.now}"
    body = {"path": one.path, "new": one.new}
    change.add_work(Work(f"join:{source.name}", "join", key, source.name, body))


# --- members ---------------------------------------------------------------------------------


def join(parts: Parts, work: Work) -> None:
    """Make a source of a repository: quietly, but for a declaration that was pushed just now."""
    source = parts.source(work.subject)
    organisation = parts.organisation(source.name)
    repository = organisation.repository(work.body["path"])
    _leave(parts, source, organisation)  # one that has a new name is the same one, with the same models
    known = parts.store.sources()
    if repository is None or _connected(known, source, repository.path) is not None:
        decide(parts.store, lambda deciding: deciding.change.finish(work))
        return
    member = Source(
        _name(source, repository, known), ORGANISATION_KINDS[source.kind], repository.url, source.owns
    )
    host = parts.open_source(member)
    values, default = watching.values_of(member, host), host.default_branch()

    with parts.store.change() as change:
        change.save_source(member)
        change.observe(source.name, repository.path, str(repository.changed), change.now)
        told = default if work.body["new"] else ""
        watching.observe(change, member, values, quietly=True, but=told)
        if not told:
            lane = f"look:{member.name}"
            change.add_work(Work(lane, "declare", f"declare:{member.name}:{change.now}", member.name))
        change.record(f"source-{member.name}", source.name, "connected", {"url": shown(member)})
        change.finish(work)


def _name(source: Source, repository: Repository, known: Sequence[Source]) -> str:
    """`<organisation>.<repository>`, in letters that addresses and files take; different for each."""
    below = repository.url.removeprefix(f"{source.url.rstrip('/')}/")
    plain = re.sub(r"[^a-z0-9_-]", "-", below.lower())[:64]
    if f"{source.name}.{plain}" in {one.name for one in known}:
        plain += f"-{hashlib.sha256(repository.url.encode()).hexdigest()[:8]}"
    return f"{source.name}.{plain}"


def _connected(known: Iterable[Source], source: Source, path: str) -> Source | None:
    """The repository's own source: as a member, or because somebody connected it by itself."""
    below = f"{source.url.rstrip('/').casefold()}/"
    inside = (one for one in known if one.url.casefold().startswith(below))
    return next((one for one in inside if commenting.same_repository(one.url, path)), None)


def _members(known: Iterable[Source], source: Source) -> list[Source]:
    return [one for one in known if one.member and one.keyring == source.name]


def _leave(parts: Parts, source: Source, organisation: Organisation) -> None:
    """Forget members that are gone, archived or renamed, and what they declared. What serves goes on."""
    known = parts.store.sources()
    for cursor in parts.store.cursors(source.name):
        gone = _connected(known, source, cursor.reference)
        if gone is not None and gone.member and organisation.repository(cursor.reference) is None:
            left = f"{_GONE}{_time(cursor.value or '')}"
            decide(parts.store, partial(_forget, source, gone, cursor.reference, left))


def _forget(source: Source, gone: Source, path: str, left: str, deciding: Deciding) -> None:
    declaring.keep(deciding, gone.name, "", ())
    deciding.change.remove_source(gone.name)
    deciding.change.observe(source.name, path, left, deciding.now)
    deciding.change.record(f"source-{gone.name}", source.name, "left", {"url": shown(gone)})


# --- deliveries ------------------------------------------------------------------------------


def member(parts: Parts, source: Source, hint: Hint) -> Source | None:
    """The member that a delivery of the organisation's hook is about."""
    found = _connected(parts.store.sources(), source, getattr(hint, "repository", ""))
    return found if found is not None and found.member and found.keyring == source.name else None


def stranger(parts: Parts, work: Work, source: Source, hint: Hint) -> None:
    """A repository that is no member: it becomes one if it holds a declaration by now."""
    path = getattr(hint, "repository", "")
    shown = path if path and path.isprintable() else "the repository"
    apart = _connected(parts.store.sources(), source, path)
    pushed = isinstance(hint, RefHint) and hint.ref.startswith("refs/heads/") and hint.after != ZERO_COMMIT
    organisation = parts.organisation(source.name)
    found = organisation.repository(path) if pushed and apart is None else None
    joins = found is not None and _declares(organisation, path)
    if apart is not None:
        text = f"{shown} is connected by itself, as {apart.name}"
    elif joins:
        text = f"{shown} holds a segue.yaml: it is connected now"
    else:
        text = f"{shown} is not connected: its default branch holds no segue.yaml, as far as is known"

    def store(deciding: Deciding) -> None:
        if joins and found is not None:
            _add_join(deciding.change, source, Candidate(found.path, found.changed, new=True))
        if joins and isinstance(hint, RefHint):
            commenting.remember_pusher(deciding.change, source, hint)
        deciding.change.save_answer(f"work-{work.id}", {"ok": True, "text": text, "events": []})
        deciding.change.finish(work)

    decide(parts.store, store)
