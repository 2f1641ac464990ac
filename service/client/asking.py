"""One installation's API and a person's token: how everything is asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from service.client.door import Door
from service.client.rows import Rows

Given = str | None


@dataclass(frozen=True, slots=True)
class Asking:
    """Whom to ask, and as whom. Every method raises `Unreachable` or `Refusal`."""

    intake: str
    web: str
    token: str = field(repr=False)
    channel: str = "api"  # by which people's commands are said to come

    @property
    def _door(self) -> Door:
        return Door(self.token)

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        return self._door.get(f"{self.web}/api/v1/{path}", dict(query or {}))

    def _rows(self, path: str, by: str, query: Mapping[str, str]) -> Rows[Any]:
        name = path.rpartition("/")[2]
        return Rows(lambda asked: self._get(path, asked), name, by, query)


def part(name: str) -> str:
    """A name within an address, whatever it holds."""
    return quote(name, safe="")


def said(**given: str | None) -> dict[str, str]:
    """What was given, of what may be asked."""
    return {name: value for name, value in given.items() if value is not None}
