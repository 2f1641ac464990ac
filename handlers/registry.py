"""Notifications of an image registry (Distribution, and what is built on it).

Nothing is signed: the registry sends a fixed header with each delivery, `Authorization: Bearer
<secret>`, and tries again for ever what is not answered 2xx. Whoever reads along could send more of
them, so each is a hint and nothing else. Source: Distribution, docs/content/about/notifications.md.
"""

import hashlib
from typing import Any

from handlers import signing, strict_json
from handlers.errors import Malformed, Unverified
from handlers.hints import Hint, TagHint
from handlers.signing import Headers, header

MOST_EVENTS = 1_000


def verify(headers: Headers, body: bytes, secrets: tuple[bytes, ...], now: float) -> None:
    """Raises `Unverified` unless the delivery carries one of the secrets. There is no time to check."""
    del body, now
    claimed = header(headers, "Authorization")
    if claimed.partition(" ")[0].lower() != "bearer":
        raise Unverified
    signing.shared(secrets, claimed)


def delivery_id(headers: Headers, body: bytes) -> str:
    """A retry has the same body, with the same events' ids in it."""
    del headers
    return hashlib.sha256(body).hexdigest()


def parse(headers: Headers, body: bytes) -> tuple[Hint, ...]:
    """A hint for each tag that was pushed or removed; pulls, layers and configs are nobody's news."""
    del headers
    events = strict_json.load(body).get("events")
    if not isinstance(events, list) or len(events) > MOST_EVENTS:
        raise Malformed(f"`events` is missing or is not a list of at most {MOST_EVENTS}")
    return tuple(hint for event in events if (hint := _hint(event)) is not None)


def nothing(_headers: Headers, _body: bytes) -> str:
    """Why a delivery that hints at nothing does so."""
    return "a pull, or a part of an image: a tag that is pushed or removed counts"


def _hint(event: Any) -> TagHint | None:
    target = event.get("target") if isinstance(event, dict) else None
    if not isinstance(target, dict):
        raise Malformed("an entry of `events` has no `target`")
    if strict_json.text(event, "action") not in {"push", "delete"} or "tag" not in target:
        return None
    return TagHint(strict_json.text(target, "repository"), strict_json.text(target, "tag"))
