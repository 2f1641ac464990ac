"""Tables of labels that are put there by hand; for tests and for trying things out."""

from typing import Self

from service.ports.connections import Source
from service.ports.label_tables import Left
from service.settings import Settings


class MemoryTables:
    """What jobs left: by table and key, with the time."""

    def __init__(self) -> None:
        self.tables: dict[str, list[Left]] = {}
        self.content: dict[str, bytes] = {}
        self.read_keys: list[str] = []

    @classmethod
    def open(cls, settings: Settings, source: Source | None = None) -> Self:
        """A source without tables."""
        del settings, source
        return cls()

    def leave(self, table: str, left: Left, content: bytes) -> None:
        """A job ended, and left this."""
        self.tables.setdefault(table, []).append(left)
        self.content[left.key] = content

    def left(self, table: str, since: float) -> list[Left]:
        found = (one for one in self.tables.get(table, []) if one.ended > since)
        return sorted(found, key=lambda one: one.ended)

    def read(self, key: str) -> bytes | None:
        self.read_keys.append(key)
        return self.content.get(key)
