"""What was noted of answers to copied requests, where that is not in files of this machine."""

from collections.abc import Mapping
from typing import Protocol

from service.recorder.spool import Note


class Noted(Protocol):
    """The notes of a cluster's recorders."""

    def take(
        self,
        target: str,
        versions: tuple[str, str],
        heard: Mapping[str, int],
        stored: Mapping[str, int],
    ) -> tuple[list[Note], dict[str, int]]:
        """About one pair of versions of a target, stable and the candidate: what comes after what was heard,
        and what is heard by then, by recorder. What is stored needs to be told to nobody any more. Raises
        `PortError`."""
        ...

    def answered(self, heard: Mapping[str, int]) -> tuple[list[Note], dict[str, int]]:
        """The same of who answered which request, by the stamp in the answer; what was heard is stored.
        Raises `PortError`."""
        ...

    def ready(self, target: str, versions: tuple[str, str]) -> bool:
        """Whether recorded requests can be asked of that pair of versions now. Raises `PortError`."""
        ...

    def ask(self, target: str, versions: tuple[str, str], lines: bytes, first: int, rate: float) -> bool:
        """Have both asked these lines of recorded requests, `rate` a second; the first has that number. False
        where those before are still asked. Raises `PortError`: then they may be asked or not."""
        ...

    def key(self, target: str, versions: tuple[str, str]) -> bytes:
        """The key of the digests that are kept in the place of answers."""
        ...
