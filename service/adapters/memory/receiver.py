"""A receiver that keeps in memory what it is told; for tests and for trying things out."""

from dataclasses import dataclass, field
from typing import Self

from policies.notices import Notice
from service.ports.connections import Source
from service.ports.outcomes import PortError
from service.settings import Settings


@dataclass(slots=True)
class MemoryReceiver:
    """`told` holds each notice once, in the order of coming, `people` who of several was told it; `fails` is
    raised, as long as it is set."""

    told: list[Notice] = field(default_factory=list)
    people: dict[str, list[Notice]] = field(default_factory=dict)
    fails: PortError | None = None

    @classmethod
    def open(cls, _settings: Settings, _source: Source) -> Self:
        """One that was told nothing yet."""
        return cls()

    def check(self) -> str:
        self._reach()
        return "memory"

    def tell(self, notice: Notice, to: str = "") -> None:
        self._reach()
        if notice not in self.people.setdefault(to, []):
            self.people[to].append(notice)
            self.told.append(notice)

    def _reach(self) -> None:
        if self.fails is not None:
            raise self.fails
