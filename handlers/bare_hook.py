"""A bare repository's hook: ours, signed in the Standard Webhooks way.

Headers `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<base64 HMAC-SHA256>` over
`<id>.<timestamp>.<body>`; body `{"pusher": …, "changes": [{"ref", "before", "after"}]}`. The hook that
sends it is made by `service.arrivals.hook_script`. Source: Standard Webhooks specification, 1.0.
"""

from typing import Any

from handlers import signing, strict_json
from handlers.errors import Malformed
from handlers.hints import Hint, RefHint
from handlers.signing import Headers, header

WINDOW = 300.0
MOST_CHANGES = 5_000


def verify(headers: Headers, body: bytes, secrets: tuple[bytes, ...], now: float) -> None:
    """Raises `Unverified` unless the delivery was signed with one of the secrets, not long ago."""
    stamp = signing.timestamp(header(headers, "webhook-timestamp"), now, WINDOW)
    message = f"{delivery_id(headers, body)}.{stamp}.".encode() + body
    signing.base64_hmac(secrets, message, header(headers, "webhook-signature"))


def delivery_id(headers: Headers, _body: bytes) -> str:
    """The hook's id for this push."""
    return signing.identity(headers, "webhook-id")


def parse(_headers: Headers, body: bytes) -> tuple[Hint, ...]:
    """One hint for each reference that the push changed."""
    told = strict_json.load(body)
    pusher = strict_json.text(told, "pusher", 200)
    changes = told.get("changes")
    if not isinstance(changes, list) or len(changes) > MOST_CHANGES:
        raise Malformed(f"`changes` is missing or is not a list of at most {MOST_CHANGES}")
    return tuple(_hint(change, pusher) for change in changes)


def _hint(change: Any, pusher: str) -> RefHint:
    if not isinstance(change, dict):
        raise Malformed("an entry of `changes` is not an object")
    ref, before, after = (strict_json.text(change, key, 300) for key in ("ref", "before", "after"))
    return RefHint(ref, before, after, pusher)
