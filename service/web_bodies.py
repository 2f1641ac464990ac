"""What the web's API is sent: a small JSON object with the keys that its address takes, and no other."""

from collections.abc import Collection
from typing import Any

from flask import abort, request

from handlers.errors import Malformed
from handlers.strict_json import load

LARGEST = 64 << 10  # bytes


def raw(most: int = LARGEST) -> bytes:
    """The body as it was sent: 413 for a larger one."""
    request.max_content_length = most
    return request.get_data(cache=False)


def body(keys: Collection[str], more: Collection[str] = (), most: int = LARGEST) -> dict[str, Any]:
    """The object that was sent, with all of these keys, and some of `more`: 400 for anything else, 413 for a
    larger one."""
    try:
        told = load(raw(most))
    except Malformed as wrong:
        abort(400, str(wrong))
    known = dict.fromkeys((*keys, *more))
    strange = next((key for key in told if key not in known), None)
    if strange is not None:
        abort(400, f"`{strange[:40]}` is no key here; known: {', '.join(known)}")
    missing = next((key for key in keys if key not in told), None)
    if missing is not None:
        abort(400, f"`{missing}` is missing; this takes {', '.join(known)}")
    return told


def text(told: dict[str, Any], key: str) -> str:
    """The text of a key: 400 for what is none."""
    value = told[key]
    if not isinstance(value, str):
        abort(400, f"`{key}` must be a text")
    return value


def word(told: dict[str, Any], key: str) -> str | None:
    """The same of a key that may be left out, or null."""
    return None if told.get(key) is None else text(told, key)


def texts(told: dict[str, Any], key: str) -> list[str]:
    """The same of a list of texts."""
    value = told[key]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        abort(400, f"`{key}` must be a list of texts")
    return value


def number(value: Any, key: str) -> float:
    """A number that stands under a key: 400 for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        abort(400, f"`{key}` must be a number, and is {str(value)[:40]!r}")
    return value
