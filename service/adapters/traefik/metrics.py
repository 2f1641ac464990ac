"""One reading of Traefik's counters, whole or not at all.

A version's requests are those of the service `version.<name>`; previews have services of their own
and are not read. It never computes a rate, and nothing but `NoData` comes out where anything in
the answer is strange.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Self

from policies.guards.readings import Series as Counter
from policies.spec.support import BOUNDS
from service.adapters import exposition, segments
from service.adapters.exposition import Names, Series, Strange
from service.adapters.tally import Tally, unasked
from service.adapters.traefik import truth
from service.adapters.traefik.layout import Layout, Unanswered
from service.adapters.traefik.rendering import backend_of
from service.ports.connections import Source
from service.ports.metrics import NoData, Sample
from service.ports.outcomes import PortError, Refused, Retry
from service.settings import Settings

SECONDS = 2.0
NAMES = Names("traefik_service_requests_total", "traefik_service_request_duration_seconds_bucket")


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
            with self._layout.asked("/metrics", SECONDS) as pieces:
                at = time.time()  # it counts before it answers, and a long answer takes its time
                return streamed(pieces, at, routed)
        except (Unanswered, Strange, PortError, OSError) as error:
            return NoData(str(error))
        except UnicodeDecodeError:
            return NoData("the router's metrics are not text")

    def split(self, labels: Sequence[str]) -> tuple[Counter, ...]:
        """The requests by version and these labels. Raises `Refused` for a label that is not counted by."""
        try:
            with self._layout.asked("/metrics", SECONDS) as pieces:
                started, found = exposition.streamed(pieces, NAMES)
        except (Unanswered, Strange, UnicodeDecodeError) as error:
            raise Retry(str(error)) from error
        named = ((backend_of(one.labels.get("service", "")), one) for one in found)
        each = [(name, one) for name, one in named if name is not None and one.name == NAMES.requests]
        if missing := [label for label in labels if any(label not in one.labels for _, one in each)]:
            raise Refused(
                f"the router counts by no label {missing[0]}; name it and its header in SEGUE_SEGMENTS, then"
                " start the router anew: segue down --all, segue up"
            )
        return segments.counters(each, NAMES.code, time.time(), f"started {started:.3f}")


def parse(text: str, at: float, routed: frozenset[str] = frozenset()) -> Sample:
    """The sample in a Prometheus text; raises `Strange`. Every line that counts must be whole."""
    return _sample(at, routed, *exposition.read(text, NAMES))


def streamed(pieces: Iterable[bytes], at: float, routed: frozenset[str] = frozenset()) -> Sample:
    """The same of a text as it comes. Raises `UnicodeDecodeError`, too."""
    return _sample(at, routed, *exposition.streamed(pieces, NAMES))


def _sample(at: float, routed: frozenset[str], started: float, found: Iterable[Series]) -> Sample:
    tallies = {name: unasked(BOUNDS) for name in routed}
    for one in found:
        backend = backend_of(one.labels.get("service", ""))
        if backend is not None and not _recorder_was_away(one):
            tallies.setdefault(backend, Tally()).add(one, NAMES)
    backends = tuple((name, tally.counters(name)) for name, tally in sorted(tallies.items()))
    return Sample(at, started, backends)


def _recorder_was_away(one: Series) -> bool:
    """Traefik's own 502: nobody answered there, the request goes on elsewhere, and is counted there. The
    recorder itself says 502 to nobody."""
    return one.labels.get("service", "").startswith("recorded.") and one.labels.get("code") == "502"


def _routed(layout: Layout) -> frozenset[str]:
    entries = truth.load(layout).values()
    return frozenset(b.name for entry in entries if entry.route is not None for b in entry.route.backends)
