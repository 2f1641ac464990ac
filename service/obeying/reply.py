"""What a person who commands is told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """What a person is told. `ok` False: nothing was done, and `text` says why and what to do."""

    ok: bool
    text: str
    release: str | None = None
