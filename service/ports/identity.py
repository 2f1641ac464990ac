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
    """Somebody whom the provider knows: its own name for them, and its names for their groups."""

    name: str
    groups: tuple[str, ...]


class IdentityProvider(Protocol):
    """Logs people in. Both methods raise `Retry` where it does not answer."""

    def address(self, attempt: Attempt) -> str:
        """Where the browser is sent, to log in there."""

    def identify(self, attempt: Attempt, answer: Mapping[str, str]) -> Identity:
        """Who came back with this answer, by what the provider itself says and signs. Raises `Refused`."""
