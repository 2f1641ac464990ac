"""Who is logged in to the page: sessions and one-time links that stand for a token, and logins by a
provider of identities.

Secrets are random and given out once; what is stored are their digests. A session ends after
`LONGEST_SECONDS`, when nobody has used it for `IDLE_SECONDS`, when it is ended, and with its token.
What its owner may do is read anew each time.
"""

import secrets
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table, delete, insert, null, select, update

from policies.roles import Rights
from service.identity import callers, people
from service.identity import groups as provider_groups
from service.identity.callers import OF_TOKEN, Caller
from service.identity.tokens import digest_of, owner
from service.ports.identity import Ended, Identity
from service.store.change import Change
from service.store.reading import Reading
from service.store.rows import Token
from service.store.store import Store
from service.store.tables import login, session, token

LINK_SECONDS = 600.0  # in which a one-time link must be followed
LONGEST_SECONDS = 12 * 3600.0
IDLE_SECONDS = 3600.0
CLOCKS = 60.0  # seconds that the provider's clock and ours may differ
NOTED_SECONDS = 60.0  # a use is written down this long after the last one: not each request writes


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is logged in. `proof` must come with what they send: only their own pages know it."""

    caller: Caller
    proof: str

    @property
    def name(self) -> str:
        return self.caller.name

    @property
    def rights(self) -> Rights:
        return self.caller.rights


@dataclass(frozen=True, slots=True)
class _Found:
    """A session that goes on, and the table that it stands in."""

    table: Table
    caller: Caller
    used: float


def offer(store: Store, token_secret: str) -> str | None:
    """The code of a link that logs the token's owner in, once and soon; None for an unknown token."""
    with store.change() as change:
        known = owner(change, digest_of(token_secret))
        return None if known is None else _add(change, known.hash, link=True)


def redeem(store: Store, code: str) -> str | None:
    """A new session's secret for the code of a link, which is no code any more; None for any other text."""
    with store.change() as change:
        found = (session.c.digest == digest_of(code), session.c.link, session.c.until > change.now)
        # Removed and read by one statement: of two who follow it at once, one is let in.
        stands_for = change.connection.scalar(delete(session).where(*found).returning(session.c.token))
        return None if stands_for is None else _begin(change, stands_for, "link")


def begin(store: Store, token_secret: str) -> str | None:
    """A new session's secret for a token; None for an unknown one, and for one that may see nothing."""
    if store.token(digest_of(token_secret)) is None:  # a wrong one costs no transaction that writes
        return None
    with store.change() as change:
        return _begin(change, digest_of(token_secret), "token")


def begin_for(store: Store, name: str, found: Identity) -> str | None:
    """A new session's secret for whom a provider of identities named; None where nobody gave them a role
    with which they may see anything."""
    with store.change() as change:
        caller = callers.of_login(change, name, found.groups)
        sees = caller.rights.may_somewhere("see")
        if sees or people.accounts(change, name):  # of strangers nothing is kept
            provider_groups.learn(change, name, found.groups)
        if not sees:
            return None
        change.record(f"login-{name}", name, "logged in", {"by": "provider", "groups": list(found.groups)})
        change.connection.execute(delete(login).where(login.c.until < change.now))
        secret, until = secrets.token_urlsafe(32), change.now + LONGEST_SECONDS
        values = {"digest": digest_of(secret), "name": name, "groups": list(found.groups)}
        theirs = {"subject": found.subject, "session": found.session}
        change.connection.execute(insert(login).values(**values, **theirs, used=change.now, until=until))
        return secret


def visitor(store: Store, secret: str) -> Visitor | None:
    """Whose session it is; None for one that has ended."""
    digest = digest_of(secret)
    with store.read() as read:
        found, now = _by_token(read, digest) or _by_provider(read, digest), read.now
    if found is None:
        return None
    if now >= found.used + NOTED_SECONDS:
        with store.change() as change:
            noted = update(found.table).where(found.table.c.digest == digest).values(used=now)
            change.connection.execute(noted)
    return Visitor(found.caller, digest_of(f"proof:{secret}"))


def end(store: Store, secret: str) -> bool:
    """Log out; whether it was a login by the provider."""
    digest = digest_of(secret)
    with store.change() as change:
        change.connection.execute(delete(session).where(session.c.digest == digest))
        return change.connection.execute(delete(login).where(login.c.digest == digest)).rowcount > 0


@dataclass(frozen=True, slots=True)
class Open:
    """A login that goes on: whose, since when, and when it was used last, to a minute. `holder` tells those
    of a token from those by the provider, who may have its name."""

    name: str
    holder: str
    since: float
    used: float


def all_open(read: Reading) -> list[Open]:
    """All logins of the page, by name."""
    by_token = select(token.c.name, session.c.used, session.c.until, token.c.expires)
    rows = read.connection.execute(
        by_token.join(token, token.c.hash == session.c.token).where(~session.c.link)
    ).all()
    provided = read.connection.execute(select(login.c.name, login.c.used, login.c.until, null()))
    theirs = [*((OF_TOKEN, *row) for row in rows), *(("", *row) for row in provided)]
    found = (
        Open(name, of + name, until - LONGEST_SECONDS, used)
        for of, name, used, until, expires in theirs
        if read.now < _end(until, used, expires)
    )
    return sorted(found, key=lambda one: (one.name, one.holder, one.since))


def end_all(store: Store, holder: str, by: str) -> int:
    """End all logins of a token, or of whom the provider named, and the links that would make more; how many
    logins there were."""
    name = holder.removeprefix(OF_TOKEN)
    with store.change() as change:
        count = sum(one.holder == holder for one in all_open(change))
        if holder.startswith(OF_TOKEN):
            theirs = select(token.c.hash).where(token.c.name == name)
            change.connection.execute(delete(session).where(session.c.token.in_(theirs)))
        else:
            change.connection.execute(delete(login).where(login.c.name == holder))
            provider_groups.forget(change, name)
        if count:
            change.record(f"login-{name}", by, "logged out", {"logins": count})
        return count


def end_by_provider(store: Store, ended: Ended) -> int:
    """End the logins that the provider says have ended there; how many there were.

    Only those that had begun when it said so: a logout that is sent again ends no later login.
    """
    with store.change() as change:
        whose = select(login.c.name).where(*_ended(ended)).order_by(login.c.name)
        names = change.connection.scalars(whose).all()
        change.connection.execute(delete(login).where(*_ended(ended)))
        for name in dict.fromkeys(names):
            told = {"by": "provider", "logins": names.count(name)}
            change.record(f"login-{name}", name, "logged out", told)
        return len(names)


def _ended(ended: Ended) -> list[ColumnElement[bool]]:
    """Which logins. One whose session the provider did not name ends with any session of its subject."""
    found = [login.c.until - LONGEST_SECONDS <= ended.issued + CLOCKS]
    if ended.session is not None:
        unnamed = login.c.session.is_(None) & (login.c.subject == ended.subject)
        found.append((login.c.session == ended.session) | unnamed)
    if ended.subject is not None:
        found.append(login.c.subject == ended.subject)
    return found


def _end(until: float, used: float, expires: float | None) -> float:
    """When a login ends that is not used any more."""
    return min(until, used + IDLE_SECONDS, until if expires is None else expires)


def _by_token(read: Reading, digest: str) -> _Found | None:
    joined = session.join(token, token.c.hash == session.c.token)
    wanted = select(token, session.c.used, session.c.until).select_from(joined)
    row = read.connection.execute(wanted.where(session.c.digest == digest, ~session.c.link)).one_or_none()
    if row is None or read.now >= _end(row.until, row.used, row.expires):
        return None
    known = Token(row.name, row.hash, row.role, row.created, row.expires)
    return _Found(session, callers.of_token(read, known), row.used)


def _by_provider(read: Reading, digest: str) -> _Found | None:
    row = read.connection.execute(select(login).where(login.c.digest == digest)).one_or_none()
    if row is None or read.now >= _end(row.until, row.used, None):
        return None
    return _Found(login, callers.of_login(read, row.name, tuple(row.groups)), row.used)


def _begin(change: Change, stands_for: str, by: str) -> str | None:
    known = owner(change, stands_for)
    if known is None:
        return None
    change.record(f"token-{known.name}", known.name, "logged in", {"by": by})
    return _add(change, known.hash, link=False)


def _add(change: Change, stands_for: str, *, link: bool) -> str:
    """One more; those that have ended are removed on the way."""
    change.connection.execute(delete(session).where(session.c.until < change.now))
    secret = secrets.token_urlsafe(32)
    until = change.now + (LINK_SECONDS if link else LONGEST_SECONDS)
    values = {"digest": digest_of(secret), "token": stands_for, "link": link}
    change.connection.execute(insert(session).values(**values, used=change.now, until=until))
    return secret
