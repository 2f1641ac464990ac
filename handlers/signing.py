"""Signatures over raw bytes: compared as bytes, in constant time, never raising on strange input.

Several secrets may be live at once, so that one can be rotated. No secret verifies nothing.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from handlers.errors import Unverified

Headers = Mapping[str, str]


def header(headers: Headers, name: str) -> str:
    """A header's value whatever its case; "" where it is missing."""
    wanted = name.lower()
    return next((value for key, value in headers.items() if key.lower() == wanted), "")


def timestamp(text: str, now: float, window: float) -> str:
    """The text of a Unix time within `window` seconds of now. Raises `Unverified`."""
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise Unverified("the timestamp is missing or is not a number of seconds")
    if abs(now - int(text)) > window:
        raise Unverified("the timestamp is too old, or lies in the future")
    return text


def base64_hmac(secrets: tuple[bytes, ...], message: bytes, claimed: str) -> None:
    """Checks a list of `v1,<base64 HMAC-SHA256>` signatures, separated by spaces.

    Raises `Unverified` unless one of them was made with one of the secrets.
    """
    offered = [
        part.removeprefix("v1,").encode("utf-8", "replace")
        for part in claimed.split(" ")
        if part[:3] == "v1,"
    ]
    good = False
    for secret in secrets:
        if not secret:
            continue
        wanted = base64.b64encode(hmac.new(secret, message, hashlib.sha256).digest())
        for one in offered[:8]:
            good |= hmac.compare_digest(wanted, one)
    if not good:
        raise Unverified


def hex_hmac(secrets: tuple[bytes, ...], message: bytes, claimed: str) -> None:
    """Checks a hexadecimal HMAC-SHA256. Raises `Unverified` unless it was made with one of the secrets."""
    offered = claimed.encode("utf-8", "replace")
    good = False
    for secret in secrets:
        wanted = hmac.new(secret, message, hashlib.sha256).hexdigest().encode()
        good |= bool(secret) and hmac.compare_digest(wanted, offered)
    if not good:
        raise Unverified


def standard(secrets: tuple[bytes, ...], headers: Headers, body: bytes, now: float, window: float) -> None:
    """Checks a delivery that is signed in the Standard Webhooks way (specification 1.0). Raises `Unverified`.

    Secrets are written `whsec_<base64>`; one without this beginning is taken as it is.
    """
    stamp = timestamp(header(headers, "webhook-timestamp"), now, window)
    message = f"{webhook_id(headers)}.{stamp}.".encode() + body
    keys = tuple(key for secret in secrets if (key := _key(secret)))
    base64_hmac(keys, message, header(headers, "webhook-signature"))


def webhook_id(headers: Headers) -> str:
    """The sender's id of a delivery, the same on each retry. Raises `Unverified`."""
    return identity(headers, "webhook-id")


def identity(headers: Headers, *names: str) -> str:
    """A delivery's id, as the first of these headers that has a value says. Raises `Unverified` where none
    does, or it is no plain text of at most 100 characters."""
    found = next((value for name in names if (value := header(headers, name))), "")
    if not is_plain(found):
        raise Unverified("the delivery has no id")
    return found


def is_plain(name: str) -> bool:
    """Whether it may be stored as an id: not every store takes a NUL."""
    return 0 < len(name) <= 100 and name.isascii() and name.isprintable()


def _key(secret: bytes) -> bytes:
    if not secret.startswith(b"whsec_"):
        return secret
    try:
        return base64.b64decode(secret.removeprefix(b"whsec_"), validate=True)
    except binascii.Error:
        return b""  # verifies nothing


def shared(secrets: tuple[bytes, ...], authorization: str) -> None:
    """Checks a header that senders without signatures send: `Bearer <secret>`, `Basic` with the secret as
    its password, or the bare secret. Raises `Unverified`.
    """
    offered = _offered(authorization.strip()).encode("utf-8", "replace")
    good = False
    for secret in secrets:
        good |= bool(secret) and hmac.compare_digest(secret, offered)
    if not good:
        raise Unverified


def _offered(authorization: str) -> str:
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return authorization
    try:
        return base64.b64decode(rest.strip(), validate=True).decode("utf-8", "replace").partition(":")[2]
    except ValueError:
        return ""


def signed(secrets: tuple[bytes, ...], name: str, stamp: str, body: bytes) -> dict[str, str]:
    """The headers that a delivery of ours carries, in the Standard Webhooks way (specification 1.0): a
    signature for each secret, as `standard` verifies them."""
    message = f"{name}.{stamp}.".encode() + body
    marks = " ".join(sign(key, message) for secret in secrets if (key := _key(secret)))
    return {"webhook-id": name, "webhook-timestamp": stamp, "webhook-signature": marks}


def sign(secret: bytes, message: bytes) -> str:
    """The signature `v1,<base64 HMAC-SHA256>` of a message."""
    return "v1," + base64.b64encode(hmac.new(secret, message, hashlib.sha256).digest()).decode()
