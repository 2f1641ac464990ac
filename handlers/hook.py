"""A signed JSON hook for everything that has no handler of its own.

Standard Webhooks: headers `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<base64 HMAC-SHA256>`,
several signatures separated by spaces, over `<id>.<timestamp>.<body>`; the secret is `whsec_<base64>`. The
body is one order (`handlers.orders`). Source: Standard Webhooks specification, 1.0.
"""

from handlers import orders, signing, strict_json
from handlers.hints import Hint
from handlers.signing import Headers

WINDOW = 300.0


def verify(headers: Headers, body: bytes, secrets: tuple[bytes, ...], now: float) -> None:
    """Raises `Unverified` unless the delivery was signed with one of the secrets, not long ago."""
    signing.standard(secrets, headers, body, now, WINDOW)


def delivery_id(headers: Headers, _body: bytes) -> str:
    """The sender's id: the same on each retry."""
    return signing.webhook_id(headers)


def parse(headers: Headers, body: bytes) -> tuple[Hint, ...]:
    """The order."""
    return (orders.order(strict_json.load(body), signing.webhook_id(headers)),)
