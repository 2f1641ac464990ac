"""Who is told what served when."""

from typing import Protocol


class LineageServer(Protocol):
    """Takes run events. The same event sent twice is one."""

    def send(self, event: bytes) -> None:
        """Tell it this event, as JSON. Raises `Refused` where it never takes it, `Retry` where not now."""
        ...
