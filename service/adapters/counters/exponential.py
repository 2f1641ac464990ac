"""A Prometheus's native histograms as the counters `…_bucket` that guards read.

Prometheus keeps such a histogram as one series under the histogram's own name, in buckets whose resolution
falls as they fill. Here each sample becomes cumulative counts at bounds that all series of the name share, so
that `query: …_bucket` means the same for both kinds of histogram. A name that became coarse stays so: bounds
that came again would look like counters that began at zero. No differences are taken here.

Contract: the HTTP API's `"histograms": [[time, {"buckets": [[rule, "lower", "upper", "count"], …], …}], …]`,
https://prometheus.io/docs/prometheus/latest/querying/api/#native-histograms.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from policies.guards import native
from policies.guards.native import FINEST, HIGHEST, Cumulative, Native
from policies.guards.readings import Series
from service.ports.outcomes import Refused

ENDING = "_bucket"
_ROUNDING = 1e-6  # of counts that are no whole numbers
Labels = tuple[tuple[str, str], ...]


class Exponential:
    """Knows of each name the coarsest resolution that was read."""

    def __init__(self) -> None:
        self._coarsest: dict[str, int] = {}

    def series(self, name: str, told: Iterable[tuple[Labels, Mapping[str, Any]]]) -> tuple[Series, ...]:
        """The series of `name`, a `…_bucket`, from rows of a matrix with their labels; rows without native
        histograms have no part in it. Raises `Refused` for buckets that cannot be compared."""
        read = [(labels, [_sample(name, *one) for one in row.get("histograms", ())]) for labels, row in told]
        _refuse_longer(name, [samples[-1][1] for _, samples in read if samples])
        schemas = [one.schema for _, samples in read for _, one in samples]
        coarsest = self._coarsest[name] = min([self._coarsest.get(name, FINEST), *schemas])
        return tuple(
            series
            for labels, samples in read
            if samples
            for series in _by_bound(
                name,
                labels,
                [at for at, _ in samples],
                native.alike(*(one for _, one in samples), coarsest=coarsest),
            )
        )


def _sample(name: str, at: float, told: Mapping[str, Any]) -> tuple[float, Native]:
    found = native.of_rows(told.get("buckets") or ())
    if isinstance(found, str):
        raise Refused(f"{name.removesuffix(ENDING)} is a native histogram there, and {found}")
    count = float(told["count"])
    if not abs(count - _all(found)) <= _ROUNDING * max(count, 1.0):
        raise Refused(
            f"{name.removesuffix(ENDING)} is a native histogram there, and its buckets do not add up to its"
            " count: something that is no number was observed"
        )
    return float(at), found


def _all(one: Native) -> float:
    return one.zero + sum(count for _, count in one.counts)


def _refuse_longer(name: str, newest: Sequence[Native]) -> None:
    """One of milliseconds lies beyond all bounds, and a guard would never see anything there."""
    counts = native.alike(*newest) if newest else ()
    every = sum(one[-1][1] for one in counts)
    if every - sum(one[-2][1] for one in counts) > every / 2:
        raise Refused(
            f"{name.removesuffix(ENDING)} is a native histogram there, and most of what it counts is longer"
            f" than {2**HIGHEST} s, up to which one is read; export seconds, or classic buckets"
        )


def _by_bound(
    name: str, labels: Labels, times: list[float], counts: tuple[Cumulative, ...]
) -> Iterator[Series]:
    """One series for each bound, as a classic histogram has them."""
    for place, (bound, _) in enumerate(counts[0]):
        le = "+Inf" if bound == math.inf else repr(bound)
        points = tuple((at, one[place][1]) for at, one in zip(times, counts, strict=True))
        yield Series(name, tuple(sorted((*labels, ("le", le)))), points)
