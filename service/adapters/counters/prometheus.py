"""Counters in a Prometheus, as they were scraped: raw samples with their own times, no function of them.

A `…_bucket` that is not there may be a native histogram, which has no series of that name: then it is read.
A range in brackets is asked for at one moment, so all selectors are seen at the same one. Contract: the HTTP
API, https://prometheus.io/docs/prometheus/latest/querying/api/ (`/api/v1/query` with a range vector answers
a matrix of raw samples, `/api/v1/query_range` one of values each `step`, `/api/v1/metadata` types).
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Self

from policies.guards.readings import Series
from policies.spec.selector import Selector
from service.adapters.counters.asking import Asking
from service.adapters.counters.exponential import ENDING, Exponential, Labels
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.settings import Settings

WINDOW = 150  # seconds of samples in one look: two and more at a scrape a minute
_MALFORMED = (ValueError, KeyError, TypeError, IndexError, AttributeError)
_COUNTED = frozenset({"counter", "histogram", "unknown", "untyped", "summary"})


class PrometheusCounters:
    """One Prometheus, or what answers as it does (Thanos, Mimir, VictoriaMetrics)."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._counters: set[str] = set()  # names that are no gauges
        self._natives = Exponential()

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The server behind a source."""
        return cls(Asking.of(settings, source))

    def check(self) -> None:
        """Whether it answers a query."""
        self._ask("/api/v1/query", query="vector(1)")

    def read(self, selectors: Sequence[Selector], now: float) -> tuple[Series, ...]:
        """Raw samples of the last minutes. Raises `Refused` for what Prometheus knows as a gauge."""

        def ask(one: Selector) -> Any:
            return self._ask("/api/v1/query", query=f"{one}[{WINDOW}s]", time=f"{now:.3f}")

        for one in selectors:
            self._refuse_gauge(one.name)
        return self._series(selectors, ask)

    def values(self, wanted: Selector, now: float) -> tuple[float, ...]:
        """The newest samples, where Prometheus takes them for present: of series that have gone none."""
        told = self._ask("/api/v1/query", query=str(wanted), time=f"{now:.3f}")
        if told.get("resultType") != "vector":
            raise Retry(f"{self._asking.name} answered with a {told.get('resultType')} instead of a vector")
        try:
            if any("histogram" in one for one in told["result"]):
                raise Refused(f"{wanted.name} is a native histogram there; a budget reads a gauge")
            return tuple(float(one["value"][1]) for one in told["result"])
        except _MALFORMED as error:
            raise self._odd() from error

    def history(
        self, selectors: Sequence[Selector], since: float, until: float, step: float
    ) -> tuple[Series, ...]:
        """Values each `step` seconds; Prometheus repeats a sample for those that it does not have."""

        def ask(one: Selector) -> Any:
            between = {"start": f"{since:.3f}", "end": f"{until:.3f}", "step": f"{step:g}"}
            return self._ask("/api/v1/query_range", query=str(one), **between)

        return self._series(selectors, ask)

    def _series(self, selectors: Sequence[Selector], ask: Callable[[Selector], Any]) -> tuple[Series, ...]:
        found: dict[Any, Series] = {}
        for one in selectors:
            try:
                found |= {each.key: each for each in self._of(one, ask)}
            except _MALFORMED as error:
                raise self._odd() from error
        return tuple(found.values())

    def _of(self, one: Selector, ask: Callable[[Selector], Any]) -> tuple[Series, ...]:
        rows = self._matrix(ask(one))
        if not rows and one.name.endswith(ENDING):
            whole = Selector(one.name.removesuffix(ENDING), one.matchers)
            return self._natives.series(one.name, self._matrix(ask(whole)))
        return tuple(_classic(one.name, *row) for row in rows)

    def _refuse_gauge(self, name: str) -> None:
        """A gauge goes up and down: each fall would look like a restart. Not every server knows types."""
        if name in self._counters:
            return
        family = name.removesuffix("_bucket").removesuffix("_count")
        for called in {name, family, name.removesuffix("_total")}:
            try:
                known = self._data("/api/v1/metadata", metric=called)
            except Refused:
                return
            types = {one.get("type") for one in (known or {}).get(called, ())}
            if types and not types & _COUNTED:
                raise Refused(f"{name} is a {types.pop()} there, and a guard wants a counter")
        self._counters.add(name)

    def _matrix(self, told: Any) -> list[tuple[Labels, dict[str, Any]]]:
        """The rows of an answer, each with its labels but for its name, which was asked for."""
        if told.get("resultType") != "matrix":
            raise Retry(f"{self._asking.name} answered with a {told.get('resultType')} instead of a matrix")
        return [
            (tuple(sorted((str(a), str(b)) for a, b in one["metric"].items() if a != "__name__")), one)
            for one in told["result"]
        ]

    def _ask(self, path: str, **params: str) -> dict[str, Any]:
        data = self._data(path, **params)
        if not isinstance(data, dict):
            raise self._odd()
        return data

    def _data(self, path: str, **params: str) -> Any:
        body = self._asking.get(path, params)
        try:
            return json.loads(body)["data"]
        except _MALFORMED as error:
            raise self._odd() from error

    def _odd(self) -> Retry:
        return Retry(f"{self._asking.name} answered otherwise than Prometheus' API; is it one?", after=5)


def _classic(name: str, labels: Labels, row: dict[str, Any]) -> Series:
    """A series of plain numbers."""
    if "histograms" in row:
        raise Refused(f"{name} is a native histogram there; write `query: {name}{ENDING}`, without `of`")
    points = tuple((float(at), float(value)) for at, value in row["values"])
    return Series(name, labels, points)
