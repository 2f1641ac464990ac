"""Pictures of releases, kept until there is something new to draw.

A report is computed anew from all increments, which takes the longer the longer a release is watched. So
one is computed at a time, what was drawn last is shown meanwhile, and none is computed again before
`REST` times as long as it took has passed: of one processor at most a twentieth goes into pictures.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from policies.release import Release
from service.pages import chart
from service.pages.chart import Chart
from service.reporting import data, panels
from service.store import recorded
from service.store.series import Series

KEPT = 32
REST = 20.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """A release's pictures and its sentence. `tag` changes with them."""

    tag: str
    sentence: str
    gaps: tuple[dict[str, Any], ...]
    charts: tuple[Chart, ...]
    again: float = 0.0  # a time before which they are not drawn anew


class Pictures:
    """The pictures that were asked for of late. Any thread may ask."""

    def __init__(self, series: Series, clock: Callable[[], float] = time.monotonic) -> None:
        self._series = series
        self._clock = clock
        self._known: OrderedDict[str, Drawn] = OrderedDict()
        self._drawing = threading.Lock()

    def of(self, release: Release) -> Drawn | None:
        """The newest that there are; None while the first are being drawn for somebody else."""
        known = self._known.get(release.name)
        tag = f"{self._series.newest(release.name)}.{release.phase.value}.{release.ended or 0:.0f}"
        if known is not None and (known.tag == tag or self._clock() < known.again):
            return known
        if not self._drawing.acquire(blocking=False):
            return known
        try:
            return self._draw(release, tag)
        finally:
            self._drawing.release()

    def _draw(self, release: Release, tag: str) -> Drawn:
        began = self._clock()
        report = data.of(release, recorded.of_release(self._series, release.name))
        charts = tuple(chart.of(panel) for panel in panels.of(report))
        ended = self._clock()
        again = ended + REST * (ended - began)
        drawn = Drawn(tag, report["sentence"], tuple(report["gaps"]), charts, again)
        self._known[release.name] = drawn
        self._known.move_to_end(release.name)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return drawn
