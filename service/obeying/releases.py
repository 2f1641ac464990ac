"""Commands to a release on its way: whether it may be done there, by them, and what came of it."""

from dataclasses import replace

import structlog

from policies import approvals, bonds, freezing, replies
from policies.approvals import OVERRIDE_SECONDS
from policies.events import Command
from policies.release import HOLDING, Release
from service.arrivals import commenting, hearing, say
from service.engine.deciding import Deciding
from service.identity import groups, people
from service.identity.groups import Who
from service.machine import meters
from service.obeying import naming
from service.obeying.naming import MIDDLE
from service.obeying.reply import Reply
from service.store.states import target_of

log = structlog.get_logger()


def tell(deciding: Deciding, command: Command) -> Reply:
    """Approve, reject, promote, abort, pause or resume the release that is meant."""
    release = naming.release(deciding, command)
    if isinstance(release, Reply):
        return release
    if command.groups and release.model not in {row.name for row in deciding.change.models(command.channel)}:
        command = replace(command, groups=())  # another host may have groups of the same names
    command = _known(deciding, release.target, command)
    wrong = (
        say.no_say(deciding.change, command, release.target)
        or hearing.wrong_room(deciding.change, release, command)
        or _why_not(release, command)
        or _not_theirs(deciding, release, command)
    )
    if wrong:
        return Reply(ok=False, text=wrong, release=release.name)
    after = deciding.release_event(release.name, command)
    if after is None or after == release:
        return Reply(ok=False, text=_unchanged(release, command), release=release.name)
    if command.verb == "override":
        _record_loudly(deciding, after, command)
    target = target_of(deciding.change.target(release.target), release.target)
    return Reply(ok=True, text=replies.done(release, after, target, command), release=release.name)


def _known(deciding: Deciding, target: str, command: Command) -> Command:
    """The command with all accounts of whoever gives it, and the groups that are known here."""
    accounts = people.accounts(deciding.change, command.actor)
    who = Who(command.actor, accounts, command.authority)
    here = groups.of(deciding.change, who, target, command.at)
    there = tuple(group for group in command.groups if not approvals.known_here(group))
    return replace(command, accounts=accounts, groups=(*there, *here))


def _record_loudly(deciding: Deciding, release: Release, command: Command) -> None:
    """An override stands in the record by itself."""
    until = command.at + OVERRIDE_SECONDS
    told = {"reason": command.reason or "", "plan": release.plan, "until": until, "channel": command.channel}
    deciding.change.record(release.name, command.actor, "rules overridden", told)


def tell_loudly(release: Release, command: Command) -> None:
    """Once an override is stored it is counted, and is a warning in the log. Not before: a decision may be
    run again, and would be told twice."""
    meters.OVERRIDES.labels(release.target).inc()
    log.warning("rules overridden", release=release.name, actor=command.actor, reason=command.reason)


def _why_not(release: Release, command: Command) -> str | None:
    if release.final:
        return f"{release.name} has ended: {release.phase.value}"
    already = replies.approved_already(release) if command.verb == "approve" else ""
    if already:
        return already
    wanted = MIDDLE.get(command.verb)
    if wanted is not None and release.phase not in wanted:
        allowed = " or ".join(sorted(phase.value for phase in wanted))
        where = f"one in the phase {allowed}"
        return f"{release.name} is in the phase {release.phase.value}; {command.verb} is for {where}"
    if command.verb == "override" and not (command.reason or "").strip():
        return f"say why: /segue override {release.name} <reason>"
    if command.verb == "approve":
        rule = release.environment.approvals
        author, actor = release.cause.author, command.actor
        refusal = approvals.may_approve(rule, author, actor, command.groups, command.accounts)
        return f"{actor}: {refusal}" if refusal else None
    return None


def _not_theirs(deciding: Deciding, release: Release, command: Command) -> str | None:
    """Why whoever pushed the code, or nobody knows whether they did, cannot approve it.

    At a host a person is known by a login and a commit by any name that Git was told, so there a release of
    code needs a push that the host has named the person of. A comment approves only what waited then.
    """
    if command.verb != "approve":
        return None
    if command.where is not None and command.at < release.since:
        return f"{release.name} has waited only since after you wrote; look at it: segue show {release.name}"
    cause = release.cause
    if cause.source is None or cause.commit is None or cause.author is None:
        return None  # not code of ours: only people on the list count
    known = commenting.pushed(deciding.change, cause)
    if any(approvals.same_person(command.actor, who, command.accounts) for who in known):
        return f"{command.actor}: who pushed a commit cannot approve it"
    if command.where is not None and not known and not hearing.known_by_name(deciding.change, command, cause):
        return f"nobody told who pushed {cause.commit[:12]}; approve by: segue approve {release.name}"
    return None


def _unchanged(release: Release, command: Command) -> str:
    if command.digest and not bonds.names(command.digest, release.plan):
        now, since = release.plan[:19], bonds.since(release, command.digest or "")
        why = f" ({since})" if since else ""
        return f"you saw {command.digest}, and {now} waits now{why}; look again: segue show {release.name}"
    if command.verb == "promote" and freezing.holds(release):
        return f"{release.name} waits for {release.waits}; nothing changed"
    if release.only_watched and release.phase in HOLDING:
        return f"{release.name} is only watched: whoever shifts its traffic decides; nothing changed"
    if release.evidence is not None and command.verb == "promote":
        return f"{release.name} is under suspicion or still moving; see: segue show {release.name}"
    return f"{release.name} is {release.phase.value}; nothing changed"
