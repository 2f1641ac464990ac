"""Approvals that mean something: bound to one plan, from different people, never from the author.

Who is who, and who may approve at all, is known to the caller; here stands what counts.
"""

import unicodedata
from dataclasses import dataclass, field

from policies.spec.declaration import Approvals

OVERRIDE_SECONDS = 3600.0
SHOWN = 10  # of those who could approve, in an answer to who cannot
# What begins the groups that are known here, and not by the host where a model lies: those of the provider of
# identities, and the roles of `segue grant`.
PROVIDED, GRANTED = "@oidc:", "@role:"
GROUPS_SECONDS = 12 * 3600.0  # after a login by the provider, in which its groups count


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's yes to exactly the plan (and evidence) that the digest names."""

    actor: str
    plan: str
    at: float
    # Groups that the actor was in when saying so, as `approvals: {from: …}` names them.
    groups: tuple[str, ...] = field(default=(), metadata={"later": True})
    evidence: str = field(default="", metadata={"later": True})  # the digest of what was known of it
    step: str = field(default="", metadata={"later": True})  # which time of being asked for it answers
    source: str = field(default="", metadata={"later": True})  # whose host let the actor in; "": a token
    # All accounts of the same person, as the operator told them; none where nothing is told.
    accounts: tuple[str, ...] = field(default=(), metadata={"later": True})
    # Whose grants let the actor approve, where no host did.
    authority: tuple[str, ...] = field(default=(), metadata={"later": True})


@dataclass(frozen=True, slots=True)
class Bond:
    """What people were asked to approve at one time: `step` names it, `parts` tell plan and evidence."""

    step: str
    plan: str
    evidence: str
    parts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Override:
    """An admin's word that this plan goes on against its rules, with the reason; it ends by itself."""

    actor: str
    reason: str
    plan: str
    at: float
    source: str = field(default="", metadata={"later": True})  # whose host let the actor in; "": a token
    authority: tuple[str, ...] = field(
        default=(), metadata={"later": True}
    )  # whose grants, where no host did

    def holds(self, plan: str, at: float) -> bool:
        """Whether it is for this plan, and not over."""
        return self.plan == plan and at - self.at <= OVERRIDE_SECONDS


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether the rule is satisfied, how many are missing, and why one given did not count."""

    granted: bool
    missing: int
    ignored: tuple[str, ...] = ()


def known_here(group: str) -> bool:
    """Whether it is no group of a Git host: whatever a host says of such a name does not count."""
    return group.startswith((PROVIDED, GRANTED))


def standing(
    rule: Approvals, author: str | None, given: tuple[Approval, ...], plan: str, at: float
) -> Standing:
    """Counts distinct people with a live approval of this plan.

    An author cannot approve their own release. Where the author is unknown (a registry names
    nobody), only people on the rule's list count.
    """
    counted: list[Approval] = []
    ignored: list[str] = []
    for approval in given:
        refusal = why_not(rule, author, approval, plan, at)
        if refusal:
            ignored.append(f"{approval.actor}: {refusal}")
        else:
            counted.append(approval)
    missing = max(0, rule.count - _people(counted))
    return Standing(missing == 0, missing, tuple(ignored))


def _people(given: list[Approval]) -> int:
    """How many different people these are: whoever may be the same as two others makes all three one."""
    groups: list[list[Approval]] = []
    for one in given:
        near = [group for group in groups if any(_same(one, other) for other in group)]
        groups = [group for group in groups if group not in near]
        groups.append([one, *(other for group in near for other in group)])
    return len(groups)


def _same(one: Approval, other: Approval) -> bool:
    if one.accounts and other.accounts:
        return bool({*one.accounts} & {*other.accounts})
    return bool(_names(one.actor, one.accounts) & _names(other.actor, other.accounts))


def may_approve(
    rule: Approvals,
    author: str | None,
    actor: str,
    groups: tuple[str, ...] = (),
    accounts: tuple[str, ...] = (),
) -> str | None:
    """None if this person's approval would count, else the reason in words."""
    if author is not None and same_person(actor, author, accounts):
        return "an author cannot approve their own release"
    named = {actor, *groups} & {*rule.people} or {*accounts} & {who.casefold() for who in rule.people}
    if rule.people and not named:
        return (
            f"is not among the people named by `approvals: {{from: [{_shown(rule)}]}}`{_stale(rule, groups)}"
        )
    if author is None and not rule.people:
        return "the author is unknown, so `approvals: {from: …}` must name who may approve"
    return None


def _shown(rule: Approvals) -> str:
    """Who could, as people wrote it: the first of them where they are many."""
    first = rule.people[:SHOWN]
    return ", ".join((*first, "…") if len(rule.people) > SHOWN else first)


def _stale(rule: Approvals, groups: tuple[str, ...]) -> str:
    """What to do, where a group of the provider's is asked for and none is known."""
    asked = any(who.startswith(PROVIDED) for who in rule.people)
    if not asked or any(who.startswith(PROVIDED) for who in groups):
        return ""
    hours = GROUPS_SECONDS / 3600
    return (
        f"; groups of the provider count for {hours:.0f} hours after a login: log in to the page once more,"
        " and have `segue person` say which accounts are yours"
    )


def same_person(one: str, other: str, accounts: tuple[str, ...] = ()) -> bool:
    """Whether these may be one person, who also has `accounts`: a login at a source is written
    `source:login`, a token's or an author's name alone. Rather one person too few than one who says yes
    twice."""
    return _name(other) in _names(one, accounts)


def _names(actor: str, accounts: tuple[str, ...]) -> frozenset[str]:
    return frozenset(_name(one) for one in (actor, *accounts))


def _name(actor: str) -> str:
    """As it is compared: however its letters are composed, and whatever their width and case."""
    return unicodedata.normalize("NFKC", actor.rpartition(":")[2]).casefold().strip()


def why_not(rule: Approvals, author: str | None, approval: Approval, plan: str, at: float) -> str | None:
    """None if this approval counts for this plan now, else the reason in words."""
    if approval.plan != plan:
        return "what was approved has changed since"
    if at - approval.at > rule.expires:
        return "the approval has expired"
    return may_approve(rule, author, approval.actor, approval.groups, approval.accounts)
