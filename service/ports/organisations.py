"""Organisations, groups and the like at a Git host: many repositories that tell by one hook."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository: its full name (`acme/models`), the address of its page, and when the host says that it
    was pushed to last (Unix seconds; 0.0: never)."""

    path: str
    url: str
    changed: float


class Organisation(Protocol):
    """Whose repositories are not known beforehand. All raise `Retry` and `Refused`."""

    def repositories(self) -> Iterator[Repository]:
        """Those that are not archived, what was changed last first; read as far as it is iterated."""
        ...

    def repository(self, path: str) -> Repository | None:
        """The repository of that full name as it is now; None where it is gone, has another name or is
        archived, or is none of this organisation's."""
        ...

    def declares(self, path: str) -> bool:
        """Whether its default branch holds a `segue.yaml` in any folder, as far as the host tells."""
        ...

    def register_webhook(self, address: str, secret: str) -> None: ...

    def has_webhook(self, address: str) -> bool: ...
