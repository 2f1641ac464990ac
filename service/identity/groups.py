"""Groups by which an approval may count: those of the provider of identities, and roles that were given here.

A provider cannot be asked later, so its groups are those of somebody's last login, and count for a time only.
By `segue person` they count for all accounts of that person.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from policies.approvals import GRANTED, GROUPS_SECONDS, PROVIDED
from service.identity import callers
from service.store.change import Change
from service.store.reading import Reading
from service.store.tables import provided


def learn(change: Change, name: str, groups: Sequence[str]) -> None:
    """Keep what the provider says of somebody who logs in, in place of what it said before."""
    forget(change, name)
    values = {"name": name.casefold(), "groups": list(groups), "at": change.now}
    change.connection.execute(insert(provided).values(values))


def forget(change: Change, name: str) -> None:
    """Their groups count no more, until they log in anew."""
    change.connection.execute(delete(provided).where(provided.c.name == name.casefold()))


@dataclass(frozen=True, slots=True)
class Who:
    """Whoever approves: `accounts` are all of the same person; `authority` says whose grants count, else
    those that were given to the actor."""

    actor: str
    accounts: Sequence[str]
    authority: Sequence[str]


def of(read: Reading, who: Who, target: str, at: float) -> tuple[str, ...]:
    """Their groups, as a rule names them, when they approve the target at that time."""
    return (*_provided(read, who, at), *_roles(read, who, target, at))


def _provided(read: Reading, who: Who, at: float) -> list[str]:
    names = sorted({who.actor.casefold(), *who.accounts})
    fresh = (provided.c.name.in_(names), provided.c.at > at - GROUPS_SECONDS)
    found = read.connection.scalars(select(provided.c.groups).where(*fresh).order_by(provided.c.name))
    return [f"{PROVIDED}{group}" for groups in found for group in groups]


def _roles(read: Reading, who: Who, target: str, at: float) -> list[str]:
    if who.authority:
        rights = callers.rights_of(read, who.authority, at)
    else:
        rights = callers.granted(read, [who.actor])
    return sorted(f"{GRANTED}{role.value}" for role in rights.roles_at(target))
