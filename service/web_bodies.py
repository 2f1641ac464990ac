"""What the web's API is sent: one small JSON object, which says its length first."""

from collections.abc import Collection
from typing import Any

from flask import abort, request

from handlers import strict_json
from handlers.errors import Malformed

MOST_BYTES = 1 << 20


def raw() -> bytes:
    """The body as it was sent: 411, 413 and 415 for one that is not taken."""
    if request.content_length is None:
        abort(411, "a Content-Length is needed")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        abort(415, "an encoded body is not accepted")
    if request.content_length > MOST_BYTES:
        abort(413, f"the body is larger than {MOST_BYTES} bytes")
    return request.get_data(cache=False)


def sent() -> dict[str, Any]:
    """The object that was sent: 400 with what is wrong with it."""
    try:
        return strict_json.load(raw())
    except Malformed as wrong:
        abort(400, str(wrong))


def body(keys: Collection[str]) -> dict[str, Any]:
    """The same with all of these keys, and no other: 400 else."""
    told = sent()
    strange = next((key for key in told if key not in keys), None)
    if strange is not None:
        abort(400, f"`{strange[:40]}` is no key here; known: {', '.join(keys)}")
    missing = next((key for key in keys if key not in told), None)
    if missing is not None:
        abort(400, f"`{missing}` is missing; this takes {', '.join(keys)}")
    return told


def text(told: dict[str, Any], key: str) -> str:
    """The text of a key: 400 for what is none."""
    value = told[key]
    if not isinstance(value, str):
        abort(400, f"`{key}` must be a text")
    return value


def texts(told: dict[str, Any], key: str) -> list[str]:
    """The same of a list of texts."""
    value = told[key]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        abort(400, f"`{key}` must be a list of texts")
    return value
