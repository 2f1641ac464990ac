"""Counters that a program exports itself: the Prometheus text of its /metrics, or a JSON document.

JSON: `{"at": 1760000000.5, "counters": [{"name": "lost_total", "labels": {"version": "…"}, "value": 3}]}`.
`at` (Unix seconds) is when it was counted; without it, when it was read. Taken whole or not at all.
"""

import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Self

from policies.guards.readings import Series
from policies.spec.selector import Selector
from service.adapters import exposition
from service.adapters.counters.asking import Asking
from service.adapters.exposition import Strange
from service.ports.connections import Source
from service.ports.outcomes import Retry
from service.settings import Settings

Found = tuple[str, dict[str, str], float]


class _Page(ABC):
    """What one address answers, read whole each time."""

    def __init__(self, asking: Asking, clock: Callable[[], float] = time.time) -> None:
        self._asking = asking
        self._clock = clock

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """What is behind a source: its address is the whole one."""
        return cls(Asking.of(settings, source))

    def check(self) -> None:
        """Whether it answers in its form."""
        self.read((), self._clock())

    def read(self, selectors: Sequence[Selector], now: float) -> tuple[Series, ...]:
        """One sample of each series."""
        del now
        body = self._asking.get()
        at, every = self._told(body, self._clock(), selectors)
        return tuple(_series(name, labels, at, value) for name, labels, value in _fitting(selectors, every))

    @abstractmethod
    def _told(self, body: bytes, at: float, selectors: Sequence[Selector]) -> tuple[float, Sequence[Found]]:
        """When it was counted (read at `at`), and what. Raises `Retry` for another form."""


class ScrapedCounters(_Page):
    """A program's /metrics. A process that says when it started is told from the one before."""

    def _told(self, body: bytes, at: float, selectors: Sequence[Selector]) -> tuple[float, Sequence[Found]]:
        try:
            started, found = exposition.chosen(body.decode(), {one.name for one in selectors})
        except (Strange, UnicodeDecodeError) as error:
            raise Retry(f"{self._asking.name}: {error}", after=5) from error
        own = {} if started is None else {"instance": f"started {started:.3f}"}
        return at, [(one.name, own | dict(one.labels), one.value) for one in found]


class JsonCounters(_Page):
    """A JSON document with counters."""

    def _told(self, body: bytes, at: float, selectors: Sequence[Selector]) -> tuple[float, Sequence[Found]]:
        del selectors
        try:
            told = json.loads(body)
            at = at if told.get("at") is None else float(told["at"])
            return at, [_counter(one) for one in told["counters"]]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Retry(
                f'{self._asking.name} answered otherwise than {{"counters": [{{"name": …, "labels": {{…}},'
                f' "value": …}}]}} ({type(error).__name__})',
                after=5,
            ) from error


def _counter(one: Any) -> Found:
    value = one["value"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(value)
    labels = one.get("labels") or {}
    return str(one["name"]), {str(name): str(said) for name, said in labels.items()}, float(value)


def _fitting(selectors: Sequence[Selector], every: Sequence[Found]) -> list[Found]:
    return [one for one in every if any(chosen.fits(one[0], one[1]) for chosen in selectors)]


def _series(name: str, labels: dict[str, str], at: float, value: float) -> Series:
    return Series(name, tuple(sorted(labels.items())), ((at, value),))
