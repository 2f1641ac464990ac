"""An image registry of plain values: the same rules as a real one. For scenarios and as an example."""

import hashlib
from typing import Self

from service.ports.connections import Source
from service.ports.outcomes import Retry
from service.settings import Settings


class MemoryImages:
    """Images are pushed, tags moved and removed by hand; it can be told to be away."""

    def __init__(self) -> None:
        self.away: str | None = None  # why it does not answer
        self.asked: list[str] = []  # the repositories whose tags were asked for
        self._images: dict[tuple[str, str], float | None] = {}  # repository and digest to when it was made
        self._tags: dict[tuple[str, str], str] = {}

    @classmethod
    def open(cls, settings: Settings, source: Source | None = None) -> Self:
        """A registry without images."""
        del settings, source
        return cls()

    def push(self, repository: str, tag: str, content: str, created: float | None = None) -> str:
        """Let the tag name an image of this content, whatever it named before; the digest."""
        digest = f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
        self._images[repository, digest] = created
        self._tags[repository, tag] = digest
        return digest

    def remove(self, repository: str, tag: str) -> None:
        """Take the tag away; its image stays."""
        self._tags.pop((repository, tag))

    def check(self) -> None:
        if self.away is not None:
            raise Retry(self.away)

    def tags(self, repository: str) -> tuple[str, ...]:
        self.check()
        self.asked.append(repository)
        return tuple(tag for known, tag in self._tags if known == repository)

    def digest(self, repository: str, reference: str) -> str | None:
        self.check()
        known = reference if (repository, reference) in self._images else None
        return self._tags.get((repository, reference), known)

    def created(self, repository: str, digest: str) -> float | None:
        self.check()
        return self._images[repository, digest]
