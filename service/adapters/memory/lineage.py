"""A server of lineage, in memory; for tests."""

import json
from typing import Any, Self

from service.settings import Settings


class MemoryLineage:
    """`events` are those that it was told, each once."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """One that knows nothing yet."""
        del settings
        return cls()

    def send(self, event: bytes) -> None:
        told = json.loads(event)
        if told not in self.events:
            self.events.append(told)
