"""Mattermost: slash commands and the buttons of interactive messages.

Nothing is signed. A slash command carries its own token, as `Authorization: Token <token>` and as the form's
field `token`; it is never stored. A press carries the `context` that we gave the button, which the server
shows to nobody: it is signed by us and ends some day. A person and a channel are their ids. Source:
Mattermost, "Custom slash commands" and "Interactive messages".
"""

import hashlib
import json
import re
from typing import Any

from handlers import commands, forms, pressing, redacting, signing, strict_json
from handlers.errors import Malformed, Unverified
from handlers.hints import SaidHint
from handlers.signing import Headers

MOST_FIELDS = 40
MOST_TEXT = 16_383  # of a message, which is what Mattermost takes
_ID = re.compile(r"[a-z0-9]{26}")  # of everything that the server has
Told = dict[str, Any]


def verify(headers: Headers, body: bytes, secrets: tuple[bytes, ...], now: float) -> None:
    """Raises `Unverified` unless the command has one of the tokens, or the button was made with one."""
    try:
        told = _told(headers, body)
    except Malformed:
        raise Unverified from None
    if forms.is_form(headers):
        signing.shared(secrets, str(told.get("token", "")))
        return
    context = told.get("context")
    if not isinstance(context, dict):
        raise Unverified
    pressing.verify(secrets, context, now)
    if context.get("place") != told.get("channel_id"):
        raise Unverified("the button is of another channel")


def delivery_id(headers: Headers, body: bytes) -> str:
    """A digest of what was sent: each command and each press has a `trigger_id` of its own."""
    del headers
    return hashlib.sha256(body).hexdigest()


def acknowledge(headers: Headers, body: bytes) -> tuple[int, str, str]:
    """What Mattermost is answered once a delivery is stored: it shows its author the text."""
    del body
    text = "Taken. The answer comes here. If it does not, Segue's bot is not in this channel: add it."
    shown = (
        {"response_type": "ephemeral", "text": text} if forms.is_form(headers) else {"ephemeral_text": text}
    )
    return 200, "application/json", json.dumps(shown)


def kept(headers: Headers, body: bytes) -> bytes:
    """The body without what anybody could speak with who reads it, the button's own mark among it."""
    told = _told(headers, body)
    context = told.get("context")
    if isinstance(context, dict):
        told["context"] = {key: value for key, value in context.items() if key != "mark"}
    return forms.written(redacting.bare(told)) if forms.is_form(headers) else redacting.written(told)


def parse(headers: Headers, body: bytes) -> tuple[SaidHint, ...]:
    """The command, or the press."""
    told = _told(headers, body)
    name = hashlib.sha256(body).hexdigest()
    return (_command(told, name) if forms.is_form(headers) else _pressed(told),)


def _told(headers: Headers, body: bytes) -> Told:
    return dict(forms.fields(body, MOST_FIELDS)) if forms.is_form(headers) else strict_json.load(body)


def _command(told: Told, name: str) -> SaidHint:
    """Its text is what stands behind `/segue`: of one line, whatever its author typed."""
    typed = " ".join(strict_json.text(told, "text", MOST_TEXT).split())
    root = told.get("root_id")
    return SaidHint(
        user=_id(told, "user_id"),
        text=f"{commands.PREFIX} {typed}".strip(),
        team="",
        room=_id(told, "channel_id"),
        thread=_id(told, "root_id") if root else "",
        message=f"command-{name}",
    )


def _pressed(told: Told) -> SaidHint:
    """One press of a person counts once for each time that the message was written anew."""
    context = told.get("context")
    if not isinstance(context, dict):
        raise Malformed("`context` is missing or is not an object")
    line, seen = pressing.read(strict_json.text(context, "value", pressing.MOST))
    user, post = _id(told, "user_id"), _id(told, "post_id")
    made = hashlib.sha256(f"{line}\n{seen}\n{context.get('until')}".encode()).hexdigest()[:16]
    return SaidHint(
        user=user,
        text=line,
        team="",
        room=_id(told, "channel_id"),
        thread=post,
        message=f"press-{post}-{user}-{made}",
        seen=seen,
    )


def _id(told: Told, key: str) -> str:
    found = strict_json.text(told, key, 26)
    if not _ID.fullmatch(found):
        raise Malformed(f"`{key}` is no id")
    return found
