"""A release that waits for people's approval: asking, counting, and looking once more before it counts."""

from dataclasses import replace

from policies import approvals, bonds, settle
from policies.approvals import Approval, Override
from policies.effects import CheckAuthority, Wake
from policies.events import AuthorityChecked, Command
from policies.release import Phase, Release, Target
from policies.split import Decision


def needed(release: Release) -> bool:
    """Whether people must approve it. Going back waits for nobody."""
    return release.environment.approvals.count > 0 and not release.switch


def ask(release: Release, target: Target, at: float) -> Decision:
    """Ask for what it is now. What was approved before is void, and people are told what has changed."""
    before, now = release.asked[-1:], bonds.asked_anew(release)
    why = f"asked once more, because of changes since: {bonds.changes(before[0], now)}" if before else ""
    asked = (*release.asked, now)[-bonds.MOST_KEPT :]
    return _waiting(replace(release, plan=now.plan, asked=asked, approvals=(), reason=why), target, at)


def _waiting(release: Release, target: Target, at: float) -> Decision:
    # An override that was good for it would not let it wait here.
    waiting = replace(release, phase=Phase.APPROVAL, since=at, step="", waits="", override=None)
    wake = Wake(at + release.environment.approvals.expires)
    return Decision(waiting, target, (wake, *settle.announce(waiting)))


def approve(release: Release, command: Command) -> Release | None:
    """The release with this approval, where it is enough now; else None."""
    if not bonds.names(command.digest, release.plan):
        return None
    after = _with(release, command)
    return replace(after, reason="") if granted(after, command.at) else None


def noted(release: Release, target: Target, command: Command) -> Decision:
    """An approval that is not enough by itself is kept; one of something else is not."""
    named = bonds.names(command.digest, release.plan)
    return Decision(_with(release, command) if named else release, target)


def _with(release: Release, command: Command) -> Release:
    """With this approval; one that its author gave before is replaced."""
    bond = release.asked[-1] if release.asked else bonds.bond(release)
    given = Approval(
        command.actor,
        release.plan,
        command.at,
        command.groups,
        bond.evidence,
        bond.step,
        "" if command.where is None else command.channel,
        command.accounts,
        command.authority,
    )
    others = tuple(one for one in release.approvals if one.actor != command.actor)
    return replace(release, approvals=(*others, given))


def missing(release: Release, at: float) -> int:
    """How many people more must approve."""
    rule, author = release.environment.approvals, release.cause.author
    return approvals.standing(rule, author, release.approvals, release.plan, at).missing


def granted(release: Release, at: float) -> bool:
    """Whether the approvals are enough now."""
    return missing(release, at) == 0


def override(release: Release, command: Command) -> Release | None:
    """The release with an admin's word that it goes on against its rules; None where that is for another
    plan, or says no reason."""
    if not (command.reason and bonds.names(command.digest, release.plan)):
        return None
    return replace(release, override=said(command, release.plan), reason="")


def said(command: Command, plan: str) -> Override:
    """The override that a command is, of this plan."""
    source = "" if command.where is None else command.channel
    return Override(command.actor, command.reason or "", plan, command.at, source, command.authority)


def waived(release: Release, at: float) -> bool:
    """Whether an admin lets this very plan go on against its rules now."""
    return release.override is not None and release.override.holds(release.plan, at)


def overridden_now(release: Release, at: float) -> bool:
    """Whether the admin's word is this very event's, so that it was looked at just now."""
    return release.override is not None and release.override.at == at


def check(release: Release, target: Target) -> Decision:
    """Ask whether who approved, or overrode, still may, before anything is done on the strength of it."""
    attempt = release.attempt + 1
    release = replace(release, attempt=attempt, step=f"authority-{attempt}")
    return Decision(release, target, (CheckAuthority(release.step, release.name),))


def checked(release: Release, event: AuthorityChecked) -> Release:
    """The release under the rule of now, with the approvals, and the override, that still are."""
    environment = replace(release.environment, approvals=event.rule)
    override = release.override if event.overridden else None
    release = replace(release, environment=environment, override=override)
    return replace(release, approvals=event.approvals, step="", waits="")


def go_back(release: Release, target: Target, event: AuthorityChecked) -> Decision:
    """Wait for approvals again, since too few still count; those that do are kept."""
    rule, author = release.environment.approvals, release.cause.author
    standing = approvals.standing(rule, author, release.approvals, release.plan, event.at)
    why = "; ".join((*event.lost, *standing.ignored)) or f"{standing.missing} more must approve"
    reason = f"asked once more, because an approval does not count any more: {why}"
    live = tuple(
        one for one in release.approvals if not approvals.why_not(rule, author, one, release.plan, event.at)
    )
    return _waiting(replace(release, approvals=live, reason=reason), target, event.at)
