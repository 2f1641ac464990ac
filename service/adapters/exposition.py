"""Counters of requests in the Prometheus text format, for every data plane that counts in it; no I/O.

A text is taken whole or not at all: whatever is strange in a line that counts raises `Strange`.
"""

import math
import operator
import re
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from service.ports.metrics import Counters

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
    """One counter with its labels; or all of a histogram's as one: then `counts` has each by its bound as
    it is written, and `value` is 0."""

    name: str
    labels: Mapping[str, str]
    value: float
    counts: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Tally:
    """A backend's counters while its series are added up over codes, methods and instances."""

    requests: float = 0.0
    errors: float = 0.0
    buckets: defaultdict[float, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, one: Series, names: Names) -> None:
        """Add a series of this backend. Raises `Strange` for a bucket without a bound."""
        if one.counts:
            for said, count in one.counts.items():
                self.buckets[_bound(said, one.labels) * names.unit] += count
        elif one.name == names.buckets:
            self.buckets[_bound(one.labels.get("le", ""), one.labels) * names.unit] += one.value
        elif one.name == names.requests:
            self.requests += one.value
            self.errors += one.value if lost(one.labels.get(names.code, "")) else 0.0

    def counters(self, name: str) -> Counters:
        """What was added up. Raises `Strange` where the buckets are none."""
        buckets = tuple(sorted(self.buckets.items()))
        if not buckets or buckets[-1][0] != math.inf:
            raise Strange(f"the router's durations of {name} lack the bound infinity")
        counts = [count for _, count in buckets]
        if any(map(operator.lt, counts[1:], counts)):
            raise Strange(f"the router's durations of {name} are not cumulative")
        return Counters(self.requests, self.errors, buckets)


def unasked(bounds: Iterable[float]) -> Tally:
    """The counters of a backend that nobody has asked yet."""
    return Tally(buckets=defaultdict(float, dict.fromkeys((*bounds, math.inf), 0.0)))


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


def _read(lines: Iterable[str], names: Names) -> tuple[float, list[Series]]:
    started, seen, histograms = 0.0, dict[str, Series](), _Histograms()
    wanted = {names.requests, names.buckets}
    beginnings, buckets = (_STARTED, *wanted), names.buckets + "{"
    counting = (line for line in lines if line.startswith(beginnings))  # of nearly all no more is looked at
    for number, line in enumerate(counting):
        if number > _MOST:
            raise Strange(f"the router's metrics hold more than {_MOST:,} counters")
        if line.startswith(buckets) and histograms.take(line):
            continue
        series, _, said = line.rpartition(" ")
        name = _NAME.match(line)
        if name is not None and name[0] == _STARTED:
            started = value(said, line)
        elif name is not None and name[0] in wanted:
            if series in seen:
                raise Strange(_twice(series))
            seen[series] = Series(*_series(series or line), value(said, line))
    if not started:
        raise Strange("the router's metrics lack its start time")
    return started, [*seen.values(), *histograms.found.values()]


def _lines(text: str) -> Iterator[str]:
    """A part of them at a time: a page of thousands of versions is large."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + _PIECE) + 1 or len(text)
        yield from text[start:end].split("\n")
        start = end


def _lines_of(pieces: Iterable[bytes]) -> Iterator[str]:
    """Each line once it has come whole, however the pieces are cut."""
    begun = b""
    for piece in pieces:
        whole, newline, rest = (begun + piece).rpartition(b"\n")
        if newline:
            yield from whole.decode().split("\n")
        begun = rest
        if len(begun) > _LONGEST:
            raise Strange(f"the router's metrics hold a line of more than {_LONGEST:,} bytes")
    if begun:
        raise Strange("the router's metrics end within a line")


def _twice(series: str) -> str:
    return f"the router's metrics hold a series twice: {series[:80]!r}"


class _Histograms:
    """The histograms of a page by what is written around their bounds: labels are read once for all."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], Series] = {}
        self._counts: dict[tuple[str, str], dict[str, float]] = {}
        self._last: tuple[str, str, dict[str, float]] = ("", "", {})  # around the last bound, and its counts

    def take(self, line: str) -> bool:
        """Whether this line's bound could be told from its other labels. Raises `Strange`."""
        start, end, counts = self._last
        if start and line.startswith(start):  # the next bound of the same, as nearly always
            said, _, rest = line[len(start) :].partition('"')
            if rest.startswith(end):
                self._count(counts, said, rest[len(end) :], line)
                return True
        series, _, count = line.rpartition(" ")
        head, between, rest = series.partition("," + _BOUND)
        if not between:
            head, between, rest = series.partition("{" + _BOUND)
        said, _, tail = rest.partition('"')
        known = self._counts.get((head, tail))
        if known is None:
            name, labels = _series(series) if between else ("", {})
            if labels.get("le") != said:  # those letters belong to another label's value
                return False
            others = {label: what for label, what in labels.items() if label != "le"}
            known = self._counts[head, tail] = {}
            self.found[head, tail] = Series(name, others, 0.0, known)
        self._last = (head + between, tail + " ", known)
        self._count(known, said, count, line)
        return True

    def _count(self, counts: dict[str, float], said: str, count: str, line: str) -> None:
        if said in counts:
            raise Strange(_twice(line))
        _bound(said, line)  # as a number holds no quote, the labels around it read as they did before
        counts[sys.intern(said)] = value(count, line)


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


def lost(code: str) -> bool:
    """5xx; 499, where the caller left before the answer; 0, where there was none."""
    return code in {"0", "499"} or (len(code) == 3 and code.startswith("5"))


@lru_cache(maxsize=_KNOWN)
def _series(text: str) -> tuple[str, Mapping[str, str]]:
    """Its name and labels. They are kept: each reading brings the same series with other counts."""
    found = _SERIES.fullmatch(text)
    if found is None:
        raise Strange(f"the router's metrics hold a line that is not one: {text[:80]!r}")
    return found[1], _labels(found[2] or "", text)


def _labels(text: str, line: str) -> dict[str, str]:
    pairs = _LABEL.findall(text)
    spelled = sum(len(name) + len(said) + 4 for name, said in pairs)
    if len(text) not in {spelled - 1, spelled}:  # a comma may end them
        raise Strange(f"the router's metrics hold labels that cannot be read: {line[:80]!r}")
    return {sys.intern(name): sys.intern(_plain(said)) for name, said in pairs}


def _plain(said: str) -> str:
    return _ESCAPED.sub(lambda one: {"n": "\n"}.get(one[1], one[1]), said) if "\\" in said else said


@lru_cache(maxsize=1 << 10)
def _seconds(said: str) -> float | None:
    try:
        bound = float(said)
    except ValueError:
        return None
    return None if math.isnan(bound) else bound


def _bound(said: str, where: object) -> float:
    bound = _seconds(said)
    if bound is None:
        raise Strange(f"the router's metrics hold a bucket without a bound: {str(where)[:80]}")
    return bound
