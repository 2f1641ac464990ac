"""Who is logged in to the page: sessions and one-time links, each standing for a token.

Secrets are random and given out once; what is stored are their digests. A session ends after
`LONGEST_SECONDS`, when nobody has used it for `IDLE_SECONDS`, when it is ended, and with its token.
"""

import secrets
from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update

from service.change import Change
from service.rows import Token
from service.store import Store
from service.tables import session, token
from service.tokens import OPERATOR, digest_of

LINK_SECONDS = 600.0  # in which a one-time link must be followed
LONGEST_SECONDS = 12 * 3600.0
IDLE_SECONDS = 3600.0
NOTED_SECONDS = 60.0  # a use is written down this long after the last one: not each request writes


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is logged in. `proof` must come with what they send: only their own pages know it."""

    name: str
    proof: str


def offer(store: Store, token_secret: str) -> str | None:
    """The code of a link that logs the token's owner in, once and soon; None for an unknown token."""
    with store.change() as change:
        owner = _owner(change, digest_of(token_secret))
        if owner is None:
            return None
        return _add(change, owner.hash, link=True)


def redeem(store: Store, code: str) -> str | None:
    """A new session's secret for the code of a link, which is no code any more; None for any other text."""
    with store.change() as change:
        found = (session.c.digest == digest_of(code), session.c.link, session.c.until > change.now)
        # Removed and read by one statement: of two who follow it at once, one is let in.
        stands_for = change.connection.scalar(delete(session).where(*found).returning(session.c.token))
        return None if stands_for is None else _begin(change, stands_for, "link")


def begin(store: Store, token_secret: str) -> str | None:
    """A new session's secret for a token; None for an unknown one, and for one for verdicts alone."""
    if store.token(digest_of(token_secret)) is None:  # a wrong one costs no transaction that writes
        return None
    with store.change() as change:
        return _begin(change, digest_of(token_secret), "token")


def visitor(store: Store, secret: str) -> Visitor | None:
    """Whose session it is; None for one that has ended."""
    digest = digest_of(secret)
    joined = session.join(token, token.c.hash == session.c.token)
    columns = (token.c.name, token.c.expires, session.c.used, session.c.until)
    with store.read() as read:
        wanted = select(*columns).select_from(joined).where(session.c.digest == digest, ~session.c.link)
        row, now = read.connection.execute(wanted).one_or_none(), read.now
    if row is None or now >= min(row.until, row.used + IDLE_SECONDS, row.expires or row.until):
        return None
    if now >= row.used + NOTED_SECONDS:
        with store.change() as change:
            used = update(session).where(session.c.digest == digest).values(used=now)
            change.connection.execute(used)
    return Visitor(row.name, digest_of(f"proof:{secret}"))


def end(store: Store, secret: str) -> None:
    """Log out."""
    with store.change() as change:
        change.connection.execute(delete(session).where(session.c.digest == digest_of(secret)))


def _begin(change: Change, stands_for: str, by: str) -> str | None:
    owner = _owner(change, stands_for)
    if owner is None:
        return None
    change.record(f"token-{owner.name}", owner.name, "logged in", {"by": by})
    return _add(change, owner.hash, link=False)


def _owner(change: Change, stands_for: str) -> Token | None:
    """The token, if it may do more than ask for verdicts."""
    found = change.token(stands_for)
    return None if found is None or found.role != OPERATOR else found


def _add(change: Change, stands_for: str, *, link: bool) -> str:
    """One more; those that have ended are removed on the way."""
    change.connection.execute(delete(session).where(session.c.until < change.now))
    secret = secrets.token_urlsafe(32)
    until = change.now + (LINK_SECONDS if link else LONGEST_SECONDS)
    values = {"digest": digest_of(secret), "token": stands_for, "link": link}
    change.connection.execute(insert(session).values(**values, used=change.now, until=until))
    return secret
