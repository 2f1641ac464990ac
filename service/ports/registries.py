"""Registries: of models with their versions and aliases, and of images with their tags."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """What the registry knows of one version. `digest` pins its files by path and size or hash."""

    name: str
    version: str
    run: str | None
    tags: tuple[tuple[str, str], ...]
    digest: str
    author: str | None


class ModelRegistry(Protocol):
    """Names, versions and aliases of models; their files are only streamed, never opened."""

    def aliases(self) -> dict[tuple[str, str], str]:
        """All (model, alias) with the version that each names now."""
        ...

    def version(self, name: str, version: str) -> ModelVersion: ...

    def files(self, name: str, version: str) -> tuple[tuple[str, int], ...]:
        """Relative paths and sizes of the version's files."""
        ...

    def read(self, name: str, version: str, path: str) -> Iterator[bytes]: ...

    def set_alias(self, name: str, alias: str, version: str | None) -> None:
        """Make the alias name this version; None removes it. Absolute, safe to repeat."""
        ...

    def set_tags(self, name: str, version: str, tags: tuple[tuple[str, str], ...]) -> None: ...

    def describe(self, name: str, version: str, about: str, text: str) -> None:
        """Have the version's description say this about a target, on one line, as it is written here and in
        place of what it said of it before; what people wrote stays. Safe to repeat."""
        ...


class Webhooks(Protocol):
    """What else a registry can do whose server tells of changes by itself."""

    def register_webhook(self, address: str, secret: str) -> None:
        """See to it that the server tells this address, signed with this secret; safe to repeat."""
        ...

    def has_webhook(self, address: str) -> bool:
        """Whether the server would tell this address now."""
        ...


class ImageRegistry(Protocol):
    """Tags of images and what they name; the images themselves are nobody's business here."""

    def check(self) -> None:
        """Raise `Refused` or `Retry` unless an image registry answers."""
        ...

    def tags(self, repository: str) -> tuple[str, ...]:
        """All tags of a repository, which is named without the host; none where there is no such one."""
        ...

    def digest(self, repository: str, reference: str) -> str | None:
        """The digest (sha256:…) that a tag, or a digest itself, names now; None where it is not there.

        For an image of several platforms it is the digest of their index.
        """
        ...

    def created(self, repository: str, digest: str) -> float | None:
        """When the image was made (Unix seconds), as it says itself; None where it does not say it."""
        ...
