"""Who may do what, and where: roles, what each of them may do, and patterns of targets. Deny by default.

A grant is a role at a place: a pattern of targets such as `wine/*` or `*/staging`. Whose grants they are,
and how somebody proved to be that, is known to the caller.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

EVERYWHERE = "*/*"
_PART = re.compile(r"[A-Za-z0-9._*-]{1,128}\Z")


class Role(StrEnum):
    """What somebody may do at a place; admin may do everything there, the others what `ALLOWED` says."""

    VIEWER = "viewer"  # sees it
    OPERATOR = "operator"  # starts, steers and stops releases, and sends true labels
    APPROVER = "approver"  # says yes or no to what waits for it
    ADMIN = "admin"  # all of this, overrides rules, gives back what was taken over, adopts
    VERDICTS = "verdicts"  # a tool that asks whether to go on, and sees nothing else


_PEOPLE = frozenset({Role.VIEWER, Role.OPERATOR, Role.APPROVER, Role.ADMIN})
_STEERS = frozenset({Role.OPERATOR, Role.ADMIN})
_DECIDES = frozenset({Role.APPROVER, Role.ADMIN})

# Every command's verb, and what is no command. What is not here nobody may do.
ALLOWED: dict[str, frozenset[Role]] = {
    "see": _PEOPLE,
    "help": _PEOPLE,
    "ask": _PEOPLE | {Role.VERDICTS},  # for a verdict
    "label": _STEERS,
    "start": _STEERS,
    "promote": _STEERS,
    "pause": _STEERS,
    "resume": _STEERS,
    "abort": _STEERS,
    "retry": _STEERS,
    "rollback": _STEERS,
    "repair": _STEERS,
    "adopt": frozenset({Role.ADMIN}),  # it goes around gates, evidence and approvals
    "replay-event": _STEERS,
    "dismiss-event": _STEERS,
    "approve": _DECIDES,
    "reject": _DECIDES | _STEERS,  # whoever may abort a release can end one that waits
    "hand-back": frozenset({Role.ADMIN}),
    "override": frozenset({Role.ADMIN}),
    "admit": frozenset({Role.ADMIN}),  # make and end others' tokens, end logins
}


@dataclass(frozen=True, slots=True)
class Grant:
    """A role at the targets that a pattern matches; make it by `grant`."""

    role: Role
    where: str

    def __str__(self) -> str:
        return f"{self.role.value} on {self.where}"


@dataclass(frozen=True, slots=True)
class Rights:
    """All grants of somebody; without any they may do nothing."""

    grants: tuple[Grant, ...] = ()

    def may(self, action: str, target: str) -> bool:
        """Whether this may be done to that target, as `model/environment`."""
        return any(_matches(place, target) for place in self._places(action))

    def may_everywhere(self, action: str) -> bool:
        """Whether it may be done to every target: also what belongs to no single one needs this."""
        return EVERYWHERE in self._places(action)

    def may_somewhere(self, action: str) -> bool:
        """Whether there is any place at all where it may be done."""
        return bool(self._places(action))

    def may_of_model(self, action: str, model: str) -> bool:
        """Whether it may be done to a model in at least one environment."""
        return any(_matches(place.partition("/")[0], model) for place in self._places(action))

    def may_throughout_model(self, action: str, model: str) -> bool:
        """Whether it may be done to a model in every environment, also those that are not there yet."""
        parts = (place.partition("/") for place in self._places(action))
        return any(environment == "*" and _matches(named, model) for named, _, environment in parts)

    def roles_at(self, target: str) -> frozenset[Role]:
        """The roles that were given for that target."""
        return frozenset(one.role for one in self.grants if _matches(one.where, target))

    def targets(self, action: str) -> str | None:
        """A regular expression of the targets where it may be done; None: all of them."""
        places = self._places(action)
        if EVERYWHERE in places:
            return None
        return f"^({'|'.join(map(_expression, places))})$" if places else "^$"

    def __str__(self) -> str:
        return ", ".join(map(str, self.grants)) or "nothing"

    def _places(self, action: str) -> tuple[str, ...]:
        roles = ALLOWED.get(action, frozenset())
        return tuple(one.where for one in self.grants if one.role in roles)


OWNER = Rights((Grant(Role.ADMIN, EVERYWHERE),))


def grant(role: str, where: str) -> Grant:
    """A grant as people write it: `wine` is all environments of that model, `*` is everything.

    Raises `ValueError` with what to write.
    """
    if role not in set(Role):
        raise ValueError(f"{role!r} is no role; known: {', '.join(Role)}")
    model, slash, environment = where.partition("/")
    parts = (model, environment if slash else "*")
    if not all(_PART.match(part) for part in parts):
        raise ValueError(
            f"{where[:80]!r} names no targets; write model/environment, with * for any of them: wine/*"
        )
    return Grant(Role(role), "/".join("*" if not part.strip("*") else part for part in parts))


def who_may(action: str) -> str:
    """The roles that may do it, for people."""
    return " or ".join(role.value for role in Role if role in ALLOWED.get(action, frozenset())) or "nobody"


def joined(all_rights: Iterable[Rights]) -> Rights:
    """What several together may do: a person's own grants and their groups'."""
    return Rights(tuple(dict.fromkeys(one for rights in all_rights for one in rights.grants)))


def _expression(place: str) -> str:
    """Each `*` stands for any letters of one part, and never for the slash between two."""
    return "[^/]*".join(map(re.escape, place.split("*")))


def _matches(place: str, text: str) -> bool:
    return re.fullmatch(_expression(place), text) is not None
