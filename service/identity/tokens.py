"""API tokens: random, shown once, stored only as a digest; each may do what its roles say, until it ends."""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import asdict

from policies.roles import Grant, Rights
from service.identity import callers
from service.identity.callers import ASKING, MACHINE, OF_TOKEN, SCOPED, WHOLE, Caller
from service.store.change import Change
from service.store.reading import Reading
from service.store.rows import Token
from service.store.store import Store
from service.store.tables import token as stored

OPERATOR = "operator"  # the name of the owner's token, which lies beside the stores
VERDICTS = ASKING  # may ask for verdicts, and for nothing else: some tools keep it where many can read


def digest_of(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def make(
    store: Store,
    name: str,
    role: str = WHOLE,
    expires: float | None = None,
    grants: Sequence[Grant] = (),
) -> str:
    """A new token of that name; one that had the name before is revoked by it. With `grants` it may do what
    these say; without, everything, or what `role` says."""
    secret = _new()
    with store.change() as change:
        made = Token(name, digest_of(secret), SCOPED if grants else role, change.now, expires)
        change.save_token(made)
        _give(change, made, grants, MACHINE)
    return secret


def add(store: Store, name: str, grants: Sequence[Grant], expires: float, by: str) -> str | None:
    """A new token of a name that none has, with these grants and none more, made by somebody; None where one
    has the name already."""
    secret = _new()
    with store.change() as change:
        made = Token(name, digest_of(secret), SCOPED, change.now, expires)
        # Stored where there is none, by one statement: of two who ask at once, one is given it.
        if not change.add_row(stored, asdict(made)):
            return None
        _give(change, made, grants, by)
    return secret


def _new() -> str:
    return "segue_" + secrets.token_urlsafe(32)


def _give(change: Change, token: Token, grants: Sequence[Grant], by: str) -> None:
    """Let it have these grants and none that its name had before."""
    callers.take_back(change, OF_TOKEN + token.name, by)
    for grant in dict.fromkeys(grants):
        callers.give(change, OF_TOKEN + token.name, grant, by)
    change.record(f"token-{token.name}", by, "token made", {"role": token.role, "expires": token.expires})


def take(store: Store, name: str, secret: str, role: str = WHOLE) -> None:
    """Let a token that was made elsewhere be valid, in place of the one that had the name before."""
    with store.change() as change:
        change.save_token(Token(name, digest_of(secret), role, change.now, None))
        change.record(f"token-{name}", MACHINE, "token taken", {"role": role})


def revoke(store: Store, name: str, by: str = MACHINE) -> bool:
    """End a token, and with it its sessions and links; whether there was one of that name."""
    with store.change() as change:
        callers.take_back(change, OF_TOKEN + name, by)
        there = change.remove_token(name)
        if there:
            change.record(f"token-{name}", by, "token revoked")
    return there


def all_of(store: Store) -> list[tuple[Token, Rights]]:
    """All tokens by name, those that have expired, too, each with what it may do."""
    with store.read() as read:
        return listed(read)


def listed(read: Reading) -> list[tuple[Token, Rights]]:
    """The same, of one moment: two queries, however many there are."""
    found = read.tokens()
    return list(zip(found, callers.of_tokens(read, found), strict=True))


def secret_in(authorization: str) -> str:
    """The token of an `Authorization: Bearer …` header; empty where there is none."""
    scheme, _, secret = authorization.partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def actor(store: Store, authorization: str) -> Caller | None:
    """Whose token an `Authorization: Bearer …` header has; None for an unknown one."""
    return _named(store, secret_in(authorization))


def asker(store: Store, authorization: str) -> Caller | None:
    """The same for who asks for a verdict; also as the password of `Authorization: Basic …`, which is what
    a URL with a login becomes."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "basic":
        return actor(store, authorization)
    try:
        secret = base64.b64decode(given, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return None
    return _named(store, secret)


def owner(change: Change, digest: str) -> Token | None:
    """The token of that digest, if who has it may see anything: others have no business on the page."""
    found = change.token(digest)
    return found if found and callers.of_token(change, found).rights.may_somewhere("see") else None


def _named(store: Store, secret: str) -> Caller | None:
    if not secret.strip():
        return None
    with store.read() as read:
        found = read.token(digest_of(secret.strip()))
        return None if found is None else callers.of_token(read, found)
