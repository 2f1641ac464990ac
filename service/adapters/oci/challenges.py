"""What a registry asks for before it answers: the challenges of `WWW-Authenticate` (RFC 9110, 11.6.1).

A registry wants a login, or a token of a service that it names; some offer both in one header. Sources:
Distribution, docs/content/spec/auth/token.md; RFC 7617.
"""

import re
from base64 import b64encode
from dataclasses import dataclass, field

Login = tuple[str, str]

_NEXT = re.compile(r'[\s,]*(?:(\w[\w-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|(\w[\w-]*))')


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to be let in: its scheme in small letters, and what it needs."""

    scheme: str
    facts: dict[str, str] = field(default_factory=dict)


def challenges(header: str) -> tuple[Challenge, ...]:
    """All that the header offers, in its order; what cannot be read ends it."""
    found: list[Challenge] = []
    at = 0
    while (part := _NEXT.match(header, at)) is not None:
        name, quoted, plain, scheme = part.groups()
        if scheme is not None:
            found.append(Challenge(scheme.lower()))
        elif found:
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found[-1].facts.setdefault(name.lower(), value)
        at = part.end()
    return tuple(found)


def basic(login: Login) -> str:
    """The header of a login, whatever characters it has (RFC 7617, 2.1)."""
    return "Basic " + b64encode(":".join(login).encode()).decode()


def login_of(secret: bytes | None) -> Login | None:
    """The user and password of a secret file, `user:password`; a password may have several lines."""
    user, found, password = (secret or b"").decode("utf-8", "replace").partition(":")
    return (user, password) if found else None
