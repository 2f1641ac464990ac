"""Recorded requests, sent to the recorder of a cluster while a release is in the shadow there.

They lie on Segue's machine, `<home>/requests/<name>.jsonl`; on one machine the recorder reads them itself.
Each look sends as many as the time since the last one allows. Up to where is stored before they are sent, so
that none is asked twice: what may or may not have come through is not sent again.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from service.bootstrap import Parts
from service.observing.watched import Scene, Watched
from service.ports.outcomes import PortError
from service.ports.recordings import Noted
from service.recorder import between, requests
from service.store.series import Held, Series

log = structlog.get_logger()


@dataclass(slots=True)
class File:
    """Where one release's file is read next: behind so many lines, at that byte. `owed`: so many may be sent
    by `looked_at`; `waiting`: those that are stored as asked, and that no pod had room for yet."""

    path: Path
    line: int
    byte: int
    looked_at: float
    owed: float = 1.0
    waiting: list[bytes] = field(default_factory=list)

    def next(self, now: float, rate: float) -> list[bytes]:
        """As many lines as the time since the last look allows. What cannot be sent now is not caught up
        with, or more than `rate` a second would be asked. Raises `Unusable` where the file cannot be read."""
        self.owed = min(self.owed, 1.0) + rate * (now - self.looked_at)
        self.looked_at = now
        if self.waiting or self.owed < 1:
            return []
        count = min(math.floor(self.owed), between.MOST_LINES)
        return requests.part(self.path, self.byte, count, between.MOST_SENT)

    def took(self, lines: list[bytes]) -> None:
        """These wait to be sent."""
        self.waiting = lines
        self.line += len(lines)
        self.byte += sum(map(len, lines))
        self.owed %= 1.0


@dataclass(slots=True)
class RecordedRequests:
    """All files that are asked in clusters now."""

    parts: Parts
    series: Series
    _files: dict[str, File] = field(default_factory=dict)  # by release
    _told: dict[str, str] = field(default_factory=dict)  # why nothing was sent, as it was logged last

    def ask(self, held: Held, scene: Scene, now: float) -> None:
        """The next lines of each release in the shadow there. Raises `Conflict` where the lease is lost."""
        for one in scene.watched if scene.place.cluster is not None else ():
            if one.release.copied and one.release.environment.shadow.requests:
                try:
                    self._ask(held, one, now)
                except (PortError, requests.Unusable) as reason:
                    self._tell(one.release.name, str(reason))

    def keep(self, releases: frozenset[str]) -> None:
        """Forget all but these."""
        self._files = {name: file for name, file in self._files.items() if name in releases}
        self._told = {name: why for name, why in self._told.items() if name in releases}

    def _ask(self, held: Held, one: Watched, now: float) -> None:
        name, shadow = one.release.name, one.release.environment.shadow
        noted = self.parts.at(one.release.place).noted
        versions = (one.stable or "", one.release.backend)
        file = self._files.get(name) or self._opened(one, now)
        self._files[name] = file
        lines = file.next(now, shadow.rate)
        if noted is None or not (lines or file.waiting) or not noted.ready(one.release.target, versions):
            return
        if lines:
            with self.series.change(held) as change:
                change.mark_asked(name, file.line + len(lines))
            file.took(lines)
        self._send(noted, one, versions, file)

    def _send(self, noted: Noted, one: Watched, versions: tuple[str, str], file: File) -> None:
        lines, file.waiting = file.waiting, []  # whatever becomes of them: they may be asked
        first, rate = file.line - len(lines) + 1, one.release.environment.shadow.rate
        if not noted.ask(one.release.target, versions, b"".join(lines), first, rate):
            file.waiting = lines
        self._told.pop(one.release.name, None)

    def _opened(self, one: Watched, now: float) -> File:
        """Behind the lines that were asked before, maybe by another process."""
        environment = one.release.environment
        path = requests.file_of(self.parts.settings.home, environment.shadow.requests)
        line = self.series.asked(one.release.name)
        return File(path, line, requests.begin_of(path, line + 1), now)

    def _tell(self, release: str, reason: str) -> None:
        """Once for as long as it stays so."""
        if self._told.get(release) != reason:
            self._told[release] = reason
            log.warning("recorded requests are not asked", release=release, reason=reason)
