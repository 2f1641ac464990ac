"""Commits to a repository at a Git host: made in its mirror, then pushed over HTTP with the source's login.

No host's own API is needed for that, so it is one way for all of them. The push names the tip that the
host must still have (`--force-with-lease`); it never makes a branch, and nothing is ever pushed over.
"""

import time
from collections.abc import Callable, Mapping
from typing import Self

from service import plugins
from service.adapters.hosts.host import Host
from service.adapters.repository.running import Ended
from service.adapters.repository.writing import Writer
from service.ports.connections import Source
from service.settings import Settings

FRESH = 3.0  # seconds for which a tip that was fetched is told again: it is asked for at every look


class HostWriter(Writer):
    """Writes to the repository that a host's adapter reads. `clock` counts seconds."""

    def __init__(self, source: Source, host: Host, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(source.url, host)
        self._at = host
        self._clock = clock
        self._tips: dict[str, tuple[float, str]] = {}

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """The source's repository, with the login that is in its secret file now."""
        return cls(source, plugins.load("git_hosts", source.kind).open(settings, source))

    def tip(self, branch: str) -> str:
        """As it was fetched a moment ago; whoever writes has it fetched anew."""
        at, known = self._tips.get(branch, (0.0, ""))
        if known and self._clock() - at < FRESH:
            return known
        found = super().tip(branch)
        self._tips[branch] = (self._clock(), found)
        return found

    def write(self, branch: str, changes: Mapping[str, bytes | None], message: str) -> str:
        self._tips.clear()
        return super().write(branch, changes, message)

    def _move(self, branch: str, tip: str, made: bytes) -> str | None:
        self._tips.clear()
        return self._at.push(branch, tip, made)

    def _run(self, *words: str, data: bytes = b"") -> Ended:
        return self._at.command(*words, data=data)
