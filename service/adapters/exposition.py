"""Counters of requests in the Prometheus text format, for every data plane that counts in it; no I/O.

A text is taken whole or not at all: whatever is strange in a line that counts raises `Strange`.
"""

import itertools
import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from service.ports.metrics import Counters

_STARTED = "process_start_time_seconds"
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_SERIES = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')
_ESCAPED = re.compile(r"\\(.)")


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
    """One counter with its labels."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(slots=True)
class Tally:
    """A backend's counters while its series are added up over codes, methods and instances."""

    requests: float = 0.0
    errors: float = 0.0
    buckets: defaultdict[float, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, one: Series, names: Names) -> None:
        """Add a series of this backend. Raises `Strange` for a bucket without a bound."""
        if one.name == names.buckets:
            self.buckets[_bound(one) * names.unit] += one.value
        elif one.name == names.requests:
            self.requests += one.value
            self.errors += one.value if lost(one.labels.get(names.code, "")) else 0.0

    def counters(self, name: str) -> Counters:
        """What was added up. Raises `Strange` where the buckets are none."""
        buckets = tuple(sorted(self.buckets.items()))
        if not buckets or buckets[-1][0] != math.inf:
            raise Strange(f"the router's durations of {name} lack the bound infinity")
        if any(later[1] < earlier[1] for earlier, later in itertools.pairwise(buckets)):
            raise Strange(f"the router's durations of {name} are not cumulative")
        return Counters(self.requests, self.errors, buckets)


def unasked(bounds: Iterable[float]) -> Tally:
    """The counters of a backend that nobody has asked yet."""
    return Tally(buckets=defaultdict(float, dict.fromkeys((*bounds, math.inf), 0.0)))


def read(text: str, names: Names) -> tuple[float, list[Series]]:
    """When the counting process started, and every series that counts requests. Raises `Strange`."""
    if not text.endswith("\n"):
        raise Strange("the router's metrics end within a line")
    started, seen, found = 0.0, set[str](), list[Series]()
    wanted = {names.requests, names.buckets}
    beginnings = (_STARTED, *wanted)
    for line in text.splitlines():
        if not line.startswith(beginnings):  # nearly all lines, told without a look at what they say
            continue
        name = _NAME.match(line)
        series, _, count = line.rpartition(" ")
        if name is not None and name[0] == _STARTED:
            started = value(count, line)
        elif name is not None and name[0] in wanted:
            if series in seen:
                raise Strange(f"the router's metrics hold a series twice: {series[:80]!r}")
            seen.add(series)
            found.append(Series(*_series(series or line), value(count, line)))
    if not started:
        raise Strange("the router's metrics lack its start time")
    return started, found


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


@lru_cache(maxsize=1 << 14)
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
    return {name: _plain(said) for name, said in pairs}


def _plain(said: str) -> str:
    return _ESCAPED.sub(lambda one: {"n": "\n"}.get(one[1], one[1]), said) if "\\" in said else said


def _bound(one: Series) -> float:
    try:
        bound = float(one.labels["le"])
    except (KeyError, ValueError):
        bound = math.nan
    if math.isnan(bound):
        raise Strange(f"the router's metrics hold a bucket without a bound: {str(dict(one.labels))[:80]}")
    return bound
