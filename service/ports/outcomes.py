"""How what was asked of the world ends: it was done, not yet, never, or nobody knows of it.

    PortError
    ├── Retry      the world is not ready; the effect stays in its lane
    └── Refused    the world says no; the machine is told, with the reason

Long work is looked at: it is `Working`, has `Failed`, or is `Gone`; its result is a value of its own.
"""

from dataclasses import dataclass


class PortError(Exception):
    """Something outside did not do what was asked."""


class Retry(PortError):
    """Not now; try again later."""

    def __init__(self, reason: str, after: float = 1.0) -> None:
        super().__init__(reason)
        self.after = after


class Refused(PortError):
    """No, and asking again will not help."""


@dataclass(frozen=True, slots=True)
class Working:
    """Started and not finished; `progress` is a word for people.

    `patience`: seconds that it may take beyond what a start takes, because others must act first.
    """

    progress: str = ""
    patience: float = 0.0


@dataclass(frozen=True, slots=True)
class Failed:
    """Ended without a result. `log` is the tail of what it printed."""

    reason: str
    log: str = ""


@dataclass(frozen=True, slots=True)
class Gone:
    """Nothing is known under this name: never started, or cleaned away."""
