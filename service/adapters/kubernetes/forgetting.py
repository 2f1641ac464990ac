"""Whether a data plane has forgotten a version: its own count of the version's requests stands still.

That a route is accepted is said by whoever reads it first; each of a data plane's replicas takes it up when
it comes to it. What counts is what they send.
"""

import math
from collections.abc import Callable

from service.ports.metrics import NoData, Sample

QUIET_SECONDS = 3.0  # between two counts that are the same; data planes gather changes for less


class Forgetting:
    """Compares what `counts` tells at each look."""

    def __init__(self, counts: Callable[[], Sample | NoData]) -> None:
        self._counts = counts
        self._seen: dict[str, tuple[float, float]] = {}  # a version's count, and since when it is that

    def why_not(self, backend: str) -> str:
        """Why the version may be sent requests still; empty where nothing speaks for it."""
        sample = self._counts()
        if isinstance(sample, NoData):
            return sample.reason
        counted = sample.named.get(backend)
        count = 0.0 if counted is None else counted.requests
        if math.isnan(count):
            return f"the requests of {backend} cannot be told apart"
        since, before = self._seen.get(backend, (sample.at, math.nan))
        if count != before:
            self._seen[backend] = sample.at, count
            return f"{backend} was sent {count:g} requests so far; the data plane may know it still"
        if sample.at - since < QUIET_SECONDS:
            return f"{backend} was sent no request for {sample.at - since:.0f} s"
        del self._seen[backend]
        return ""
