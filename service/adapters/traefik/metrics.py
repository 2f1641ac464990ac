"""One reading of Traefik's counters, whole or not at all.

A version's requests are those of the service `version.<name>`; previews have services of their own
and are not read. It never computes a rate, and nothing but `NoData` comes out where anything in
the answer is strange.
"""

import itertools
import math
import re
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Self

from policies.spec.support import BOUNDS
from service.adapters.traefik import truth
from service.adapters.traefik.layout import Layout, Unanswered
from service.adapters.traefik.rendering import backend_of
from service.ports import Counters, NoData, PortError, Sample, Source
from service.settings import Settings

SECONDS = 2.0
_STARTED = "process_start_time_seconds "
_REQUESTS = "traefik_service_requests_total"
_BUCKETS = "traefik_service_request_duration_seconds_bucket"
_LINE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'([a-z]+)="([^"\\]*)"(?:,|$)')


class Strange(ValueError):
    """The answer cannot be trusted; the text says why."""


@dataclass(slots=True)
class _Tally:
    """A backend's counters while the lines are added up over codes and methods."""

    requests: float = 0.0
    errors: float = 0.0
    buckets: defaultdict[float, float] = field(default_factory=lambda: defaultdict(float))


class TraefikMetrics:
    """Scrapes the router that `segue up` started."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    @classmethod
    def open(cls, settings: Settings, source: Source | None = None) -> Self:
        """The counters of this home's router; it need not run yet."""
        del source
        return cls(Layout(settings.home / "traefik"))

    def sample(self) -> Sample | NoData:
        """All backends' counters now. A routed backend that nobody has asked yet counts zero."""
        try:
            routed = _routed(self._layout)
            body = self._layout.ask("/metrics", SECONDS)
            at = time.time()
            return parse(body.decode("ascii"), at, routed)
        except (Unanswered, Strange, PortError, OSError) as error:
            return NoData(str(error))
        except UnicodeDecodeError:
            return NoData("the router's metrics are not text")


def parse(text: str, at: float, routed: frozenset[str] = frozenset()) -> Sample:
    """The sample in a Prometheus text; raises `Strange`. Every line that counts must be whole."""
    if not text.endswith("\n"):
        raise Strange("the router's metrics end within a line")
    tallies = {name: _unasked() for name in routed}
    started, seen = None, set[str]()
    for line in text.splitlines():
        if line.startswith(_STARTED):
            started = _value(line, line.removeprefix(_STARTED))
        elif line.startswith((_REQUESTS, _BUCKETS)):
            series = line.rpartition(" ")[0]
            if series in seen:
                raise Strange(f"the router's metrics hold a series twice: {series[:80]!r}")
            seen.add(series)
            _add(tallies, line)
    if not started:
        raise Strange("the router's metrics lack its start time")
    backends = tuple((name, _counters(name, tally)) for name, tally in sorted(tallies.items()))
    return Sample(at, started, backends)


def _unasked() -> _Tally:
    return _Tally(buckets=defaultdict(float, dict.fromkeys((*BOUNDS, math.inf), 0.0)))


def _add(tallies: dict[str, _Tally], line: str) -> None:
    found = _LINE.fullmatch(line)
    if found is None:
        raise Strange(f"the router's metrics hold a line that is not one: {line[:80]!r}")
    name, labels, number = found[1], _labels(found[2] or "", line), _value(line, found[3])
    backend = backend_of(labels.get("service", ""))
    if backend is None:
        return
    tally = tallies.setdefault(backend, _Tally())
    if name == _BUCKETS:
        tally.buckets[_bound(labels, line)] += number
    elif name == _REQUESTS:
        tally.requests += number
        tally.errors += number if _lost(labels.get("code", "")) else 0.0


def _labels(text: str, line: str) -> dict[str, str]:
    pairs = _LABEL.findall(text)
    if sum(len(name) + len(value) + 4 for name, value in pairs) - 1 != len(text):
        raise Strange(f"the router's metrics hold labels that cannot be read: {line[:80]!r}")
    return dict(pairs)


def _value(line: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise Strange(f"the router's metrics hold {text!r} where a count belongs: {line[:80]!r}")
    return value


def _bound(labels: dict[str, str], line: str) -> float:
    try:
        bound = float(labels["le"])
    except (KeyError, ValueError):
        bound = math.nan
    if math.isnan(bound):
        raise Strange(f"the router's metrics hold a bucket without a bound: {line[:80]!r}")
    return bound


def _lost(code: str) -> bool:
    """5xx; 499, where the caller left before the answer; 0, where there was none."""
    return code in {"0", "499"} or (len(code) == 3 and code.startswith("5"))


def _counters(name: str, tally: _Tally) -> Counters:
    buckets = tuple(sorted(tally.buckets.items()))
    if not buckets or buckets[-1][0] != math.inf:
        raise Strange(f"the router's durations of {name} lack the bound infinity")
    if any(later[1] < earlier[1] for earlier, later in itertools.pairwise(buckets)):
        raise Strange(f"the router's durations of {name} are not cumulative")
    return Counters(tally.requests, tally.errors, buckets)


def _routed(layout: Layout) -> frozenset[str]:
    entries = truth.load(layout).values()
    return frozenset(b.name for entry in entries if entry.route is not None for b in entry.route.backends)
