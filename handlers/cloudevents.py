"""CloudEvents 1.0 over HTTP: structured, binary and batched, whose data is an order (`handlers.orders`).

Signed in the Standard Webhooks way, or with the secret in `Authorization`; where a signature is sent it
must be right. An event is known by `source` and `id`. In binary mode these are headers, which no signature
covers: there a signed event is known by its signed `webhook-id`. Events whose data is no order concern
nothing here. Sources: CloudEvents 1.0.2, HTTP protocol binding and JSON event format; HTTP 1.1 Web Hooks
for Event Delivery.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from handlers import orders, signing, strict_json
from handlers.errors import Malformed
from handlers.hints import Hint, OrderHint
from handlers.signing import Headers, header

WINDOW = 300.0
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
NEEDED = ("specversion", "id", "source", "type")
MOST_EVENTS = 1_000
_ENCODED = re.compile(rb"%([0-9A-Fa-f]{2})")


def verify(headers: Headers, body: bytes, secrets: tuple[bytes, ...], now: float) -> None:
    """Raises `Unverified` unless the delivery is signed with, or carries, one of the secrets."""
    if header(headers, "webhook-signature"):
        signing.standard(secrets, headers, body, now, WINDOW)
    else:
        signing.shared(secrets, header(headers, "Authorization"))


def delivery_id(headers: Headers, body: bytes) -> str:
    """The signed id; without one the event's source and id in binary mode, else the body's digest."""
    if header(headers, "webhook-signature"):
        return signing.webhook_id(headers)
    if header(headers, "ce-id"):
        return _known_by(header(headers, "ce-source"), header(headers, "ce-id"))
    return hashlib.sha256(body).hexdigest()


def parse(headers: Headers, body: bytes) -> tuple[Hint, ...]:
    """The orders of all events in the delivery."""
    kind = header(headers, "Content-Type").partition(";")[0].strip().lower()
    if kind == BATCH:
        events = strict_json.load_any(body)
        if not isinstance(events, list) or len(events) > MOST_EVENTS:
            raise Malformed(f"a batch is a list of at most {MOST_EVENTS} events")
        return tuple(hint for event in events if (hint := _structured(event)) is not None)
    if kind == STRUCTURED:
        return _one(_structured(strict_json.load(body)))
    # The SDKs send JSON without saying so where the event does not say what its data is.
    untyped = not kind and body.lstrip().startswith(b"{") and bool(header(headers, "ce-specversion"))
    if kind != "application/json" and not kind.endswith("+json") and not untyped:
        return ()
    attributes = {name: _attribute(header(headers, f"ce-{name}")) for name in NEEDED}
    _check(attributes)
    signed = bool(header(headers, "webhook-signature"))
    key = signing.webhook_id(headers) if signed else _known_by(attributes["source"], attributes["id"])
    return _one(_order(strict_json.load_any(body), key))


def _one(hint: OrderHint | None) -> tuple[Hint, ...]:
    return () if hint is None else (hint,)


def _structured(event: Any) -> OrderHint | None:
    if not isinstance(event, dict):
        raise Malformed("an event is not a JSON object")
    _check(event)
    data = event.get("data")
    if isinstance(event.get("data_base64"), str):
        try:
            data = strict_json.load_any(base64.b64decode(event["data_base64"], validate=True))
        except binascii.Error:
            raise Malformed("`data_base64` is not base64") from None
    return _order(data, _known_by(event["source"], event["id"]))


def _order(data: Any, key: str) -> OrderHint | None:
    return orders.order(data, key) if orders.is_order(data) else None


def _check(attributes: Mapping[str, Any]) -> None:
    for name in NEEDED:
        value = attributes.get(name)
        if not isinstance(value, str) or not value or len(value) > 1000:
            raise Malformed(f"the event has no `{name}`")
    if attributes["specversion"] != "1.0":
        raise Malformed(f"`specversion` is {attributes['specversion'][:20]!r}; 1.0 is known")


def _attribute(value: str) -> str:
    """A header's value: percent-encoded UTF-8 (HTTP binding, 3.1.3.2)."""
    raw = _ENCODED.sub(lambda found: bytes([int(found[1], 16)]), value.encode("utf-8", "replace"))
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Malformed("a header of the event is not UTF-8") from None


def _known_by(source: str, name: str) -> str:
    """A name for both: neither has characters that could not also stand in the other."""
    return hashlib.sha256(f"{len(source)}:{source}{name}".encode("utf-8", "replace")).hexdigest()
