"""Places elsewhere that keep files for good: what is put there is evidence about what is kept here."""

from typing import Protocol


class Archive(Protocol):
    """One place. Whoever runs Segue should not be able to change what lies there."""

    def put(self, name: str, content: bytes) -> None:
        """Have it keep the file under that name; what it keeps under it already stays as it is.

        Raises `Refused` where it never will, `Retry` where it cannot now.
        """
        ...
