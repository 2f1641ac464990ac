"""Approvals that mean something: bound to one plan, from different people, never from the author.

Who is who, and who may approve at all, is known to the caller; here stands what counts.
"""

from dataclasses import dataclass, field

from policies.spec.declaration import Approvals


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's yes to exactly the plan (and evidence) that the digest names."""

    actor: str
    plan: str
    at: float
    # Groups that the actor was in when saying so, as `approvals: {from: …}` names them.
    groups: tuple[str, ...] = field(default=(), metadata={"later": True})


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether the rule is satisfied, how many are missing, and why one given did not count."""

    granted: bool
    missing: int
    ignored: tuple[str, ...] = ()


def standing(
    rule: Approvals, author: str | None, given: tuple[Approval, ...], plan: str, at: float
) -> Standing:
    """Counts distinct people with a live approval of this plan.

    An author cannot approve their own release. Where the author is unknown (a registry names
    nobody), only people on the rule's list count.
    """
    counted: set[str] = set()  # by name alone: a person has a token and a login
    ignored: list[str] = []
    for approval in given:
        why_not = _why_not(rule, author, approval, plan, at)
        if why_not:
            ignored.append(f"{approval.actor}: {why_not}")
        else:
            counted.add(_name(approval.actor))
    missing = max(0, rule.count - len(counted))
    return Standing(missing == 0, missing, tuple(ignored))


def may_approve(rule: Approvals, author: str | None, actor: str, groups: tuple[str, ...] = ()) -> str | None:
    """None if this person's approval would count, else the reason in words."""
    if author is not None and same_person(actor, author):
        return "an author cannot approve their own release"
    if rule.people and not {actor, *groups} & set(rule.people):
        return "is not among the people named by `approvals: {from: …}`"
    if author is None and not rule.people:
        return "the author is unknown, so `approvals: {from: …}` must name who may approve"
    return None


def same_person(one: str, other: str) -> bool:
    """Whether these may be one person: a login at a source is written `source:login`, a token's or an
    author's name alone. Rather one person too few than one who says yes twice."""
    return _name(one) == _name(other)


def _name(actor: str) -> str:
    return actor.rpartition(":")[2].casefold()


def _why_not(rule: Approvals, author: str | None, approval: Approval, plan: str, at: float) -> str | None:
    if approval.plan != plan:
        return "what was approved has changed since"
    if at - approval.at > rule.expires:
        return "the approval has expired"
    return may_approve(rule, author, approval.actor, approval.groups)
