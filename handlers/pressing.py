"""What a button of ours carries: the command that it means, and what its message showed when it was made.

So a button that was pressed too late is known for it. Where a chat signs nothing that it sends, the button
itself is signed and ends some day: whoever sends it back must have got it from us.
"""

import hashlib
import hmac
import json

from handlers import strict_json
from handlers.errors import Malformed, Unverified

LIVES_SECONDS = 30 * 86_400.0
MOST = 2000  # characters that Slack takes as a button's value
_PURPOSE = b"segue button"


def value(line: str, seen: str) -> str:
    """What a button carries where the chat signs what it sends."""
    return json.dumps({"line": line, "seen": seen}, sort_keys=True)


def read(text: str) -> tuple[str, str]:
    """The command's line, and what was seen. Raises `Malformed` for what is no button of ours."""
    told = strict_json.load(text.encode())
    line = strict_json.text(told, "line", MOST)
    if "\n" in line or "\r" in line:
        raise Malformed("a button means one command")
    return line, strict_json.text(told, "seen", MOST)


def signed(secret: bytes, place: str, line: str, seen: str, now: float) -> dict[str, str]:
    """The same where the chat signs nothing. `place`: what the button is for, such as a chat's room."""
    text, until = value(line, seen), f"{now + LIVES_SECONDS:.0f}"
    return {"value": text, "until": until, "place": place, "mark": _mark(secret, text, until, place)}


def verify(secrets: tuple[bytes, ...], told: dict[str, object], now: float) -> None:
    """Raises `Unverified` unless one of the secrets made it and it has not ended."""
    parts = [told.get(name) for name in ("value", "until", "place", "mark")]
    if not all(isinstance(part, str) for part in parts):
        raise Unverified
    text, until, place, mark = map(str, parts)
    good = False
    for secret in secrets:
        made = _mark(secret, text, until, place)
        good |= bool(secret) and hmac.compare_digest(made.encode(), mark.encode("utf-8", "replace"))
    if not good:
        raise Unverified
    if not until.isdigit() or int(until) < now:
        raise Unverified("the button has ended")


def _mark(secret: bytes, *parts: str) -> str:
    """Made with a key of its own: what verifies deliveries signs no buttons."""
    key = hmac.new(secret, _PURPOSE, hashlib.sha256).digest()
    return hmac.new(key, json.dumps(parts).encode(), hashlib.sha256).hexdigest()
