"""Connections to chats: who may command there, how what is said comes here, what is left to do by hand."""

from dataclasses import replace
from typing import Any

from service import sources
from service.arrivals import connecting
from service.arrivals.connecting import OPERATOR
from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.settings import Settings
from service.store.change import Change
from service.store.store import Store

HELP = "see docs/how-to/chat.md"


def connect(settings: Settings, store: Store, source: Source, hooks: str, by: str = OPERATOR) -> list[str]:
    """Make or change a connection. `hooks` is the intake's address, `by` stands in the record. Says what was
    done, a line each.

    People are added to those of before (one whose name is "" is taken off), and where `owns` names nothing
    it stays as it is.

    Raises `Refused` or `Retry` where the chat does not let us in; nothing is stored then.
    """
    connecting.check_name(source.name)
    chat: Any = sources.opened(settings, source)
    source = _with_those_of_before(store, replace(source, url=chat.check()))
    connecting.refuse_twice(store, source)
    way = _way(settings, source, chat, hooks)

    def save(change: Change) -> list[Source]:
        change.save_source(source)
        people = dict(source.people)
        change.record(f"source-{source.name}", by, "connected", {"url": source.url, "people": people})
        return change.sources()

    sources.save(settings.home, tuple(store.decide(save)))
    return [
        f"chat {source.name} ({source.kind}) at {source.url}",
        f"it has a say about: {', '.join(source.owns)}",
        _people(source),
        way,
        f'where people are asked: approvals: {{in: "{source.name}:#ROOM"}} in a segue.yaml',
    ]


def _with_those_of_before(store: Store, source: Source) -> Source:
    at = (source.name, source.kind, source.url)
    before = next((one for one in store.sources() if (one.name, one.kind, one.url) == at), None)
    known = () if before is None else before.people
    people = tuple((who, name) for who, name in (dict(known) | dict(source.people)).items() if name)
    owns = source.owns or (connecting.ALL if before is None else before.owns)
    return replace(source, people=people, owns=owns)


def person(text: str) -> tuple[str, str]:
    """`ID=NAME`: the chat's id of a person, and the name that Git and tokens call them; "" for nobody any
    more. Raises `Refused`."""
    who, equals, name = text.rpartition("=")
    if not equals or not who.strip() or not (who + name).isprintable():
        raise Refused(f"{text!r} says not who it is; write the chat's id and the name here: U024BE7LH=ann")
    return who.strip(), name.strip()


def _people(source: Source) -> str:
    if not source.people:
        return "nobody may command there; add people: --person ID=NAME"
    named = ", ".join(f"{name} ({who})" for who, name in source.people)
    return f"who may command there: {named}"


def _way(settings: Settings, source: Source, chat: Any, hooks: str) -> str:
    """How what is said comes here. Raises `Refused` where nothing could come."""
    if getattr(chat, "listens", lambda: False)():
        return "it is listened to by a connection that Segue opens"
    address = connecting.address(source, hooks)
    if not settings.live(f"hook-{source.name}"):
        what = "the app's signing secret" if source.kind == "slack" else "the slash command's token"
        raise Refused(
            f"nothing of {source.kind} could be verified; let it send to {address}, and write {what} into the"
            f" secret file hook-{source.name}; {HELP}"
        )
    return f"let it send commands and presses to {address}; {HELP}"
