"""Who is one person: accounts at hosts and chats, tokens and authors' names, as the operator says.

Without a word about them two accounts are one person where their names are the same: `policies.approvals`.
"""

from sqlalchemy import delete, insert, select

from service.identity.callers import MACHINE
from service.store.change import Change
from service.store.reading import Reading
from service.store.store import Store
from service.store.tables import account


def accounts(read: Reading, actor: str) -> tuple[str, ...]:
    """All accounts of the person that this one is of, in order; none where nothing is said of it."""
    person = select(account.c.person).where(account.c.account == actor.casefold()).scalar_subquery()
    wanted = select(account.c.account).where(account.c.person == person).order_by(account.c.account)
    return tuple(read.connection.scalars(wanted))


def everybody(read: Reading) -> dict[str, tuple[str, ...]]:
    """Each person with their accounts."""
    found: dict[str, list[str]] = {}
    for row in read.connection.execute(select(account).order_by(account.c.person, account.c.account)):
        found.setdefault(row.person, []).append(row.account)
    return {person: tuple(theirs) for person, theirs in found.items()}


def name(store: Store, person: str, theirs: tuple[str, ...], by: str = MACHINE) -> tuple[str, ...]:
    """Say which accounts are this person's, besides the token of that name, and tell all of them; none:
    forget the person. An account that was somebody else's is theirs no more."""
    named = sorted({person.casefold(), *(one.casefold() for one in theirs)}) if theirs else []
    with store.change() as change:
        _replace(change, person, named)
        change.record(f"person-{person}", by, "accounts named", {"accounts": named})
    return tuple(named)


def _replace(change: Change, person: str, named: list[str]) -> None:
    same = [known for known in everybody(change) if known.casefold() == person.casefold()]
    gone = account.c.person.in_(same) | account.c.account.in_(named)
    change.connection.execute(delete(account).where(gone))
    if named:
        change.connection.execute(insert(account), [{"account": one, "person": person} for one in named])
