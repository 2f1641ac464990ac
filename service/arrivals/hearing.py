"""Commands in a chat: whose they are, that each counts once, and what is answered there.

Who may command is the operator's list (`segue connect … --person ID=NAME`): the chat's own ids, and who they
are here. So nobody speaks in another's name whatever they call themselves there, and an author is known for
one. The text is the one that the chat told first; edited, it counts for nothing.
"""

from dataclasses import replace

import structlog

from handlers.commands import Wrong
from handlers.hints import SaidHint
from policies.events import Command
from policies.release import Cause, Release
from service.arrivals import commenting, say
from service.arrivals.commenting import Heard
from service.engine import telling
from service.engine.seen import SEEN
from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.settings import Settings
from service.sources import CHAT_KINDS
from service.store.reading import Reading

log = structlog.get_logger()
LISTENED = "segue-listened"  # marks a delivery that came over a connection of ours; no HTTP header is kept so
ASKED_FOR = frozenset({"approve", "reject"})  # what counts only in the room that the rules name


def hear(
    settings: Settings, source: Source, said: SaidHint, headers: dict[str, str], at: float
) -> Heard | None:
    """What was said; None where it is none of this workspace. Raises `Refused` where nobody verified it."""
    if LISTENED not in headers and not settings.live(f"hook-{source.name}"):
        raise Refused(f"deliveries of {source.name} are not signed, so what they say may be anybody's")
    if said.team and said.team != source.url.rstrip("/").rpartition("/")[2]:
        log.warning("said in another workspace", source=source.name, team=said.team)
        return None
    person = dict(source.people).get(said.user)
    actor = f"{source.name}:{person or said.user}"
    lines = commenting.lines(source.name, said.message, said.text, actor, at, written=said.written)
    if person is None:
        lines = tuple((key, line, _stranger(source, said, line)) for key, line, _ in lines)
        log.warning("somebody unknown commands", source=source.name, user=said.user)
    elif said.seen:
        lines = tuple((key, line, _bound(meaning, said.seen)) for key, line, meaning in lines)
    where = f"{said.room}/{said.thread}" if said.thread else said.room
    return Heard(source.name, said.message, actor, where, lines, plain=True)


def wrong_room(read: Reading, release: Release, command: Command) -> str | None:
    """Why an approval from a chat does not count for this release; None for any other command or channel.

    It counts only in the room that the rules name, and only once the release was told there.
    """
    source = _chat(read, command)
    if source is None or command.verb not in ASKED_FOR:
        return None
    where = telling.place(release)
    if where is not None and where[0] == source.name:
        told = read.cursor(source.name, telling.reference(where[1], release.name)) or ""
        if told and told.partition("/")[0] == (command.where or "").partition("/")[0]:
            return None
    asked = f"in {':'.join(where)}, " if where is not None else ""
    return f"{release.name} is approved {asked}on the page or by: segue {command.verb} {release.name}"


def known_by_name(read: Reading, command: Command, cause: Cause) -> bool:
    """Whether the author's name alone says who may not approve: a bare repository tells no login, and who
    speaks in a chat has the name that the operator gave them, as a token's owner has."""
    bare = any(one.name == cause.source and one.kind == "bare" for one in read.sources())
    return bare and _chat(read, command) is not None


def _chat(read: Reading, command: Command) -> Source | None:
    """The chat that the command was said in."""
    source = say.spoken_at(read, command)
    return source if source is not None and source.kind in CHAT_KINDS else None


def _bound(meaning: Command | Wrong, seen: str) -> Command | Wrong:
    if isinstance(meaning, Wrong):
        return meaning
    return replace(meaning, arguments=((SEEN, seen),))


def _stranger(source: Source, said: SaidHint, line: str) -> Wrong:
    known = ", ".join(sorted({name for _, name in source.people})) or "nobody yet"
    return Wrong(
        line,
        f"{said.user} may not command here; {known} may. An operator adds people:"
        f" {_connected(source)} --person {said.user}=NAME",
    )


def _connected(source: Source) -> str:
    """The command that changes the connection."""
    url = "" if source.kind == "slack" else f" {source.url}"
    name = "" if source.name == source.kind else f" --name {source.name}"
    return f"segue connect {source.kind}{url}{name}"
