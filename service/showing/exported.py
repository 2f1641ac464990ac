"""The record as a file: JSON lines or CSV, with every column as it is stored, so that it can be proven anew.

`detail` is the stored text, not an object: the hash covers each of its bytes. In CSV a field that a
spreadsheet would compute begins with an apostrophe more, which reading takes off again.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from enum import StrEnum
from typing import Any

from service.store.chain import Line

COLUMNS = tuple(field.name for field in fields(Line))
LONGEST = 8 << 20  # characters of one line
_COMPUTED = ("=", "+", "-", "@", "\t", "\r", "'")
_TEXTS = COLUMNS[2:]


class Form(StrEnum):
    """What a file of the record may be."""

    JSONL = "jsonl"
    CSV = "csv"


KINDS = {Form.JSONL: "application/x-ndjson", Form.CSV: "text/csv; charset=utf-8"}


class NoExport(ValueError):
    """A file that no export of a record can be; the message says where."""


def written(lines: Iterable[Line], form: Form) -> Iterator[str]:
    """The file, a line at a time."""
    if form is Form.CSV:
        yield _row(COLUMNS)
        yield from (_row([line.id, repr(line.at), *map(_plain, _texts(line))]) for line in lines)
    else:
        yield from (json.dumps(asdict(line), separators=(",", ":")) + "\n" for line in lines)


def read(file: Iterable[str], form: Form) -> Iterator[Line]:
    """Its entries, as they are read. Raises `NoExport` for a line that is none."""
    rows = _rows(file) if form is Form.CSV else _objects(file)
    for number, told in rows:
        try:
            yield _line(told)
        except (ValueError, TypeError, OverflowError):
            raise NoExport(f"line {number} is no entry of a record") from None


def _line(told: Mapping[str, Any]) -> Line:
    """Raises `TypeError`, `ValueError` or `OverflowError` for another form."""
    texts = [told[name] for name in _TEXTS]
    if isinstance(told["id"], bool) or not all(isinstance(text, str) for text in texts):
        raise TypeError(told["id"])
    return Line(int(told["id"]), float(told["at"]), *texts)


def _texts(line: Line) -> list[str]:
    return [getattr(line, name) for name in _TEXTS]


def _row(fields: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(fields)
    return text.getvalue()


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_COMPUTED) else text


def _rows(file: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(LONGEST)
    rows = csv.reader(_bounded(file), strict=True)
    try:
        if tuple(next(rows, ())) != COLUMNS:
            raise NoExport(f"the first line must be: {','.join(COLUMNS)}")
        for row in rows:
            fields = row[:2] + [text.removeprefix("'") for text in row[2:]]
            yield rows.line_num, dict(zip(COLUMNS, fields, strict=True))
    except (csv.Error, ValueError) as error:
        if isinstance(error, NoExport):
            raise
        raise NoExport(f"line {rows.line_num} is no entry of a record") from None


def _objects(file: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, text in enumerate(_bounded(file), 1):
        try:
            told = json.loads(text)
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict) or set(told) != set(COLUMNS):
            raise NoExport(f"line {number} is no entry of a record")
        yield number, told


def _bounded(file: Iterable[str]) -> Iterator[str]:
    for number, text in enumerate(file, 1):
        if len(text) > LONGEST:
            raise NoExport(f"line {number} is longer than any entry of a record")
        yield text
