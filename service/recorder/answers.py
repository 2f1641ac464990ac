"""What an answer says: its class and its score, taken out of a body of JSON. Pure, and never raises."""

import hashlib
import hmac
import json
import math
import zlib
from typing import Any

from policies.answers import rounded, text_of

MOST = 256 * 1024  # bytes of a body that are looked at
MOST_TEXT = 200  # characters of an answer that is kept as it is
_ENCODED = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # what zlib calls them


def plain(body: bytes, encoding: str) -> bytes | None:
    """The body as it was before it was compressed; None where that cannot be known, or is too long."""
    if encoding in {"", "identity"}:
        return body if len(body) <= MOST else None
    if encoding not in _ENCODED:
        return None
    unpacking = zlib.decompressobj(_ENCODED[encoding])
    try:
        found = unpacking.decompress(body, MOST + 1)
    except zlib.error:
        return None
    return found if unpacking.eof and len(found) <= MOST else None


def document(body: bytes) -> Any:
    """The JSON in it; the text where it is no JSON; None for bytes that are no text."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        pass
    try:
        return body.decode().strip()
    except UnicodeDecodeError:
        return None


def at(value: Any, path: str) -> Any:
    """What lies at a path such as `predictions.0.class`; None where nothing does."""
    for part in path.split(".") if path else ():
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isascii() and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def answer(value: Any) -> str | None:
    """One text for all ways to write an answer, as labels are read, too: 1, 1.0 and "1" are one class.

    None where there is no answer. Numbers are compared by their first nine digits.
    """
    if value is None:
        return None
    if isinstance(value, dict | list):
        try:
            return json.dumps(_rounded(value), sort_keys=True, separators=(",", ":"))
        except (ValueError, RecursionError):
            return None
    return text_of(value)


def score(value: Any) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def digest(text: str, key: bytes) -> str:
    """By which two answers are known to be the same, and a label to agree, without saying what they are."""
    return "#" + hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:24]


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    if isinstance(value, float):
        return rounded(value) if math.isfinite(value) else value
    return value
