"""True labels that jobs leave where they log their other results, as tables."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Left:
    """What one job left; `ended` is Unix seconds by the source's clock, `key` names it there for ever."""

    key: str
    ended: float


class LabelTables(Protocol):
    """Finds tables of labels. Raises `Retry` and `Refused`."""

    def left(self, table: str, since: float) -> list[Left]:
        """What jobs that ended since then left under this name, oldest first; nothing known is nothing."""
        ...

    def read(self, key: str) -> bytes | None:
        """The table as JSON, `{"columns": [...], "data": [[...]]}`, or what the job counted in that form;
        None where it left neither. Raises `Malformed` where the counts are none."""
        ...
