"""Files in a folder of a branch, each by a commit; what lets nobody rewrite the branch is the host's rule."""

from typing import Self

from service import commits, sources
from service.commits import Spot
from service.ports.git import GitWriter
from service.settings import Settings


class CommitArchive:
    """One folder of one branch."""

    def __init__(self, writer: GitWriter, spot: Spot) -> None:
        self._writer = writer
        self._spot = spot

    @classmethod
    def open(cls, settings: Settings, place: str) -> Self:
        """The place `source:branch:folder`. Raises `Refused` where that cannot be committed to."""
        spot = Spot.of(place)
        return cls(commits.writer(settings, sources.load(settings.home), spot), spot)

    def put(self, name: str, content: bytes) -> None:
        path = f"{self._spot.folder}/{name}"
        if self._writer.read(self._writer.tip(self._spot.branch), path) is None:
            self._writer.write(self._spot.branch, {path: content}, f"Keep {name}")
