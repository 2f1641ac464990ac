"""An organisation that is kept in memory; for tests and for trying things out."""

from collections.abc import Iterator
from typing import Self

from service.adapters.memory.git import MemoryGit
from service.ports.connections import Source
from service.ports.organisations import Repository
from service.settings import Settings


class MemoryOrganisation:
    """Repositories are put in and taken out by hand: `hosts` by their full names, and when each `changed`.
    `asked` are those whose files were asked for."""

    def __init__(self, url: str = "https://git.example/acme") -> None:
        self.base, _, self.name = url.rpartition("/")
        self.hosts: dict[str, MemoryGit] = {}
        self.changed: dict[str, float] = {}
        self.asked: list[str] = []
        self.hooks: dict[str, str] = {}

    @classmethod
    def open(cls, settings: Settings, source: Source) -> Self:
        """An organisation without repositories."""
        del settings
        return cls(source.url)

    def repositories(self) -> Iterator[Repository]:
        yield from sorted(map(self._told, self.hosts), key=lambda one: -one.changed)

    def repository(self, path: str) -> Repository | None:
        return self._told(path) if path in self.hosts else None

    def declares(self, path: str) -> bool:
        self.asked.append(path)
        host = self.hosts[path]
        commit = host.refs().get(host.default_branch())
        return commit is not None and any(
            entry.path.rpartition("/")[2] == "segue.yaml" for entry in host.tree(commit)
        )

    def register_webhook(self, address: str, secret: str) -> None:
        self.hooks[address] = secret

    def has_webhook(self, address: str) -> bool:
        return address in self.hooks

    def _told(self, path: str) -> Repository:
        return Repository(path, f"{self.base}/{path}", self.changed.get(path, 0.0))
