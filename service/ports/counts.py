"""Raw counters of a connected metric source, for guards that name a query; never rates, never averages."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from policies.guards.readings import Series
from policies.spec.selector import Selector


class CounterSource(Protocol):
    """Tells what counters said. Raises `Retry` and `Refused`; nothing that fits is an empty answer."""

    def check(self) -> None:
        """Whether it answers as such a source does; for whoever connects it."""

    def read(self, selectors: Sequence[Selector], now: float) -> tuple[Series, ...]:
        """Every series that one of these selects, each once, with its newest samples up to `now`."""


@runtime_checkable
class GaugeSource(Protocol):
    """A source that also knows what goes up and down."""

    def values(self, wanted: Selector, now: float) -> tuple[float, ...]:
        """What each series that this selects says now. Raises `Retry` and `Refused`."""


class CounterHistory(Protocol):
    """A source that also remembers."""

    def history(
        self, selectors: Sequence[Selector], since: float, until: float, step: float
    ) -> tuple[Series, ...]:
        """The same series between two moments, a sample each `step` seconds at most."""
