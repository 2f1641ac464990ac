"""API tokens: random, shown once, stored only as a digest."""

import base64
import binascii
import hashlib
import secrets

from service.rows import Token
from service.store import Store

OPERATOR = "operator"
VERDICTS = "verdicts"  # may ask for verdicts, and for nothing else: some tools keep it where many can read


def digest_of(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def make(store: Store, name: str, role: str = OPERATOR, expires: float | None = None) -> str:
    """A new token of that name; one that had the name before is revoked by it."""
    secret = "segue_" + secrets.token_urlsafe(32)
    with store.change() as change:
        change.save_token(Token(name, digest_of(secret), role, change.now, expires))
        change.record(f"token-{name}", "segue", "token made", {"role": role})
    return secret


def take(store: Store, name: str, secret: str, role: str = OPERATOR) -> None:
    """Let a token that was made elsewhere be valid, in place of the one that had the name before."""
    with store.change() as change:
        change.save_token(Token(name, digest_of(secret), role, change.now, None))
        change.record(f"token-{name}", "segue", "token taken", {"role": role})


def secret_in(authorization: str) -> str:
    """The token of an `Authorization: Bearer …` header; empty where there is none."""
    scheme, _, secret = authorization.partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def actor(store: Store, authorization: str) -> str | None:
    """The name of the token in an `Authorization: Bearer …` header; None for an unknown one, and for one
    that may only ask for verdicts."""
    return _named(store, secret_in(authorization), {OPERATOR})


def asker(store: Store, authorization: str) -> str | None:
    """The same for who asks for a verdict; also as the password of `Authorization: Basic …`, which is what
    a URL with a login becomes."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "basic":
        return _named(store, secret_in(authorization), {OPERATOR, VERDICTS})
    try:
        secret = base64.b64decode(given, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return None
    return _named(store, secret, {OPERATOR, VERDICTS})


def _named(store: Store, secret: str, roles: set[str]) -> str | None:
    found = store.token(digest_of(secret.strip())) if secret.strip() else None
    return None if found is None or found.role not in roles else found.name


def valid(store: Store, name: str, now: float) -> bool:
    """Whether somebody of this name has a token that may command."""
    return any(
        one.name == name and one.role == OPERATOR and (one.expires is None or now < one.expires)
        for one in store.tokens()
    )
