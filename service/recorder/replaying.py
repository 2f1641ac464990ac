"""Recorded requests, asked of stable and of the candidate: evidence without users.

Each is asked once of both, at most so many a second, while the candidate's leg says so. Which was asked last
is written down first, so that after a restart none counts twice.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from service.recorder import requests
from service.recorder.asking import Asking
from service.recorder.noting import Noting
from service.recorder.orders import Followed, Home, Leg
from service.recorder.passing import Models
from service.recorder.requests import Recorded

LOOK_SECONDS = 0.5
KEPT = 30 * 86_400.0  # seconds for which it is remembered how far one came


class Replaying:
    """All targets' replays, each in a task of its own."""

    def __init__(self, home: Home, orders: Followed, noting: Noting) -> None:
        self._home, self._orders = home, orders
        self._models = Models(hides_502=False)
        self._asking = Asking(self._models, noting)
        self._running: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Follow the orders until cancelled."""
        await self._models.open()
        try:
            while True:
                self._follow()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)
            await self._models.close()

    def _follow(self) -> None:
        wanted = {leg.replays.key: leg for leg in self._orders.legs() if leg.replays is not None}
        for key in self._running.keys() - wanted.keys():
            self._running.pop(key).cancel()
        for key in wanted.keys() - self._running.keys():
            self._running[key] = asyncio.create_task(self._replay(wanted[key]))

    async def _replay(self, leg: Leg) -> None:
        """The requests of one leg; one file that cannot be read any more ends it."""
        assert leg.replays is not None  # noqa: S101  it is why this leg is replayed
        stable = self._orders.find(leg.replays.stable)
        if stable is not None:
            with contextlib.suppress(requests.Unusable, OSError):
                await self._asking.all(stable, leg, self._left(leg), leg.replays.rate)

    def _left(self, leg: Leg) -> Iterator[Recorded]:
        """What was not asked yet. Each is marked before it is: one that is lost is not asked again."""
        assert leg.replays is not None  # noqa: S101  it is why this leg is replayed
        mark = self._home.replayed / leg.replays.key
        done = _number(mark)
        for one in requests.read(requests.file_of(self._home.folder.parent, leg.replays.requests)):
            if one.line > done:
                _write(mark, one.line)
                yield one


def _number(mark: Path) -> int:
    try:
        return int(mark.read_text())
    except (OSError, ValueError):
        return 0


def _write(mark: Path, line: int) -> None:
    """How far it came; what others left long ago goes."""
    if not mark.parent.is_dir():
        mark.parent.mkdir(mode=0o700, parents=True)
    if not mark.exists():
        for old in mark.parent.iterdir():
            if old.stat().st_mtime < time.time() - KEPT:
                old.unlink(missing_ok=True)
    draft = mark.with_suffix(".draft")
    draft.write_text(str(line))
    draft.replace(mark)
