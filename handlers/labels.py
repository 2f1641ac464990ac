"""True labels that come after the predictions: a batch as the API takes it, and rows as files hold them.

A batch is one JSON object: `{"model": ..., "table": ..., "labels": [{"request": ..., "at": ..., "version":
..., "wrong": true}]}`. In the place of `wrong` a row may hold `prediction` and `label`: it is wrong where
they differ. `"segment.tenant": "acme"` says in which segment the request was. Files hold the same rows, as
CSV with a header or as one JSON object a line.
"""

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from handlers.errors import Malformed
from handlers.strict_json import load, text
from policies.answers import text_of

MOST = 5_000  # rows of one batch
MOST_COUNTED = 200_000  # answers that one run's metrics count
SEGMENT = "segment."  # begins the key of a segment, before its label
MOST_SEGMENTS = 6  # of one row
_KEYS = ("request", "at", "version", "wrong", "prediction", "label")
_SEGMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}\Z")
_TABLE = re.compile(r"[a-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+\Z")
_WORDS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
_MOST_TEXT = 200
_MOST_VALUE = 100


@dataclass(frozen=True, slots=True)
class Label:
    """Whether the answer to one request was wrong, as it turned out.

    `request` is the caller's own id of the request, `at` when it was answered (Unix seconds), `version`
    what the answer said of who gave it; None where the row does not know. `truth` is the label itself, where
    the row holds it: what other answers to the request can be compared with. `segments` are those that the
    request was in, as (label, value), in order.
    """

    request: str
    at: float
    wrong: bool
    version: str | None = None
    truth: str | None = None
    segments: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Logged:
    """One value of a metric, with the moment (Unix seconds) and the step that it was logged for."""

    value: float
    at: float
    step: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Labels of one model's requests, from one table: `source.table` as a guard names it."""

    model: str
    table: str
    labels: tuple[Label, ...]


def parse(body: bytes) -> Batch:
    """The batch that the body holds. Raises `Malformed`: which row, what is wrong, what to write."""
    data = load(body, nodes=MOST * (len(_KEYS) + MOST_SEGMENTS + 1) + 100)
    rows = data.get("labels")
    if not isinstance(rows, list) or not rows:
        raise Malformed('`labels` must be a list of rows, such as [{"request": "r-1", ...}]')
    if len(rows) > MOST:
        raise Malformed(f"`labels` holds {len(rows)} rows; send at most {MOST} at once")
    table = text(data, "table")
    if not _TABLE.match(table):
        raise Malformed(f"`table` is {table!r}; write a source and a table, such as warehouse.labels")
    labels = tuple(_label(row, f"labels[{nth}]") for nth, row in enumerate(rows))
    return Batch(text(data, "model", _MOST_TEXT), table, labels)


def rows_of_csv(content: str) -> Iterator[tuple[int, Label]]:
    """(line, label) of a CSV file with a header. Raises `Malformed` naming the line."""
    reader = csv.DictReader(io.StringIO(content, newline=""), restkey="")
    try:
        yield from _of_table(reader)
    except csv.Error as error:
        raise Malformed(f"line {reader.line_num + 1}: {error}") from None


def _of_table(reader: "csv.DictReader[str]") -> Iterator[tuple[int, Label]]:
    missing = {"request", "at"} - set(reader.fieldnames or ())
    if missing:
        raise Malformed(
            f"line 1: no column {', '.join(sorted(missing))}; name the columns: {', '.join(_KEYS)}"
        )
    for row in reader:
        given = {key: value for key, value in row.items() if _is_known(key) and value}
        yield reader.line_num, _label(given, f"line {reader.line_num}")


def rows_of_lines(content: str) -> Iterator[tuple[int, Label]]:
    """(line, label) of a file of JSON objects, one a line. Raises `Malformed` naming the line."""
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            try:
                yield number, _label(load(line.encode()), f"line {number}")
            except Malformed as error:
                raise Malformed(
                    str(error) if str(error).startswith("line ") else f"line {number}: {error}"
                ) from None


def rows_of_table(content: bytes) -> Iterator[tuple[int, Label]]:
    """(row, label) of a table as pandas and MLflow write it: `{"columns": [...], "data": [[...], ...]}`.

    Raises `Malformed` naming the row.
    """
    try:
        found = json.loads(content)
        columns, data = [str(one) for one in found["columns"]], list(found["data"])
    except (ValueError, RecursionError, KeyError, TypeError):
        raise Malformed('not a table: {"columns": [...], "data": [[...], ...]}') from None
    for number, row in enumerate(data, 1):
        if not isinstance(row, list) or len(row) != len(columns):
            raise Malformed(f"row {number}: not a value for each of the columns {', '.join(columns)}")
        given = {k: v for k, v in zip(columns, row, strict=True) if _is_known(k) and v is not None}
        yield number, _label(given, f"row {number}")


def counted(job: str, version: str, wrong: Iterable[Logged], labels: Iterable[Logged]) -> bytes:
    """A table for `rows_of_table` from two metrics of a job: of how many answers that `version` gave at a
    moment the label is known, and how many of those were wrong. Each answer is a row, named by its place.

    Raises `Malformed` naming the moment.
    """
    bad = {(one.at, one.step): one.value for one in wrong}
    rows: list[list[Any]] = []
    for one in sorted(labels, key=lambda one: (one.at, one.step)):
        where = f"the metric `labels` of step {one.step} at {one.at:g}"
        if (one.at, one.step) not in bad:
            raise Malformed(f"{where} has no `wrong` beside it; log both with one step and one timestamp")
        amiss = bad.pop((one.at, one.step))
        if not (one.value.is_integer() and amiss.is_integer() and 0 <= amiss <= one.value):
            raise Malformed(
                f"{where}: {amiss:g} wrong of {one.value:g}; log whole numbers, at most all wrong"
            )
        if len(rows) + one.value > MOST_COUNTED:
            raise Malformed(f"{where} counts beyond {MOST_COUNTED:,} answers of one run; begin another run")
        place = f"{job}:{one.step}:{one.at:.3f}"
        rows += [[f"{place}:{nth}", one.at, version, nth < amiss] for nth in range(int(one.value))]
    if bad:
        at, step = min(bad)
        raise Malformed(f"the metric `wrong` of step {step} at {at:g} has no `labels` beside it; log both")
    return json.dumps({"columns": ["request", "at", "version", "wrong"], "data": rows}).encode()


def body_of(batch: Batch) -> bytes:
    """The batch as the API takes it; `parse` reads it back."""
    rows = [
        {"request": one.request, "at": one.at, "wrong": one.wrong}
        | ({} if one.version is None else {"version": one.version})
        | ({} if one.truth is None else {"label": one.truth})
        | {f"{SEGMENT}{label}": value for label, value in one.segments}
        for one in batch.labels
    ]
    return json.dumps({"model": batch.model, "table": batch.table, "labels": rows}).encode()


def _label(row: Any, where: str) -> Label:
    if not isinstance(row, dict):
        raise Malformed(f'{where}: a row must be an object, such as {{"request": "r-1", ...}}')
    request = row.get("request")
    if not isinstance(request, str) or not 0 < len(request) <= _MOST_TEXT:
        raise Malformed(
            f"{where}: `request` must be the request's id, a text of at most {_MOST_TEXT} characters"
        )
    version = row.get("version")
    if version is not None and (not isinstance(version, str) or not 0 < len(version) <= _MOST_TEXT):
        raise Malformed(
            f"{where}: `version` must be a text, as the answer's header X-Segue-Served-By said it"
        )
    at, wrong = _time(row.get("at"), where), _wrong(row, where)
    return Label(request, at, wrong, version, _truth(row, where), _segments(row, where))


def _is_known(key: str) -> bool:
    return key in _KEYS or key.startswith(SEGMENT)


def _segments(row: Mapping[str, Any], where: str) -> tuple[tuple[str, str], ...]:
    given = {key: value for key, value in row.items() if key.startswith(SEGMENT) and value is not None}
    if len(given) > MOST_SEGMENTS:
        raise Malformed(f"{where}: says {len(given)} segments; write at most {MOST_SEGMENTS}")
    return tuple(sorted(_segment(key, value, where) for key, value in given.items()))


def _segment(key: str, value: Any, where: str) -> tuple[str, str]:
    """The label, and its value as a text. An id is no amount: each digit of it counts."""
    label = key.removeprefix(SEGMENT)
    if not _SEGMENT.match(label):
        raise Malformed(f"{where}: {key[:80]!r} names no label; write letters, digits and _: segment.tenant")
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, float) and value.is_integer():  # a table with a missing value holds no integers
        value = int(value)
    if not isinstance(value, str | int | float) or not _can_be_stored(str(value)):
        raise Malformed(f"{where}: `{key}` must be a text of at most {_MOST_VALUE} characters, or a number")
    return label, str(value)


def _can_be_stored(value: str) -> bool:
    """A table of a source may hold what no database takes: NUL, and half a pair of UTF-16."""
    return len(value) <= _MOST_VALUE and "\0" not in value and value == value.encode(errors="ignore").decode()


def _truth(row: Mapping[str, Any], where: str) -> str | None:
    if row.get("label") is None:
        return None
    return text_of(_plain(row["label"], where))[:_MOST_TEXT]


def _time(value: Any, where: str) -> float:
    """When it was answered: Unix seconds, or a time with its zone."""
    asked = f"{where}: `at` must say when it was answered, such as 2026-01-31T14:03:00Z, or Unix seconds"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Malformed(asked)
    try:
        seconds = float(value)
    except ValueError:
        seconds = _moment(str(value), asked)
    except OverflowError:
        seconds = math.inf
    if not 0 < seconds < 1e11:
        raise Malformed(asked)
    return seconds


def _moment(value: str, asked: str) -> float:
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC).timestamp() if moment.tzinfo is not None else -1.0
    except (ValueError, OverflowError):
        raise Malformed(asked) from None


def _wrong(row: Mapping[str, Any], where: str) -> bool:
    if "wrong" in row:
        value = row["wrong"]
        word = value if isinstance(value, bool) else _WORDS.get(str(value).strip().lower())
        if word is None:
            raise Malformed(f"{where}: `wrong` is {str(value)[:40]!r}; write true or false")
        return word
    if "prediction" in row and "label" in row:
        return bool(_plain(row["prediction"], where) != _plain(row["label"], where))
    raise Malformed(f"{where}: says neither `wrong` nor both `prediction` and `label`")


def _plain(value: Any, where: str) -> Any:
    """A class as its name: 1, 1.0 and "1" are one class."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise Malformed(f"{where}: `prediction` and `label` must be classes: texts or numbers")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return value
    return number if math.isfinite(number) else str(value)
