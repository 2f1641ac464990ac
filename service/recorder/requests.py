"""Requests that were recorded before, for both versions to answer: `<home>/requests/<name>.jsonl`.

Each line is one JSON object: `{"path": "/invocations", "body": {"inputs": [1]}}`, and where they are needed
`method`, `headers` and the `id` by which a label names it. A text as `body` is sent as it is, anything else
as JSON.
"""

import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from service.recorder.orders import MOST_ASKED

MOST = 100_000  # requests of one file
MOST_TOLD = 5  # bad lines that are told at once
_MOST_LINE = 2 * MOST_ASKED
_MOST_ID = 200
_KEYS = ("path", "body", "method", "headers", "id")
_METHODS = ("GET", "POST", "PUT")
_PATH = re.compile(r"/(?!/)[\x21-\x7e]*")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\x20-\x7e]*")
# What belongs to the connection, and what Segue says itself.
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "x-request-id"})


class Unusable(ValueError):
    """The file cannot be replayed; the message names its lines."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request, of the line `line`."""

    line: int
    id: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def file_of(home: Path, name: str) -> Path:
    """Where the requests of that name lie; `home` is the installation's."""
    return home / "requests" / f"{name}.jsonl"


def check(path: Path) -> int:
    """How many requests it holds. Raises `Unusable`: which lines, and what is wrong with each."""
    wrong: list[str] = []
    count, ids = 0, dict[str, int]()
    for number, found in _lines(path):
        if isinstance(found, str):
            wrong.append(f"line {number}: {found}")
        elif found.id in ids:
            wrong.append(f"line {number}: its id is that of line {ids[found.id]}")
        else:
            count, ids[found.id] = count + 1, number
        if len(wrong) >= MOST_TOLD or count > MOST:
            break
    if count > MOST:
        wrong.append(f"it holds more than {MOST:,} requests")
    if wrong or not count:
        raise Unusable(f"{path.name}: {'; '.join(wrong) or 'it holds no request'}")
    return count


def read(path: Path) -> Iterator[Recorded]:
    """The requests in their order, without lines that are none. Raises `Unusable` where there is no file."""
    return (found for _, found in _lines(path) if isinstance(found, Recorded))


def begin_of(path: Path, line: int) -> int:
    """The byte at which that line begins, or would. Raises `Unusable` where there is no file."""
    try:
        with path.open("rb") as file:
            for _ in range(line - 1):
                file.readline()
            return file.tell()
    except OSError as error:
        raise Unusable(f"{path.name}: it cannot be read: {error.strerror}") from None


def part(path: Path, begin: int, lines: int, size: int) -> list[bytes]:
    """At most so many whole lines from that byte on, of about `size` bytes; at least one where there is one.
    Raises `Unusable` where there is no file."""
    found: list[bytes] = []
    try:
        with path.open("rb") as file:
            file.seek(begin)
            while len(found) < lines and file.tell() < begin + size and (line := file.readline(_MOST_LINE)):
                found.append(line)
    except OSError as error:
        raise Unusable(f"{path.name}: it cannot be read: {error.strerror}") from None
    return found


def of_part(lines: bytes, first: int) -> list[Recorded]:
    """The requests in lines of a file, of which the first has that number; without lines that are none."""
    return [found for _, found in _read(io.BytesIO(lines), first) if isinstance(found, Recorded)]


def _lines(path: Path) -> Iterator[tuple[int, Recorded | str]]:
    """(line, request or what is wrong with it); empty lines are none."""
    try:
        with path.open("rb") as file:
            yield from _read(file, 1)
    except OSError as error:
        raise Unusable(f"{path.name}: it cannot be read: {error.strerror}") from None


def _read(file: BinaryIO, number: int) -> Iterator[tuple[int, Recorded | str]]:
    while line := file.readline(_MOST_LINE + 1):
        if len(line) > _MOST_LINE:
            yield number, f"it is longer than {_MOST_LINE >> 20} MB"
            return
        if line.strip():
            yield number, _of(line, number)
        number += 1


def _of(line: bytes, number: int) -> Recorded | str:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return "it is no JSON"
    if not isinstance(row, dict):
        return 'it is no object, such as {"path": "/invocations", "body": {}}'
    unknown = sorted(set(row) - set(_KEYS))
    if unknown:
        return f"`{unknown[0][:40]}` is unknown; known: {', '.join(_KEYS)}"
    body, kind = _body(row.get("body"))
    method, named = row.get("method", "POST" if "body" in row else "GET"), row.get("id", f"recorded-{number}")
    wrong = _wrong(row.get("path"), method, row.get("headers", {}), named, body)
    if wrong:
        return wrong
    headers = tuple(row.get("headers", {}).items())
    if kind and "content-type" not in {name.lower() for name, _ in headers}:
        headers = (*headers, ("Content-Type", kind))
    return Recorded(number, named, method, row["path"], headers, body)


def _body(value: Any) -> tuple[bytes, str]:
    """As it is sent, and its kind where the file does not say it."""
    if value is None:
        return b"", ""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass"), ""
    return json.dumps(value).encode(), "application/json"


def _wrong(path: Any, method: Any, headers: Any, named: Any, body: bytes) -> str:
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        return "`path` must be the request's path, such as /invocations"
    if method not in _METHODS:
        return f"`method` must be one of {', '.join(_METHODS)}"
    if not isinstance(named, str) or not 0 < len(named) <= _MOST_ID or not _VALUE.fullmatch(named):
        return f"`id` must be a text of at most {_MOST_ID} plain characters"
    if len(body) > MOST_ASKED:
        return f"its body is longer than {MOST_ASKED >> 20} MB, and such requests are not copied"
    return _wrong_headers(headers)


def _wrong_headers(headers: Any) -> str:
    if not isinstance(headers, Mapping):
        return '`headers` must be an object, such as {"Content-Type": "application/json"}'
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or not isinstance(value, str) or not _VALUE.fullmatch(value):
            return f"the header `{name[:40]}` is none, or its value is no text"
        if name.lower() in _OURS:
            return f"the header `{name}` is set anew for each request: leave it out"
    return ""
