"""Counters in a CSV file on this machine, which a job writes: a line for each sample.

Columns: `at` (Unix seconds), `name`, `value`; every other column is a label, empty where a series has it
not. New lines are added at the end. Taken whole or not at all: a line that is none is told with its number.
"""

import csv
import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from policies.guards.readings import Series
from policies.spec.selector import Selector
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.settings import Settings
from service.sources import folder

WINDOW = 3600.0  # seconds of samples in one look
LARGEST = 32 << 20
_COLUMNS = ("at", "name", "value")


class TableCounters:
    """One file."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The file behind a source: an absolute path, or file:///… Raises `Refused` for anything else."""
        del settings
        path = folder(source)
        if path is None:
            raise Refused(f"{source.url!r} is no file of this machine; write its whole path")
        return cls(path, source.name)

    def check(self) -> None:
        """Whether the file is there, with the columns."""
        self.read((), math.inf)

    def read(self, selectors: Sequence[Selector], now: float) -> tuple[Series, ...]:
        """The samples of the last hour before the file's newest."""
        del now
        found: dict[tuple[str, tuple[tuple[str, str], ...]], list[tuple[float, float]]] = {}
        reader = csv.DictReader(io.StringIO(self._text(), newline=""))
        missing = [one for one in _COLUMNS if one not in (reader.fieldnames or ())]
        if missing:
            raise Refused(f"{self._path} lacks the columns {', '.join(missing)}; line 1 names them")
        for row in reader:
            name, labels, at, value = self._line(row, reader.line_num)
            if any(one.fits(name, labels) for one in selectors):
                found.setdefault((name, tuple(sorted(labels.items()))), []).append((at, value))
        newest = max((points[-1][0] for points in found.values()), default=0.0)
        recent = {key: [p for p in points if p[0] >= newest - WINDOW] for key, points in found.items()}
        return tuple(Series(*key, tuple(points)) for key, points in recent.items() if points)

    def _text(self) -> str:
        try:
            if os.stat(self._path).st_size > LARGEST:  # noqa: PTH116
                raise Refused(f"{self._path} is larger than {LARGEST >> 20} MiB; begin a new file")
            return self._path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Retry(f"{self._path} cannot be read: {type(error).__name__}", after=5) from error

    def _line(self, row: dict[str, Any], number: int) -> tuple[str, dict[str, str], float, float]:
        try:
            at, value = float(row["at"]), float(row["value"])
        except (TypeError, ValueError):
            at = value = math.nan
        if not (math.isfinite(at) and math.isfinite(value)) or None in row:
            raise Retry(f"{self._path}, line {number}: `at` and `value` must be numbers", after=5)
        labels = {str(key): said for key, said in row.items() if key not in _COLUMNS and said}
        return str(row["name"]), labels, at, value
