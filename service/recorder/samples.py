"""Whole bodies of a few pairs, for people to look at: `<home>/recorder/samples/*.json`.

Kept for a day and below a size, and only where a policy asks for them: they hold what users sent.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

KEPT = 86_400.0  # seconds
MOST_BYTES = 64 << 20
EVERY = 60.0  # seconds between two looks for what is to be forgotten


@dataclass(frozen=True, slots=True)
class Sampled:
    """A request, what stable answered, and what the candidate did, as text."""

    target: str
    request: str
    at: float
    asked: str
    stable_answered: str
    answered: str


class Samples:
    """The folder, as its one writer sees it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._looked = 0.0

    def write(self, samples: Iterable[Sampled]) -> None:
        """Store these while there is room, and forget old ones. May raise `OSError`."""
        self.forget(time.time())
        for sample in samples:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._number = max(self._number + 1, time.time_ns() // 1_000_000)
            name = f"{sample.target.replace('/', '.')}.{self._number}.json"
            (self._folder / name).write_text(json.dumps(asdict(sample), indent=1) + "\n")

    def forget(self, now: float) -> None:
        """Remove what is old, and the oldest of what is too much."""
        if 0 <= now - self._looked < EVERY:
            return
        self._looked = now
        size = 0
        found = ((path, path.stat()) for path in self._folder.glob("*.json"))
        for path, stat in sorted(found, key=lambda one: -one[1].st_mtime):
            size += stat.st_size
            if stat.st_mtime < now - KEPT or size > MOST_BYTES:
                path.unlink(missing_ok=True)
