"""The engine's rows as values.

A row's `state` is the machine's own JSON, which the store never looks into. `rev` is the row's
version when it was read: 0 for a row that is not stored yet.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """A release. `phase` and `final` repeat what `state` says, to be searched."""

    id: int
    model: str
    target: str
    number: int
    version_key: str
    phase: str
    final: bool
    state: dict[str, Any]
    rev: int = 0
    created: float = 0.0
    changed: float = 0.0

    @property
    def name(self) -> str:
        """What people call it."""
        return f"rel-{self.id}"


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version, known by the key that is derived from its content."""

    key: str
    model: str
    state: dict[str, Any]
    rev: int = 0
    created: float = 0.0
    changed: float = 0.0


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A target: `model/environment`, with its holder and epoch in `state`."""

    name: str
    state: dict[str, Any]
    rev: int = 0
    changed: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model as it was last declared, where and at which commit."""

    name: str
    source: str
    folder: str
    commit: str
    declaration: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last value seen of one reference; `sequence` counts its changes."""

    source: str
    reference: str
    value: str | None
    sequence: int
    at: float


@dataclass(frozen=True, slots=True)
class Token:
    """An API token; only the hash of its secret is stored. `expires` None never does."""

    name: str
    hash: str
    role: str
    created: float
    expires: float | None = None
