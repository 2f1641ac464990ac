"""What a job wrote as its result: a JSON object of finite numbers, or why it is none.

The file's content comes from a repository's code, so it is read like any other stranger's.
"""

import json
import math
import os
import stat
from pathlib import Path
from typing import Any

from service.ports.jobs import Result
from service.ports.outcomes import Failed

LARGEST = 1 << 20
NONE = "there is none; the command must write it to the path in $SEGUE_RESULT"


class _Unfit(ValueError):
    """The result cannot be used; the message says why."""


def read(path: Path) -> Result | Failed:
    """The numbers in a file, or what is wrong with them and at which key."""
    try:
        content = _content(path)
    except _Unfit as wrong:
        return unfit(str(wrong))
    return told(content)


def told(content: bytes) -> Result | Failed:
    """The numbers that a text tells."""
    try:
        return Result(tuple(sorted(parse(content).items())))
    except _Unfit as wrong:
        return unfit(str(wrong))


def unfit(why: str) -> Failed:
    """A result that is none."""
    return Failed(f"the job's result cannot be used: {why}")


def parse(text: bytes) -> dict[str, float]:
    """Raises `ValueError` that names the key."""
    try:
        found = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except _Unfit:
        raise
    except RecursionError:
        raise _Unfit("it is nested too deeply; write one flat object of numbers") from None
    except ValueError as wrong:
        raise _Unfit(f"it is not JSON ({wrong})") from None
    if not isinstance(found, dict):
        raise _Unfit(f'it is {_kind(found)}; write one object such as {{"accuracy": 0.93}}')
    return {key: _number(key, value) for key, value in found.items()}


def _content(path: Path) -> bytes:
    """The file itself, never what a link leads to, and never a pipe that nobody writes."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _Unfit(NONE) from None
    except OSError as wrong:
        raise _Unfit(f"$SEGUE_RESULT must be a plain file ({wrong.strerror})") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _Unfit("$SEGUE_RESULT must be a plain file")
    with os.fdopen(descriptor, "rb") as file:
        text = file.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise _Unfit(f"it is larger than {LARGEST} bytes")
    return text


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Unfit(f"the key {key[:100]!r} is there twice")
        found[key] = value
    return found


def _constant(name: str) -> float:
    return float(name)  # NaN and the infinities; refused below, where the key is known


def _number(key: str, value: object) -> float:
    where = f"the key {key[:100]!r}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Unfit(f"{where} holds {_kind(value)}, not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _Unfit(f"{where} holds a number that is not finite")
    return number


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "a number"
