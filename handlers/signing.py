"""Signatures over raw bytes: compared as bytes, in constant time, never raising on strange input.

Several secrets may be live at once, so that one can be rotated. No secret verifies nothing.
"""

import base64
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


def sign(secret: bytes, message: bytes) -> str:
    """The signature `v1,<base64 HMAC-SHA256>` of a message."""
    return "v1," + base64.b64encode(hmac.new(secret, message, hashlib.sha256).digest()).decode()
