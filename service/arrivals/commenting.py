"""Commands in comments at a Git host: whose they are, that each counts once, and what is answered below.

The host says what the author may do in the repository; who may not write there is not answered, or anybody
could make Segue talk in a public one. The text is the one that the host sent and signed: it is never read
again, and an edited comment is no command.
"""

import re
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import structlog

from handlers import commands
from handlers.commands import Wrong
from handlers.hints import CommentHint, RefHint
from policies.effects import WriteComment
from policies.events import ZERO_COMMIT, Command
from policies.release import Cause
from service.bootstrap import Parts
from service.engine.deciding import Deciding
from service.ports.connections import Source, keyring
from service.ports.git import Permission
from service.ports.outcomes import Refused
from service.store.change import Change
from service.store.queue import Work
from service.store.reading import Reading
from service.store.states import COMMAND

log = structlog.get_logger()
MAY_COMMAND = {Permission.ADMIN, Permission.WRITE}
MOST_COMMANDS = 10  # of one comment
MOST_LINE = 300
NOTICEABLE_SECONDS = 60.0  # less may be the clocks
LATE_SECONDS = 900.0  # between a comment and its delivery
PUSHED = "pushed"
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_TICKS = re.compile(r"`+")


@dataclass(frozen=True, slots=True)
class Heard:
    """A comment whose author may command: its lines, each with a key of its own."""

    source: str
    comment: str
    actor: str
    where: str
    lines: tuple[tuple[str, str, Command | Wrong], ...]  # key, line, meaning
    plain: bool = False  # whether answers there are shown as they are: no markup must be kept from them


def hear(parts: Parts, source: Source, said: CommentHint, at: float) -> Heard | None:
    """What the comment asks for; None where its author may not ask. Raises `Retry` where the host cannot be
    asked, and `Refused` where nobody verified the comment."""
    if not parts.settings.live(f"hook-{source.keyring}") and parts.settings.allow_unsigned:
        raise Refused(f"deliveries of {source.name} are not signed, so a comment may be anybody's")
    if not same_repository(source.url, said.repository):
        log.warning("comment in another repository", source=source.name, repository=said.repository)
        return None
    return found(parts, source, said, at)


def found(parts: Parts, source: Source, said: CommentHint, at: float) -> Heard | None:
    """The same of a comment that the host itself told of, asked by this source's own login."""
    permission = parts.git(source.name).may(said.login)
    if permission not in MAY_COMMAND:
        log.warning("comment of somebody who may not command", source=source.name, permission=permission)
        return None
    actor = f"{source.keyring}:{said.login}"
    told = lines(source.name, said.comment, said.text, actor, at, written=said.written)
    return Heard(source.name, said.comment, actor, said.where, told)


def lines(
    source: str, comment: str, text: str, actor: str, at: float, *, written: float | None
) -> tuple[tuple[str, str, Command | Wrong], ...]:
    """A comment's commands, each with its key, its line and its meaning.

    It may come late, where its host was asked to send it again: then it counts as of when it was written,
    and not at all where what it is about may have passed since."""
    late = 0.0 if written is None else max(0.0, at - written)
    said = commands.command_lines(text)[:MOST_COMMANDS]
    meant = commands.parse(text, actor, source, at - late if late > NOTICEABLE_SECONDS else at)
    if late > LATE_SECONDS:
        meant = tuple(_too_late(line, one, late) for line, one in zip(said, meant, strict=False))
    keys = (f"{source}:{comment}:{number}" for number in range(len(said)))
    return tuple(zip(keys, said, meant, strict=False))


def _too_late(line: str, meaning: Command | Wrong, late: float) -> Command | Wrong:
    """An approval names by its digest what it is for, so it holds however late it comes."""
    if isinstance(meaning, Wrong) or meaning.digest is not None or meaning.verb == "help":
        return meaning
    return Wrong(
        line,
        f"this was written {round(late / 60)} minutes before it came here, so it is not done; if it still"
        " holds, write it again",
    )


def subject(source: str, comment: str) -> str:
    """Under which the record knows a comment, whoever told of it."""
    return f"comment-{source}:{comment}"


def store(deciding: Deciding, heard: Heard) -> None:
    """Make each line work for the engine, or answer it where it is no command. The record stays for ever, so
    a comment that was read before, however long ago, starts nothing."""
    known = subject(heard.source, heard.comment)
    if deciding.change.record_of(known, limit=1):
        return
    told = {"where": heard.where, "lines": [line[:MOST_LINE] for _, line, _ in heard.lines]}
    deciding.change.record(known, heard.actor, "commanded", told)
    for key, line, meaning in heard.lines:
        match meaning:
            case Wrong():
                _answer(deciding, heard, key, line, meaning.message)
            case Command(verb="help"):
                _answer(deciding, heard, key, line, commands.help_text())
            case Command():
                body = COMMAND.dump(replace(meaning, where=heard.where))
                deciding.change.add_work(Work("command", "command", f"command:{key}", key, body))


def _answer(deciding: Deciding, heard: Heard, key: str, line: str, text: str) -> None:
    deciding.change.save_answer(key, {"ok": False, "text": text, "release": None})
    told = plain_text(line, text) if heard.plain else answer_text(line, text)
    deciding.perform(key, WriteComment(heard.source, heard.where, key, told))


def plain_text(line: str, text: str) -> str:
    """The command and its answer, as it is."""
    return f"{line[:MOST_LINE]}\n{text}"


def answer_text(line: str, text: str) -> str:
    """The same in a fence: nothing in it is markup, names anybody, or is a command."""
    told = plain_text(line, text)
    longest = max((len(ticks) for ticks in _TICKS.findall(told)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{told}\n{fence}"


# --- who pushed ------------------------------------------------------------------------------


def remember_pusher(change: Change, source: Source, hint: RefHint) -> None:
    """Write down who pushed the commit, as the host signed it: an author's name is whatever Git was told."""
    if source.kind != "bare" and hint.pusher and hint.after != ZERO_COMMIT and _COMMIT.fullmatch(hint.after):
        told = {"source": source.name, "ref": hint.ref}
        change.record(_subject(hint.after), f"{source.keyring}:{hint.pusher}", PUSHED, told)


def pushed(read: Reading, cause: Cause) -> frozenset[str]:
    """Everybody of whom a host said that they pushed what is released; nobody where it is no code of ours."""
    if cause.source is None or cause.commit is None or cause.author is None:
        return frozenset()
    return _pushers(read, cause.source, cause.commit)


def _pushers(read: Reading, source: str, commit: str) -> frozenset[str]:
    """As `source:login`."""
    entries = read.record_of(_subject(commit))
    return frozenset(
        e.actor for e in entries if e.action == PUSHED and e.actor.startswith(f"{keyring(source)}:")
    )


def _subject(commit: str) -> str:
    return f"commit-{commit}"


def same_repository(url: str, full_name: str) -> bool:
    """Whether the address is that repository's: its end, because a host stands under several addresses."""
    path = urlsplit(url).path.strip("/").removesuffix(".git").casefold()
    return bool(full_name) and f"/{path}".endswith(f"/{full_name.casefold()}")
