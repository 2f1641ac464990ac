"""Who is let in by whom: what names, roles and ends may be asked for, and who sees and ends what.

The page, the API and the command line check by these rules. They open nothing: that somebody may let
others in at all stands in `access`.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from policies import roles
from policies.roles import Grant, Rights, Role
from service.identity import callers, sessions, tokens
from service.identity.callers import GROUP, MACHINE, OF_TOKEN, Caller, Given
from service.identity.sessions import Open
from service.store.reading import Reading
from service.store.rows import Token

LONGEST_NAME, LONGEST_HOLDER = 100, 200
MOST_DAYS, DAY = 365, 86_400.0
MOST_GRANTS = 100  # of one token
MOST_ACCOUNTS = 50


class Wrong(ValueError):
    """What was asked for cannot be; says what to write."""


def token_name(said: str) -> str:
    """Whose a new token may be that is not made on the machine itself. Raises `Wrong`."""
    name = said.strip()
    if not _is_name(name, LONGEST_NAME) or name[0] == GROUP or ":" in name or "/" in name:
        raise Wrong(
            "write whose token it is, as Git calls them: up to 100 letters, without `:` or `/`, such as ann"
        )
    return free(name)


def free(name: str) -> str:
    """The same of a token that is made anywhere: two names are Segue's own. Raises `Wrong`."""
    if name == tokens.OPERATOR:
        raise Wrong("the operator's token is made by `segue up`; choose another name")
    if name == MACHINE:
        raise Wrong("in the record that is Segue itself; choose another name")
    return name


def grants(asked: Iterable[tuple[str, str]]) -> list[Grant]:
    """Roles and where each of them holds. Raises `Wrong`."""
    try:
        return [roles.grant(role, where) for role, where in asked]
    except ValueError as reason:
        raise Wrong(str(reason)) from None


def end(at: float, now: float, maker: Caller) -> float:
    """When a token may end that `maker` makes: within a year, and never after the token that they came by,
    or whoever finds one for a day would have one for a year. Raises `Wrong`."""
    if not now < at <= now + MOST_DAYS * DAY:
        raise Wrong(f"write an end that is to come, at most {MOST_DAYS} days from now")
    if maker.until is not None and at > maker.until:
        raise Wrong(f"write an end no later than that of your own token: {_shown(maker.until)}")
    return at


def holder(who: str) -> str:
    """Whose roles are given and taken back: a login's or a group's. A token's are its own. Raises `Wrong`."""
    source, colon, login = who.partition(":")
    named = len(who) > 1 if who.startswith(GROUP) else bool(source and colon and login)
    if not named or who.startswith(OF_TOKEN):
        raise Wrong("write a login as github:ann or oidc:ann, or a group as @ml-team")
    return who


def given(who: str, role: str, where: str) -> tuple[str, Grant]:
    """A role for a login or a group; tools ask by tokens. Raises `Wrong`."""
    if not _is_name(holder(who), LONGEST_HOLDER):
        raise Wrong(f"write a login or a group of up to {LONGEST_HOLDER} letters that people can read")
    (found,) = grants([(role, where)])
    if found.role is Role.VERDICTS:
        raise Wrong("`verdicts` is a role of tokens: segue token NAME --role verdicts")
    return who, found


def accounts(person: str, theirs: Sequence[str]) -> tuple[str, ...]:
    """Which accounts may be said to be one person's. Raises `Wrong`."""
    if not all(_is_name(one, LONGEST_HOLDER) for one in (person, *theirs)):
        raise Wrong(f"write names and accounts of up to {LONGEST_HOLDER} letters, such as code:ann-x")
    if not 0 < len(theirs) <= MOST_ACCOUNTS:
        raise Wrong(f"write from 1 to {MOST_ACCOUNTS} accounts, such as code:ann-x")
    return tuple(theirs)


# --- what somebody sees and ends ---------------------------------------------------------------


def admits(caller: Caller) -> bool:
    """Whether they let in and put out others; all others see and end what is their own."""
    return caller.rights.may_everywhere("admit")


def own_token(caller: Caller) -> str:
    """The name of the token that they came by; empty for a login by a provider."""
    whose = own_holder(caller)
    return whose.removeprefix(OF_TOKEN) if whose.startswith(OF_TOKEN) else ""


def own_holder(caller: Caller) -> str:
    """Whose their logins are: a token's, or those of whom the provider named."""
    (first, *_) = caller.holders
    return first


def tokens_seen(read: Reading, caller: Caller) -> list[tuple[Token, Rights]]:
    """The tokens that they see, by name."""
    own, everybody = own_token(caller), admits(caller)
    return [one for one in tokens.listed(read) if everybody or one[0].name == own]


def logins_seen(read: Reading, caller: Caller) -> list[Open]:
    """The logins that they see, by name."""
    own, everybody = own_holder(caller), admits(caller)
    return [one for one in sessions.all_open(read) if everybody or one.holder == own]


def grants_given(read: Reading) -> list[Given]:
    """The grants of logins and groups, by holder."""
    return [one for one in callers.all_given(read) if not one.holder.startswith(OF_TOKEN)]


def _is_name(said: str, longest: int) -> bool:
    """Whether people can read it: nothing that is invisible, or turns what stands beside it around."""
    return 0 < len(said) <= longest and bool(said.strip()) and said.isprintable()


def _shown(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
