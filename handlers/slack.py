"""Slack: slash commands, buttons and the Events API, all at one address; the same by Socket Mode.

Signed over the raw body and its time: `X-Slack-Signature: v0=<hex HMAC-SHA256 of "v0:<time>:<body>">`; what
is older than five minutes is refused. Slack waits three seconds for an answer, and sends an event up to
three times more, with the same `event_id`. Names are never read: a person, a room and a workspace are their
ids. A message that was edited, and one of a program, is none. Source: Slack, "Verifying requests from
Slack", "Enabling interactivity with slash commands", "block_actions payload", "The Events API".
"""

import hashlib
import json
import re
from typing import Any

from handlers import commands, forms, pressing, redacting, signing, strict_json
from handlers.errors import Malformed, Unverified
from handlers.hints import SaidHint
from handlers.signing import Headers, header

WINDOW_SECONDS = 300.0
VERSION = "v0"
MOST_FIELDS = 40
MOST_TEXT = 40_000  # of a message, which is what Slack takes
MOST_ID = 60
TAKEN = "Taken. The answer comes here. If it does not, Segue is not in this channel: /invite it."
_MENTION = re.compile(rf"(?m)^[ \t]*<@([A-Z0-9]{{1,60}})>[ \t]+(?:{commands.PREFIX}[ \t]+)?(?=\S)")
_NAMED = re.compile(r"<@([A-Z0-9]{1,60})")
# Code may begin within a line here, and `>>>` quotes everything behind it.
_NOT_SAID = re.compile(r"```.*?(?:```|\Z)|^&gt;&gt;&gt;.*\Z", re.DOTALL | re.MULTILINE)
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
_ENTITY = re.compile("|".join(_ENTITIES))
Told = dict[str, Any]


def verify(headers: Headers, body: bytes, secrets: tuple[bytes, ...], now: float) -> None:
    """Raises `Unverified` unless Slack signed it with one of the secrets within the last five minutes."""
    stamp = signing.timestamp(header(headers, "X-Slack-Request-Timestamp"), now, WINDOW_SECONDS)
    claimed = header(headers, "X-Slack-Signature")
    if not claimed.startswith(f"{VERSION}="):
        raise Unverified
    message = f"{VERSION}:{stamp}:".encode() + body
    signing.hex_hmac(secrets, message, claimed.removeprefix(f"{VERSION}="))


def delivery_id(headers: Headers, body: bytes) -> str:
    """An event's own id, the same on each retry; else a digest of what was sent, which is never the same for
    two commands or two presses."""
    try:
        told = _told(headers, body)
    except Malformed:
        told = {}
    name = told.get("event_id")
    if isinstance(name, str) and signing.is_plain(name):
        return name
    return hashlib.sha256(body).hexdigest()


def reply(headers: Headers, body: bytes) -> tuple[int, str] | None:
    """The challenge that the Events API sends when its address is set."""
    if forms.is_form(headers):
        return None
    told = strict_json.load(body)
    if told.get("type") != "url_verification":
        return None
    return 200, strict_json.text(told, "challenge", 500)


def acknowledge(headers: Headers, body: bytes) -> tuple[int, str, str]:
    """What Slack is answered once a delivery is stored: it wants 200, and shows a slash command's author the
    text."""
    told = _told(headers, body)
    if "command" not in told:
        return 200, "text/plain", ""
    shown = {"response_type": "ephemeral", "text": TAKEN}
    return 200, "application/json", json.dumps(shown)


def kept(headers: Headers, body: bytes) -> bytes:
    """The body without what anybody could speak with who reads it."""
    if not forms.is_form(headers):
        return redacting.written(strict_json.load(body))
    told = redacting.bare(forms.fields(body, MOST_FIELDS))
    if "payload" in told:
        told["payload"] = redacting.written(strict_json.load(told["payload"].encode())).decode()
    return forms.written(told)


def parse(headers: Headers, body: bytes) -> tuple[SaidHint, ...]:
    """The command, the press, or the message with commands in it; () for anything else."""
    told = _told(headers, body)
    if "command" in told:
        return _command(told, hashlib.sha256(body).hexdigest())
    if told.get("type") == "block_actions":
        return _pressed(told)
    return _event(told) if told.get("type") == "event_callback" else ()


def nothing(headers: Headers, body: bytes) -> str:
    """Why a delivery that says nothing to us does so."""
    del headers, body
    return "it holds no command of a person"


def _told(headers: Headers, body: bytes) -> Told:
    """What was sent, whichever of the three forms it has; a slash command is its fields."""
    if not forms.is_form(headers):
        return strict_json.load(body)
    told = forms.fields(body, MOST_FIELDS)
    if "payload" in told:
        return strict_json.load(told["payload"].encode())
    if "command" not in told:
        raise Malformed("the form has neither a `payload` nor a `command`")
    return dict(told)


def _command(told: Told, name: str) -> tuple[SaidHint, ...]:
    """Its text is what stands behind `/segue`: of one line, whatever its author typed."""
    typed = " ".join(_plain(strict_json.text(told, "text", MOST_TEXT)).split())
    return (
        SaidHint(
            user=_id(told, "user_id"),
            text=f"{commands.PREFIX} {typed}".strip(),
            team=_id(told, "team_id"),
            room=_id(told, "channel_id"),
            thread="",
            message=f"command-{name}",
        ),
    )


def _pressed(told: Told) -> tuple[SaidHint, ...]:
    """The first button of a press; Slack sends one."""
    pressed = told.get("actions")
    if not isinstance(pressed, list) or not pressed or not isinstance(pressed[0], dict):
        raise Malformed("`actions` is missing or holds no action")
    if pressed[0].get("type") != "button" or "value" not in pressed[0]:
        return ()
    line, seen = pressing.read(strict_json.text(pressed[0], "value", pressing.MOST))
    user, message = _id(_part(told, "user"), "id"), _id(_part(told, "message"), "ts")
    when = _id(pressed[0], "action_ts")
    return (
        SaidHint(
            user=user,
            text=line,
            team=_id(_part(told, "team"), "id"),
            room=_id(_part(told, "channel"), "id"),
            thread=message,
            message=f"press-{message}-{user}-{when}",
            seen=seen,
        ),
    )


def _event(told: Told) -> tuple[SaidHint, ...]:
    """A new message that a person wrote, with commands in it; `@Segue approve rel-1` is one, too, because
    Slack's own field takes no message that begins with `/`."""
    event = _part(told, "event")
    odd = any(event.get(key) for key in ("subtype", "bot_id", "edited", "hidden"))
    if event.get("type") not in ("message", "app_mention") or odd:
        return ()
    text = _NOT_SAID.sub("`", strict_json.text(event, "text", MOST_TEXT))
    if event["type"] == "app_mention":
        text = _addressed(text, _ours(told))
    text = _plain(text)
    if not commands.command_lines(text):
        return ()
    stamp, room = _id(event, "ts"), _id(event, "channel")
    thread = _id(event, "thread_ts") if "thread_ts" in event else stamp
    return (
        SaidHint(
            user=_id(event, "user"),
            text=text,
            team=_id(told, "team_id"),
            room=room,
            thread=thread,
            message=f"message-{room}-{stamp}",
            written=_time(stamp),
        ),
    )


def _addressed(text: str, ours: frozenset[str]) -> str:
    """The text whose lines to us are commands. A line to somebody else, who is told it while we are named
    elsewhere in it, is none; where nobody says who we are, that is so unless only one is named."""
    ours = ours or frozenset(_NAMED.findall(text))
    known = ours if len(ours) == 1 else frozenset()
    return _MENTION.sub(lambda found: f"{commands.PREFIX} " if found[1] in known else found[0], text)


def _ours(told: Told) -> frozenset[str]:
    """The app's own account in that workspace, as Slack says it with each event."""
    told_for = told.get("authorizations")
    found = told_for if isinstance(told_for, list) else []
    names = [one.get("user_id") for one in found if isinstance(one, dict) and one.get("is_bot") is True]
    return frozenset(name for name in names if isinstance(name, str))


def _plain(text: str) -> str:
    """The text as its author wrote it: Slack escapes three characters, and `&gt;` begins a quote."""
    return _ENTITY.sub(lambda found: _ENTITIES[found[0]], text)


def _part(told: Told, key: str) -> Told:
    value = told.get(key)
    if not isinstance(value, dict):
        raise Malformed(f"`{key}` is missing or is not an object")
    return value


def _id(told: Told, key: str) -> str:
    """An id or a time stamp of Slack's, which all are short and plain. Raises `Malformed`."""
    found = strict_json.text(told, key, MOST_ID)
    if not re.fullmatch(r"[A-Za-z0-9._-]+", found):
        raise Malformed(f"`{key}` is no id")
    return found


def _time(stamp: str) -> float | None:
    """A message's time, which is its name, too: seconds and a count."""
    found = re.fullmatch(r"([0-9]{1,12})\.[0-9]{1,12}", stamp)
    return float(found[1]) if found else None
