"""Providers of identities: who somebody at a browser is, and the groups that they are in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to log in, which only the browser that began it can end: each text follows from a secret that
    lies in its cookie, and none of them leads back to that. `back` is where the provider sends it."""

    state: str
    nonce: str
    verifier: str
    back: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody whom the provider knows: its own name for them, and its names for their groups.

    `subject` is its id of them, which stays when the name changes; `session` its id of the session that
    they logged in by there, None where it names none.
    """

    name: str
    groups: tuple[str, ...]
    subject: str
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """What ended at the provider: one session there or, where it names none, all of a subject's.

    At least one of both is told. `issued` is when the provider said so, by its clock.
    """

    subject: str | None
    session: str | None
    issued: float


class IdentityProvider(Protocol):
    """Logs people in and out, and says who is. All methods raise `Retry` where it does not answer."""

    def address(self, attempt: Attempt) -> str:
        """Where the browser is sent, to log in there."""

    def identify(self, attempt: Attempt, answer: Mapping[str, str]) -> Identity:
        """Who came back with this answer, by what the provider itself says and signs. Raises `Refused`."""

    def leaving(self, back: str) -> str | None:
        """Where the browser is sent to log out there, which leads to `back` afterwards; None where it has no
        such place. Raises `Refused` where that place cannot be trusted."""

    def ended(self, token: str) -> Ended:
        """What this logout token of the provider's ends. Raises `Refused` for what is none of its."""
