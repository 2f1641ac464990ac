"""A place that keeps files, in memory; for tests."""

from typing import Self

from service.settings import Settings


class MemoryArchive:
    """`files` are what it keeps, by name."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    @classmethod
    def open(cls, settings: Settings, place: str = "") -> Self:
        """An empty one."""
        del settings, place
        return cls()

    def put(self, name: str, content: bytes) -> None:
        self.files.setdefault(name, content)
