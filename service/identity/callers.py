"""Who asks: their name, what they may do now, and whose grants that is.

The grants are asked again when a command of theirs takes effect: by their holders, which the stored
command names. Who was given a role, or lost it, in between may do what they may do then.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select

from policies import roles
from policies.roles import EVERYWHERE, OWNER, Grant, Rights, Role
from service.store.change import Change
from service.store.reading import Reading
from service.store.rows import Token
from service.store.tables import role_grant

MACHINE = "segue"  # who gives roles and makes tokens, in the record: whoever has the machine
OF_TOKEN, GROUP = "token:", "@"  # what the holder of a token's own grants begins with, and a group's
# Of a token, `role` says which of these it is. Processes of versions before there were roles know the first
# two, and refuse the third.
WHOLE, ASKING, SCOPED = "operator", "verdicts", "scoped"


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who proved who they are. `holders` are whose grants `rights` are; `until` is when the token
    ends that they came by, None where it does not, or they came by none."""

    name: str
    rights: Rights
    holders: tuple[str, ...]
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """A grant as it is stored: whose, what, by whom and when."""

    holder: str
    grant: Grant
    by: str
    at: float


def of_token(read: Reading, token: Token) -> Caller:
    """The caller whose token it is."""
    holder = OF_TOKEN + token.name
    return Caller(token.name, _of_token(read, token), (holder,), token.expires)


def of_tokens(read: Reading, tokens: Sequence[Token]) -> list[Rights]:
    """What each of these tokens may do, by one query for all."""
    given: dict[str, list[Grant]] = {}
    for one in all_given(read):
        given.setdefault(one.holder, []).append(one.grant)
    return [_whole_or(one, lambda holder: Rights(tuple(given.get(holder, ())))) for one in tokens]


def of_login(read: Reading, name: str, groups: Sequence[str]) -> Caller:
    """The caller whom a provider of identities names, with the groups that it says they are in."""
    holders = (name, *(GROUP + group for group in groups))
    return Caller(name, granted(read, holders), holders)


def rights_of(read: Reading, holders: Sequence[str], at: float) -> Rights:
    """What these holders may do together now. A token must have been valid `at` that time, and be there yet:
    who revokes it takes back what was not done with it."""
    tokens = {one.name: one for one in read.tokens() if one.expires is None or at < one.expires}
    names = [holder.removeprefix(OF_TOKEN) for holder in holders if holder.startswith(OF_TOKEN)]
    own = [_of_token(read, tokens[name]) for name in names if name in tokens]
    return roles.joined([*own, granted(read, [one for one in holders if not one.startswith(OF_TOKEN)])])


def granted(read: Reading, holders: Sequence[str]) -> Rights:
    """The grants of these holders. A role that this version does not know gives nothing."""
    if not holders:
        return Rights()
    wanted = select(role_grant.c.role, role_grant.c.place).where(role_grant.c.holder.in_(holders))
    rows = read.connection.execute(wanted.order_by(role_grant.c.place, role_grant.c.role))
    return Rights(tuple(Grant(Role(row.role), row.place) for row in rows if row.role in set(Role)))


def has_roles(read: Reading, holder: str) -> bool:
    """Whether anybody gave this holder a role: then their roles are what counts."""
    wanted = select(role_grant.c.role).where(role_grant.c.holder == holder).limit(1)
    return read.connection.scalar(wanted) is not None


def all_given(read: Reading) -> list[Given]:
    """All grants, by holder; those of tokens, too."""
    rows = read.connection.execute(select(role_grant).order_by(*role_grant.primary_key))
    known = [row for row in rows if row.role in set(Role)]
    return [Given(row.holder, Grant(Role(row.role), row.place), row.given_by, row.at) for row in known]


def give(change: Change, holder: str, grant: Grant, by: str) -> bool:
    """Store a grant; whether it is a new one."""
    values = {"holder": holder, "role": grant.role.value, "place": grant.where}
    new = change.add_row(role_grant, {**values, "given_by": by, "at": change.now})
    if new:
        change.record(f"role-{holder}", by, "role given", {"role": grant.role.value, "on": grant.where})
    return new


def take_back(change: Change, holder: str, by: str, grant: Grant | None = None) -> int:
    """Remove one grant of a holder, or all of them; how many there were."""
    gone = delete(role_grant).where(role_grant.c.holder == holder)
    if grant is not None:
        gone = gone.where(role_grant.c.role == grant.role.value, role_grant.c.place == grant.where)
    count = change.connection.execute(gone).rowcount
    if count:
        told = {"role": grant.role.value, "on": grant.where} if grant is not None else {"all": True}
        change.record(f"role-{holder}", by, "role taken back", told)
    return count


def _of_token(read: Reading, token: Token) -> Rights:
    return _whole_or(token, lambda holder: granted(read, [holder]))


def _whole_or(token: Token, scoped: Callable[[str], Rights]) -> Rights:
    if token.role == SCOPED:
        return scoped(OF_TOKEN + token.name)
    # One of a newer version may do nothing, rather than too much.
    return {WHOLE: OWNER, ASKING: Rights((Grant(Role.VERDICTS, EVERYWHERE),))}.get(token.role, Rights())
