"""What organisations of all hosts have in common: which of their repositories hold a `segue.yaml`.

A host's own module says in which words its API is asked.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from service.adapters.hosts.address import Address
from service.adapters.hosts.rest import Missing, Moved, Rest
from service.ports.organisations import Repository
from service.ports.outcomes import Refused, Retry

DECLARATION = "segue.yaml"
_NAME = re.compile(r"(?!\.)[A-Za-z0-9_.-]{1,100}(?:/(?!\.)[A-Za-z0-9_.-]{1,100})*")


class HostedOrganisation(ABC):
    """One organisation at a host."""

    def __init__(self, address: Address, rest: Rest) -> None:
        self._address = address
        self._rest = rest

    def repositories(self) -> Iterator[Repository]:
        try:
            yield from (self._made(told) for told in self._listed() if not told.get("archived"))
        except Missing as error:
            raise Refused(f"{self._address.page} is no organisation that the login may see") from error

    def repository(self, path: str) -> Repository | None:
        if not self._inside(path):
            return None
        try:
            told = self._one(path)
        except (Missing, Moved):
            return None
        found = self._made(told)
        return None if told.get("archived") or found.path.casefold() != path.casefold() else found

    def declares(self, path: str) -> bool:
        if not self._inside(path):
            return False
        try:
            return self._holds(path)
        except (Missing, Moved):
            return False  # gone by now, or still empty

    def _inside(self, path: str) -> bool:
        """Whether it may be one of ours: names of deliveries become parts of addresses."""
        ours = path.casefold().startswith(f"{self._address.path.casefold()}/")
        return ours and _NAME.fullmatch(path) is not None

    def _made(self, told: dict[str, Any]) -> Repository:
        """Its page's address is put together here: those of answers are never gone to."""
        try:
            path, changed = self._told(told)
            at = datetime.fromisoformat(changed).timestamp() if changed else 0.0
        except (KeyError, TypeError, ValueError):
            raise Retry(
                f"{self._address.page} tells of its repositories in a form that nobody expects", 60.0
            ) from None
        return Repository(path, f"{self._address.base}/{path}", at)

    @abstractmethod
    def _listed(self) -> Iterator[dict[str, Any]]:
        """All repositories, what was changed last first."""

    @abstractmethod
    def _one(self, path: str) -> dict[str, Any]:
        """What the host tells of one."""

    @abstractmethod
    def _told(self, told: dict[str, Any]) -> tuple[str, str | None]:
        """Full name, and when it was pushed to last."""

    @abstractmethod
    def _holds(self, path: str) -> bool:
        """Whether its default branch holds a declaration; true where the host does not tell all files."""


def is_declaration(path: Any) -> bool:
    """Whether a file's path is that of a declaration."""
    return str(path).rpartition("/")[2] == DECLARATION
