"""Matrix, through the client-server API (version 1.11) by an account's access token (`login-<source>`).

Everything is outbound: `/sync` is asked, and waits up to half a minute for something new. A message is sent
under a transaction id made from its key, so that sent twice it is one; later texts replace it. Messages are
`m.notice`, which programs write and none reads as a command. There are no buttons: the commands are shown.
Source: matrix.org, "Client-Server API": "Syncing", "Sending events to a room", "Event replacements".
"""

import hashlib
import json
import secrets
import threading
from collections.abc import Iterator
from typing import Any, Self
from urllib.parse import quote

from handlers import matrix, redacting
from handlers.errors import Malformed
from service.adapters.chat.answers import Missing, Server
from service.adapters.chat.words import cut, plain
from service.ports.chat import Message, Take, Told
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.settings import Settings

_API = "/_matrix/client/v3"
_WAIT_SECONDS = 30
_MOST_TEXT = 16_000  # characters; an event takes 65,536 bytes
_MOST_EVENTS = 100  # of a room between two answers
_FILTER = {
    "presence": {"types": []},
    "account_data": {"types": []},
    "room": {
        "timeline": {"types": ["m.room.message"], "limit": _MOST_EVENTS},
        "state": {"types": []},
        "ephemeral": {"types": []},
        "account_data": {"types": []},
    },
}


class MatrixChat:
    """One account at its home server."""

    def __init__(self, settings: Settings, source: Source) -> None:
        self._address = source.url.rstrip("/")
        self._source = source
        self._server = Server(settings, source, self._address + _API)

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The account of that source at the home server of its address."""
        return cls(settings, source)

    def check(self) -> str:
        self._server.call("GET", "/account/whoami")
        return self._address

    def room(self, name: str) -> str:
        try:
            # Joining a room that we are in changes nothing, and says its id.
            return str(self._server.call("POST", f"/join/{_quoted(name)}", {})["room_id"])
        except (Missing, Refused):
            raise Refused(
                f"{name} is no room that the account of {self._source.name} may join; invite it there"
            ) from None

    def put(self, room: str, key: str, message: Message, posted: str = "", under: str = "") -> str:
        content = _content(message)
        if posted:
            self._replace(room, posted, content)
            return posted
        reply = {"m.relates_to": {"m.in_reply_to": {"event_id": under}}} if under else {}
        name = hashlib.sha256(f"{room}\n{key}".encode()).hexdigest()[:32]
        made = self._send(room, f"segue-{name}", content | reply)
        # It may be one that was sent before, and said something else then.
        there = self._server.call("GET", f"/rooms/{_quoted(room)}/event/{_quoted(made)}")
        if (there.get("content") or {}).get("body") != content["body"]:
            self._replace(room, made, content)
        return made

    def listens(self) -> bool:
        return True

    def listen(self, since: str | None, take: Take, stop: threading.Event) -> None:
        told = json.dumps(_FILTER)
        while not stop.is_set():
            asked = {"filter": told, "timeout": str(_WAIT_SECONDS * 1000 if since else 0)}
            asked |= {"since": since} if since else {}
            answer = self._server.call("GET", "/sync", query=asked, waits=_WAIT_SECONDS + 20.0)
            following = answer.get("next_batch")
            if not isinstance(following, str):
                raise Retry(f"{self._address} answered a sync in a form that nobody expects there", after=30)
            # What was said before we listened first is none of our business.
            events = list(_events(answer)) if since else []
            if events or since is None:
                take(_said(events), following)
            since = following

    def _replace(self, room: str, posted: str, content: dict[str, Any]) -> None:
        """Done twice it says the same, so each time has a name of its own."""
        new = {**content, "body": f"* {content['body']}", "m.new_content": content}
        relation = {"rel_type": "m.replace", "event_id": posted}
        self._send(room, secrets.token_hex(16), new | {"m.relates_to": relation})

    def _send(self, room: str, name: str, content: dict[str, Any]) -> str:
        path = f"/rooms/{_quoted(room)}/send/m.room.message/{name}"
        return str(self._server.call("PUT", path, content)["event_id"])


def _events(answer: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The new events of all rooms that we are in, with the room of each."""
    joined = (answer.get("rooms") or {}).get("join") or {}
    for room, told in joined.items():
        for event in (told.get("timeline") or {}).get("events") or ():
            yield room, event


def _said(events: list[tuple[str, dict[str, Any]]]) -> list[Told]:
    """Those with commands in them: what people else talk about in a room is none of our business. Whoever
    sent one that cannot be read keeps nobody else's away."""
    found: list[Told] = []
    for room, event in events:
        try:
            name, body = matrix.name_of(event), redacting.written(matrix.reduced(event, room))
            if matrix.parse({}, body):
                found.append(Told(name, body))
        except Malformed:
            continue
    return found


def _content(message: Message) -> dict[str, Any]:
    """Plain text alone, without the form that is HTML; `m.mentions` says that nobody is meant."""
    lines = [part for part in (message.title, message.text) if part]
    if message.buttons:
        lines += ["to do:", *(f"  {one.line}  ({one.words})" for one in message.buttons)]
    body = cut("\n".join(plain(line) for line in "\n".join(lines).split("\n")), _MOST_TEXT)
    return {"msgtype": "m.notice", "body": body, "m.mentions": {}}


def _quoted(text: str) -> str:
    return quote(text, safe="")
