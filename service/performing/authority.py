"""Whether whoever approved still may: by the host, the tokens, and the protected branch's rule, as of now."""

from dataclasses import replace

from policies import approvals
from policies.approvals import Approval
from policies.effects import CheckAuthority
from policies.events import AuthorityChecked
from policies.release import Release
from policies.spec.declaration import Approvals
from service.arrivals import admins, commenting
from service.bootstrap import Parts
from service.identity import callers, groups, people
from service.identity.callers import OF_TOKEN
from service.identity.groups import Who
from service.performing.outcomes import Done
from service.ports.outcomes import Refused
from service.sources import CHAT_KINDS
from service.store.states import model_of, number_of, release_of


def check_authority(parts: Parts, effect: CheckAuthority, now: float) -> Done:
    """The rule of now, and each approval whose giver still may, with the groups of now. Raises `Retry` where
    a host cannot be asked: nobody is let through by an error."""
    row = parts.store.release(number_of(effect.release))
    if row is None:
        raise Refused(f"there is no release {effect.release}")
    release = release_of(row)
    overridden, why_not = _overridden(parts, release, now)
    if overridden:
        rule = release.environment.approvals
        return Done(AuthorityChecked(effect.step, rule, release.approvals, (), now))
    with parts.store.read() as read:
        known, pushers = {source.name for source in read.sources()}, commenting.pushed(read, release.cause)
        given = [replace(one, accounts=people.accounts(read, one.actor)) for one in release.approvals]
    looked = [(one, _still(parts, known, pushers, one, now, target=release.target)) for one in given]
    lost = (*why_not, *(f"{one.actor}: {found}" for one, found in looked if isinstance(found, str)))
    still = tuple(
        _with_groups_of_now(parts, found, release.target, now)
        for _, found in looked
        if isinstance(found, Approval)
    )
    return Done(AuthorityChecked(effect.step, _rule(parts, release), still, lost, now, overridden=False))


def _overridden(parts: Parts, release: Release, now: float) -> tuple[bool, tuple[str, ...]]:
    """Whether an admin's word holds for this plan now; where it would and its giver is no admin any more, why
    not. Nobody else is asked then: a host that is away must not stop who breaks the glass."""
    given = release.override
    if given is None or not given.holds(release.plan, now):
        return False, ()
    try:
        may = admins.may_override(parts, given, now, release.target)
    except Refused:
        may = False  # its source is not connected any more
    return may, () if may else (f"{given.actor}: may not override any more",)


def _rule(parts: Parts, release: Release) -> Approvals:
    """As the protected branch has it now; a model that is declared no more keeps the rule it had."""
    model = next((model_of(row) for row in parts.store.models() if row.name == release.model), None)
    environment = None if model is None else model.environment(release.environment.name)
    return release.environment.approvals if environment is None else environment.approvals


def _still(
    parts: Parts, sources: set[str], pushers: frozenset[str], given: Approval, now: float, *, target: str
) -> Approval | str:
    """The approval as it stands now, or why it counts no more."""
    if any(approvals.same_person(given.actor, who, given.accounts) for who in pushers):
        return "who pushed a commit cannot approve it"
    if not given.source:
        return given if _may(parts, given, target, now) else "has no valid token, or no role for it, any more"
    if given.source not in sources:
        return f"{given.source} is not connected any more"
    if not _may(parts, given, target, now):
        return "has no role for it any more"
    if parts.source(given.source).kind in CHAT_KINDS:
        person = given.actor.partition(":")[2]
        named = any(person == name for _, name in parts.source(given.source).people)
        return given if named else f"may not command at {given.source} any more"
    host, login = parts.git(given.source), given.actor.partition(":")[2]
    if host.may(login) not in commenting.MAY_COMMAND:
        return f"may not write at {given.source} any more"
    there = [who for who in given.groups if not approvals.known_here(who)]
    return replace(given, groups=tuple(who for who in there if host.belongs(login, who[1:])))


def _with_groups_of_now(parts: Parts, given: Approval, target: str, now: float) -> Approval:
    """With those of the provider and the roles that are known here now, and none that were."""
    with parts.store.read() as read:
        here = groups.of(read, Who(given.actor, given.accounts, given.authority), target, now)
    return replace(given, groups=(*(one for one in given.groups if not approvals.known_here(one)), *here))


def _may(parts: Parts, given: Approval, target: str, now: float) -> bool:
    """By the grants of whoever approved, where no host let them in, or where they were given roles here."""
    with parts.store.read() as read:
        if given.source and not callers.has_roles(read, given.actor):
            return True
        holders = given.authority or ((given.actor,) if given.source else (OF_TOKEN + given.actor,))
        return callers.rights_of(read, holders, now).may("approve", target)
