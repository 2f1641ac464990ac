"""Matrix: messages of a room, as our own long poll of `/sync` found them. Nothing comes in over HTTP.

One delivery is one event of the client-server API (version 1.11), reduced to what is read here. A message
that replaces another, one of a program (`m.notice`) and one in an encrypted room is no command.
"""

import re
from typing import Any

from handlers import commands, strict_json
from handlers.errors import Malformed, Unverified
from handlers.hints import SaidHint
from handlers.signing import Headers, is_plain

MOST_TEXT = 65_536  # bytes of a whole event
_ID = re.compile(r"[@!$][\x21-\x7e]{1,254}")
_READ = ("type", "event_id", "sender", "room_id", "origin_server_ts")
Told = dict[str, Any]


def verify(headers: Headers, body: bytes, secrets: tuple[bytes, ...], now: float) -> None:
    """Raises `Unverified`, always: what comes in by itself is nobody's."""
    del headers, body, secrets, now
    raise Unverified


def delivery_id(headers: Headers, body: bytes) -> str:
    """Raises `Unverified`, always: where no signature is asked for nothing is taken either."""
    del headers, body
    raise Unverified


def name_of(event: Told) -> str:
    """The id under which an event of the long poll is stored: its own. Raises `Malformed`."""
    found = _id(event, "event_id")
    if not is_plain(found):
        raise Malformed("`event_id` is longer than any server makes it")
    return found


def reduced(event: Told, room: str) -> Told:
    """What is stored of an event: the same whenever it is told, so that told twice it is one."""
    content = event.get("content")
    told = content if isinstance(content, dict) else {}
    few = {key: event[key] for key in _READ if key in event} | {"room_id": room}
    return few | {"content": {key: told[key] for key in ("msgtype", "body", "m.relates_to") if key in told}}


def parse(headers: Headers, body: bytes) -> tuple[SaidHint, ...]:
    """The message with commands in it that a person wrote; () for anything else."""
    del headers
    event = strict_json.load(body)
    content = event.get("content")
    if event.get("type") != "m.room.message" or not isinstance(content, dict):
        return ()
    relates = content.get("m.relates_to")
    related = relates if isinstance(relates, dict) else {}
    if content.get("msgtype") != "m.text" or related.get("rel_type") == "m.replace":
        return ()
    text = strict_json.text(content, "body", MOST_TEXT)
    if not commands.command_lines(text):
        return ()
    said, room = _id(event, "event_id"), _id(event, "room_id")
    if "/" in room:
        raise Malformed("`room_id` is none of any server")  # a place is written `<room>/<message>`
    root = related.get("event_id") if related.get("rel_type") == "m.thread" else None
    return (
        SaidHint(
            user=_id(event, "sender"),
            text=text,
            team="",
            room=room,
            thread=_id(related, "event_id") if root is not None else said,
            message=said,
            written=_time(event),
        ),
    )


def nothing(headers: Headers, body: bytes) -> str:
    """Why an event that says nothing to us does so."""
    del headers, body
    return "it holds no command of a person"


def _id(told: Told, key: str) -> str:
    found = strict_json.text(told, key, 255)
    if not _ID.fullmatch(found):
        raise Malformed(f"`{key}` is no id")
    return found


def _time(event: Told) -> float | None:
    stamp = event.get("origin_server_ts")
    if isinstance(stamp, bool) or not isinstance(stamp, int) or not 0 < stamp < 1 << 53:
        return None
    return stamp / 1000
