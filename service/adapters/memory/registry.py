"""A model registry of plain values: the same rules as a real one. For scenarios and as an example."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Self

from service.adapters import paragraph
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.ports.registries import ModelVersion
from service.settings import Settings

_PIECE = 1 << 20


class MemoryRegistry:
    """Versions are numbered from 1 in each model; it can be told to be away."""

    def __init__(self) -> None:
        self.away: str | None = None  # why it does not answer
        self.webhooks: dict[str, str] = {}  # secret by address
        self._versions: dict[tuple[str, str], tuple[ModelVersion, dict[str, bytes]]] = {}
        self._aliases: dict[tuple[str, str], str] = {}
        self.descriptions: dict[tuple[str, str], str] = {}

    @classmethod
    def open(cls, settings: Settings, source: Source | None = None) -> Self:
        """A registry that knows no model."""
        del settings, source
        return cls()

    def register(
        self, name: str, files: Mapping[str, bytes], *, run: str | None = None, author: str | None = None
    ) -> str:
        """Add a version with these files; its number."""
        number = str(1 + sum(1 for model, _ in self._versions if model == name))
        content = repr([(path, hashlib.sha256(data).digest()) for path, data in sorted(files.items())])
        digest = hashlib.sha256(content.encode()).hexdigest()
        self._versions[name, number] = (ModelVersion(name, number, run, (), digest, author), dict(files))
        return number

    def aliases(self) -> dict[tuple[str, str], str]:
        """All (model, alias) with the version that each names now."""
        self._answer()
        return dict(self._aliases)

    def version(self, name: str, version: str) -> ModelVersion:
        """What is known of a version. Raises `Refused` with the known names where there is none."""
        return self._known(name, version)[0]

    def files(self, name: str, version: str) -> tuple[tuple[str, int], ...]:
        """Relative paths and sizes of the version's files."""
        return tuple((path, len(data)) for path, data in sorted(self._known(name, version)[1].items()))

    def read(self, name: str, version: str, path: str) -> Iterator[bytes]:
        """One file in pieces."""
        data = self._known(name, version)[1].get(path)
        if data is None:
            raise Refused(f"version {version} of model {name!r} has no file {path!r}")
        return (data[start : start + _PIECE] for start in range(0, len(data), _PIECE))

    def set_alias(self, name: str, alias: str, version: str | None) -> None:
        """Make the alias name this version; None removes it. Absolute, safe to repeat."""
        self._model(name)
        if version is None:
            self._aliases.pop((name, alias), None)
        else:
            self._known(name, version)
            self._aliases[name, alias] = version

    def set_tags(self, name: str, version: str, tags: tuple[tuple[str, str], ...]) -> None:
        """Set these tags of the version; others stay."""
        found, files = self._known(name, version)
        merged = tuple(sorted({**dict(found.tags), **dict(tags)}.items()))
        self._versions[name, version] = (replace(found, tags=merged), files)

    def describe(self, name: str, version: str, about: str, text: str) -> None:
        """One line of the version's description."""
        self._known(name, version)
        before = self.descriptions.get((name, version), "")
        self.descriptions[name, version] = paragraph.put(before, about, text)

    def register_webhook(self, address: str, secret: str) -> None:
        """Remember whom to tell; whoever moves an alias here tells them."""
        self._answer()
        self.webhooks[address] = secret

    def has_webhook(self, address: str) -> bool:
        """Whether that one would be told."""
        self._answer()
        return address in self.webhooks

    def _answer(self) -> None:
        if self.away is not None:
            raise Retry(self.away)

    def _model(self, name: str) -> list[str]:
        """The numbers of a model's versions."""
        self._answer()
        numbers = [number for model, number in self._versions if model == name]
        if not numbers:
            known = ", ".join(sorted({model for model, _ in self._versions})) or "none"
            raise Refused(f"the registry has no model {name!r}; known: {known}")
        return numbers

    def _known(self, name: str, version: str) -> tuple[ModelVersion, dict[str, bytes]]:
        numbers = self._model(name)
        if version not in numbers:
            raise Refused(f"model {name!r} has no version {version}; the newest is {numbers[-1]}")
        return self._versions[name, version]
