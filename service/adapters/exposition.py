"""Counters of requests in the Prometheus text format, for every data plane that counts in it; no I/O.

A text is taken whole or not at all: whatever is strange in a line that counts raises `Strange`.
"""

import math
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

LONGEST = 1 << 29  # bytes of a page that is read as it comes
PACE = 4 << 20  # bytes a second that one which takes longer must have brought
_STARTED = "process_start_time_seconds"
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_SERIES = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')
_ESCAPED = re.compile(r"\\(.)")
_BOUND = 'le="'
_PIECE = 1 << 20  # characters that are cut into lines at once
_LONGEST = 1 << 16  # bytes of a line
_MOST = 1 << 21  # lines that count: more than those of ten thousand rollouts
_KNOWN = 1 << 17  # series whose labels are kept: those of ten thousand rollouts, a histogram counted once


class Strange(ValueError):
    """The answer cannot be trusted; the text says why."""


@dataclass(frozen=True, slots=True)
class Names:
    """How a data plane calls its counters; `unit` is how many seconds its buckets' bounds count in."""

    requests: str
    buckets: str
    code: str = "code"
    unit: float = 1.0


@dataclass(frozen=True, slots=True)
class Series:
    """One counter with its labels; or all of a histogram's as one: then `counts` are those of its `bounds`,
    which are told as they are written, and `value` is 0."""

    name: str
    labels: Mapping[str, str]
    value: float
    bounds: tuple[str, ...] = ()
    counts: Sequence[float] = ()


def read(text: str, names: Names) -> tuple[float, list[Series]]:
    """When the counting process started, and every series that counts requests. Raises `Strange`.

    The counts of a histogram come as one series.
    """
    if not text.endswith("\n"):
        raise Strange("the router's metrics end within a line")
    return _read(_lines(text), names)


def streamed(pieces: Iterable[bytes], names: Names) -> tuple[float, list[Series]]:
    """The same of a page as it comes, of which only what counts is kept: thousands of versions fill a hundred
    megabytes. Raises `UnicodeDecodeError`, too."""
    return _read(_lines_of(pieces), names)


def _read(parts: Iterable[list[str]], names: Names) -> tuple[float, list[Series]]:
    page, many = _Page(names), 0
    beginnings = (_STARTED, names.requests, names.buckets)
    for lines in parts:
        counting = [line for line in lines if line.startswith(beginnings)]  # of nearly all no more is seen
        many += len(counting)
        if many > _MOST:
            raise Strange(f"the router's metrics hold more than {_MOST:,} counters")
        page.take(counting)
    if not page.started:
        raise Strange("the router's metrics lack its start time")
    return page.started, [*page.seen.values(), *page.histograms.series()]


class _Page:
    """What was read of a page so far: its plain series by how they are written, and its histograms."""

    def __init__(self, names: Names) -> None:
        self.started, self.seen, self.histograms = 0.0, dict[str, Series](), _Histograms()
        self._wanted, self._buckets = {names.requests, names.buckets}, names.buckets + "{"

    def take(self, lines: list[str]) -> None:
        """The next lines. Raises `Strange`."""
        at = 0
        while at < len(lines):
            line = lines[at]
            taken = self.histograms.take(lines, at) if line.startswith(self._buckets) else 0
            if not taken:
                self._take_alone(line)
            at += taken or 1

    def _take_alone(self, line: str) -> None:
        series, _, said = line.rpartition(" ")
        name = _NAME.match(line)
        if name is not None and name[0] == _STARTED:
            self.started = value(said, line)
        elif name is not None and name[0] in self._wanted:
            if series in self.seen:
                raise Strange(_twice(series))
            self.seen[series] = Series(*_series(series or line), value(said, line))


def _lines(text: str) -> Iterator[list[str]]:
    """A part of them at a time: a page of thousands of versions is large."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + _PIECE) + 1 or len(text)
        yield text[start:end].split("\n")
        start = end


def _lines_of(pieces: Iterable[bytes]) -> Iterator[list[str]]:
    """Each line once it has come whole, however the pieces are cut."""
    begun = b""
    for piece in pieces:
        whole, newline, rest = (begun + piece).rpartition(b"\n")
        if newline:
            yield whole.decode().split("\n")
        begun = rest
        if len(begun) > _LONGEST:
            raise Strange(f"the router's metrics hold a line of more than {_LONGEST:,} bytes")
    if begun:
        raise Strange("the router's metrics end within a line")


def _twice(series: str) -> str:
    return f"the router's metrics hold a series twice: {series[:80]!r}"


@dataclass(slots=True)
class _Histogram:
    """One while its lines come."""

    name: str
    labels: Mapping[str, str]
    bounds: tuple[str, ...] = ()
    counts: list[float] = field(default_factory=list)

    def count(self, said: str, count: str, line: str) -> None:
        """Add one bound. Raises `Strange`."""
        if said in self.bounds:
            raise Strange(_twice(line))
        bound(said, line)  # as a number holds no quote, the labels around it read as they did before
        self.bounds = (*self.bounds, sys.intern(said))
        self.counts.append(value(count, line))


class _Histograms:
    """The histograms of a page by what is written around their bounds: labels are read once for all, and
    the lines of one with the bounds of the one before are taken together."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], _Histogram] = {}
        self._last = ("", "", _Histogram("", {}))  # around the last bound, and whose it is
        self._bounds: tuple[str, ...] = ()  # of the one before, ...
        self._ends: list[str] = []  # ... each with what is written behind it, up to the count

    def series(self) -> Iterator[Series]:
        """All that were taken."""
        return (Series(one.name, one.labels, 0.0, one.bounds, one.counts) for one in self._found.values())

    def take(self, lines: list[str], at: int) -> int:
        """How many lines from this one on were taken; none where its bound could not be told from its other
        labels. Raises `Strange`."""
        line = lines[at]
        start, end, last = self._last
        if start and line.startswith(start):  # the next bound of the same
            said, _, rest = line[len(start) :].partition('"')
            if rest.startswith(end):
                last.count(said, rest[len(end) :], line)
                return 1
        series, _, count = line.rpartition(" ")
        head, between, rest = series.partition("," + _BOUND)
        if not between:
            head, between, rest = series.partition("{" + _BOUND)
        said, _, tail = rest.partition('"')
        known = self._found.get((head, tail))
        fresh = known is None
        if known is None:
            name, bound_said, others = _unbound(series) if between else ("", None, {})
            if bound_said != said:  # those letters belong to another label's value
                return 0
            known = self._found[head, tail] = _Histogram(name, others)
            self._learn()
        self._last = (head + between, tail + " ", known)
        if fresh and _count_alike(known, lines[at : at + len(self._bounds)], self._bounds, self._heads()):
            return len(self._bounds)
        known.count(said, count, line)
        return 1

    def _learn(self) -> None:
        """The bounds of the last one: those of the next are nearly always the same."""
        _, end, last = self._last
        if last.bounds is not self._bounds or not self._ends or not self._ends[0].endswith('"' + end):
            self._bounds, self._ends = last.bounds, [f'{said}"{end}' for said in last.bounds]

    def _heads(self) -> list[str]:
        """How the lines of the present one begin, up to their counts, if it has those bounds."""
        start = self._last[0]
        return [start + end for end in self._ends]


def _count_alike(one: _Histogram, lines: list[str], bounds: tuple[str, ...], heads: list[str]) -> bool:
    """Whether all of a histogram was counted together. Where anything is unusual nothing was."""
    if not lines or len(lines) != len(heads) or not all(map(str.startswith, lines, heads)):
        return False
    try:
        counts = [float(line[len(head) :]) for line, head in zip(lines, heads, strict=True)]
    except ValueError:
        return False
    if not math.isfinite(sum(counts)) or min(counts) < 0:
        return False
    one.bounds, one.counts = bounds, counts
    return True


def chosen(text: str, names: Collection[str]) -> tuple[float | None, list[Series]]:
    """When the process started, where it says so, and every series of these names. Raises `Strange`.

    A sample's own time, which few programs write, is not read: the page tells what is so now.
    """
    if not text.endswith("\n"):
        raise Strange("the metrics end within a line")
    started, found, seen = None, list[Series](), set[str]()
    for line in text.splitlines():
        name = _NAME.match(line)
        if name is None or (name[0] not in names and name[0] != _STARTED):
            continue
        cut = line.rfind("}") + 1 or len(name[0])
        series, rest = line[:cut], line[cut:].split()
        count = value(rest[0] if rest else "", line)
        if name[0] == _STARTED:
            started = count
        elif series in seen:
            raise Strange(f"the metrics hold a series twice: {series[:80]!r}")
        else:
            found.append(Series(*_series(series), count))
        seen.add(series)
    return started, found


def value(text: str, line: str) -> float:
    """A count. Raises `Strange` for what cannot be one; `line` is where it stands."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise Strange(f"the router's metrics hold {text!r} where a count belongs: {line[:80]!r}")
    return number


@lru_cache(maxsize=_KNOWN)
def _series(text: str) -> tuple[str, Mapping[str, str]]:
    """Its name and labels. They are kept: each reading brings the same series with other counts."""
    return _spelled(text)


def _spelled(text: str) -> tuple[str, Mapping[str, str]]:
    found = _SERIES.fullmatch(text)
    if found is None:
        raise Strange(f"the router's metrics hold a line that is not one: {text[:80]!r}")
    return found[1], _labels(found[2] or "", text)


@lru_cache(maxsize=_KNOWN)
def _unbound(text: str) -> tuple[str, str | None, Mapping[str, str]]:
    """A bucket's name, its bound as it is written, and its other labels; kept as well."""
    name, labels = _spelled(text)
    return name, labels.get("le"), {label: said for label, said in labels.items() if label != "le"}


def _labels(text: str, line: str) -> dict[str, str]:
    pairs = _LABEL.findall(text)
    spelled = sum(len(name) + len(said) + 4 for name, said in pairs)
    if len(text) not in {spelled - 1, spelled}:  # a comma may end them
        raise Strange(f"the router's metrics hold labels that cannot be read: {line[:80]!r}")
    return {sys.intern(name): sys.intern(_plain(said)) for name, said in pairs}


def _plain(said: str) -> str:
    return _ESCAPED.sub(lambda one: {"n": "\n"}.get(one[1], one[1]), said) if "\\" in said else said


def bound(said: str, where: object) -> float:
    """A bucket's upper bound. Raises `Strange` for what is none."""
    found = _number(said)
    if found is None:
        raise Strange(f"the router's metrics hold a bucket without a bound: {str(where)[:80]}")
    return found


@lru_cache(maxsize=1 << 10)
def _number(said: str) -> float | None:
    try:
        number = float(said)
    except ValueError:
        return None
    return None if math.isnan(number) else number
