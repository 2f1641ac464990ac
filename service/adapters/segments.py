"""A router's own counters as a guard reads them: all requests and failed ones, by version; no I/O."""

from collections.abc import Iterable

from policies.guards.readings import Series as Counter
from service.adapters.exposition import Series
from service.adapters.tally import lost
from service.ports.metrics import FAILED, REQUESTS, VERSION


def counters(
    found: Iterable[tuple[str, Series]], code: str, at: float, process: str | None = None
) -> tuple[Counter, ...]:
    """Two counters for each of the router's: what it counted, and that again where it was lost, else zero.

    `found`: each with its version. `process`: what tells this counting process from the one before.
    """
    made = []
    for version, one in found:
        labels = dict(one.labels) | {VERSION: version} | ({} if process is None else {"instance": process})
        known = tuple(sorted(labels.items()))
        bad = one.value if lost(one.labels.get(code, "")) else 0.0
        made += [Counter(REQUESTS, known, ((at, one.value),)), Counter(FAILED, known, ((at, bad),))]
    return tuple(made)
