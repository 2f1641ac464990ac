"""JSON as strangers may send it: bounded, exact, and never an exception of another kind.

Refused: anything but UTF-8, NUL, NaN and infinities, a key twice, lone surrogates, too deep, too many
values.
"""

import json
import math
import re
from typing import Any

from handlers.errors import Malformed

MOST_DEPTH = 64
MOST_NODES = 20_000
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


def load(body: bytes, nodes: int = MOST_NODES) -> dict[str, Any]:
    """The body's JSON object, of at most so many values. Raises `Malformed` with what is wrong."""
    value = load_any(body, nodes)
    if not isinstance(value, dict):
        raise Malformed("the body is not a JSON object")
    return value


def load_any(body: bytes, nodes: int = MOST_NODES) -> Any:
    """The body's JSON value, whatever its type. Raises `Malformed` with what is wrong."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not UTF-8 at byte {error.start}") from None
    _bounded(text, nodes)
    try:
        value = json.loads(
            text, object_pairs_hook=_once, parse_constant=_no_constant, parse_float=_finite, parse_int=_whole
        )
    except (ValueError, RecursionError) as error:
        if isinstance(error, Malformed):
            raise
        raise Malformed(f"the body is not JSON: {error}") from None
    _clean(value)
    return value


def text(data: dict[str, Any], key: str, most: int = 1000) -> str:
    """A key's text. Raises `Malformed` naming the key."""
    value = data.get(key)
    if not isinstance(value, str) or len(value) > most:
        raise Malformed(f"`{key}` is missing or is not a text of at most {most} characters")
    return value


def _bounded(text: str, most: int) -> None:
    outside = _STRING.sub("", text)
    depth = deepest = 0
    for bracket in _BRACKET.findall(outside):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    if deepest > MOST_DEPTH:
        raise Malformed(f"the body is nested deeper than {MOST_DEPTH}")
    if outside.count("[") + outside.count("{") + outside.count(",") > most:
        raise Malformed(f"the body holds more than {most} values")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("a key stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise Malformed(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise Malformed("a number is too large")
    return value


def _whole(digits: str) -> int:
    if len(digits) > 20:
        raise Malformed("a number is too large")
    return int(digits)


def _clean(value: Any) -> None:
    """Refuses NUL and lone surrogates anywhere."""
    if isinstance(value, str):
        if "\0" in value or any(0xD800 <= ord(c) <= 0xDFFF for c in value):
            raise Malformed("a text holds a character that no text may hold")
    elif isinstance(value, dict):
        for key, item in value.items():
            _clean(key)
            _clean(item)
    elif isinstance(value, list):
        for item in value:
            _clean(item)
