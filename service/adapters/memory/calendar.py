"""A calendar that is kept by hand; for tests and for trying things out."""

from service.ports.calendars import Fetched
from service.ports.outcomes import PortError


class MemoryCalendar:
    """Tells what it was given last; may fail as told."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = data
        self.fails: PortError | None = None

    def fetch(self, mark: str) -> Fetched | None:
        if self.fails is not None:
            raise self.fails
        present = str(hash(self.data))
        return None if mark == present else Fetched(self.data, present)
