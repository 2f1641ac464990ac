"""What people are told once a command was obeyed: what was understood, and what happens next.

Only what is known is said. What the router, a guard or other people have yet to say is told as that, so that
nothing is promised which may not come. The same words go into comments, chats, the page and terminals.
"""

from datetime import UTC, datetime

from policies import approving, freezing, messages
from policies.events import Command
from policies.release import Phase, Release, Serving, Target
from policies.strategy import Shift

_HANDED = "whoever shifts its traffic decides"


def done(before: Release, after: Release, target: Target, command: Command) -> str:
    """What a command to a release did; `target` is its own, as it is after that."""
    match command.verb:
        case "approve" if after.phase is Phase.APPROVAL:
            return f"{after.name}: approval noted; {approving.missing(after, command.at)} more must approve"
        case "approve":
            return _approved(after, target, command.at)
        case "override":
            next_ = ahead(after, target, command.at)
            return f"{after.name} goes on against its rules for an hour, and everybody is told: {next_}"
        case "pause":
            return _paused(after)
        case "resume":
            return f"{after.name} is resumed: {ahead(after, target, command.at)}"
        case "promote":
            return _promoted(before, after, target, command.at)
        case "abort" | "reject":
            return taken_back(after, target)
        case _:
            return messages.title(after)


def approved_already(release: Release) -> str:
    """By whom it was approved, for who comes after that; "" where that is not so, or over."""
    if release.phase is Phase.APPROVAL or release.final or not release.approvals:
        return ""
    by = " and ".join(one.actor for one in release.approvals)
    return f"{release.name} was approved by {by} already, and {messages.standing(release)}"


# --- what is ahead ---------------------------------------------------------------------------


def ahead(release: Release, target: Target, at: float) -> str:
    """What happens next to a release that begins or goes on, from where it is now: half a sentence."""
    if freezing.holds(release) and not release.final:
        return _frozen(release)
    match release.phase:
        case Phase.PENDING:
            return _pending(release)
        case Phase.APPROVAL:
            until = moment(release.since + release.environment.approvals.expires)
            return f"it waits for the approval of {_people(approving.missing(release, at))}, until {until}"
        case Phase.QUEUED:
            return _queued(release, target)
        case Phase.STARTING | Phase.CHECKING:
            return _starting(release)
        case Phase.SHADOWING | Phase.SHIFTING | Phase.WATCHING:
            return _with_traffic(release)
        case Phase.PROMOTED:
            return _serves(release, target)
        case _:
            return _over(release)


def _frozen(release: Release) -> str:
    """Until when is in the freeze's own words, where it is known."""
    weight = f" at {release.wanted:g} % of requests" if release.wanted else ""
    return f"it is held{weight} by {release.waits}"


def _pending(release: Release) -> str:
    count = 0 if release.switch else release.environment.approvals.count
    then = f"; its rule then asks for the approval of {_people(count)}" if count else ""
    return f"its version is built and evaluated first, where that is not done yet{then}"


def _queued(release: Release, target: Target) -> str:
    if release.step:
        return "it starts once it was looked up that whoever let it go on still may"
    waits = release.waits or (f"{target.holder}, which is on its way" if target.holder else "")
    return f"it waits for {waits}" if waits else "it begins when its turn comes"


def _starting(release: Release) -> str:
    if release.only_watched:
        return f"it is only watched from here, and {_HANDED}"
    if release.switch:
        return "all traffic goes there once it was checked"
    if release.paused:
        return f"it starts, and no user meets it before somebody resumes it: {release.reason}"
    return "it starts, and no user meets it before it was checked"


def _with_traffic(release: Release) -> str:
    if release.only_watched:
        return f"it is watched as before, and {_HANDED}"
    if release.phase is Phase.SHADOWING:
        return f"it goes on {_step(release)}, judged by copies of requests, and no user meets it yet"
    if release.step:  # which the router has yet to answer
        return f"the router is asked for {release.wanted:g} % of requests, {_step(release)}"
    if release.phase is Phase.WATCHING:
        return f"it is watched {_step(release)}, with {release.wanted:g} % of requests"
    if _waits_for_people(release):
        return f"it stays at {release.wanted:g} % of requests, {_step(release)}, until somebody promotes it"
    weight = f"{release.wanted:g} % of requests"
    return f"it goes on {_step(release)}, from {weight}, as its policy and evidence allow"


def _waits_for_people(release: Release) -> bool:
    step = release.steps[release.position]
    return isinstance(step, Shift) and step.dwell is None


def _step(release: Release) -> str:
    return f"at step {release.position + 1} of {len(release.steps)}"


# --- what was done ---------------------------------------------------------------------------


def _approved(after: Release, target: Target, at: float) -> str:
    if after.phase is Phase.QUEUED and not after.waits:
        return f"{after.name} is approved, and begins when its turn comes"
    return f"{after.name} is approved: {ahead(after, target, at)}"


def _paused(after: Release) -> str:
    told = f"{after.name} is paused"
    if after.only_watched:
        return f"{told}, and watched as before; {_HANDED}"
    if after.phase in {Phase.STARTING, Phase.CHECKING}:
        return f"{told}: no user meets it before somebody resumes it"
    if after.phase is Phase.SHADOWING:
        return f"{told}: no user meets it before somebody resumes or promotes it; its guards still watch"
    confirmed = ", which the router has yet to confirm" if after.step else ""
    return (
        f"{told} {_step(after)}: Segue leaves it at {after.wanted:g} % of requests{confirmed}, until somebody"
        " resumes or promotes it; its guards still watch, and harm takes its traffic back"
    )


def _promoted(before: Release, after: Release, target: Target, at: float) -> str:
    unproven = "; the record calls it *not proven*" if after.unproven != before.unproven else ""
    return f"{after.name} goes on without waiting: {ahead(after, target, at)}{unproven}"


def taken_back(after: Release, target: Target) -> str:
    """That a release ends: at once, or once the router has confirmed that it has no traffic any more."""
    if after.phase is Phase.RESTORING:
        ends = "and it ends once the router has confirmed that"
        if target.stable is None:
            return f"{after.name} is being taken back: it gets no traffic any more, {ends}; {_left(target)}"
        return f"{after.name} is being taken back: all traffic goes to {version_of(target.stable)}, {ends}"
    if after.only_watched and after.peak > 0:
        return f"{after.name} is {after.phase.value}: it is watched no more, and {_HANDED}"
    return f"{after.name} is {after.phase.value}, and no user has met it; {_left(target)}"


def _left(target: Target) -> str:
    if target.stable is None:
        return f"no version served {target.name} before it"
    return f"{version_of(target.stable)} serves {target.name} as before"


def _serves(release: Release, target: Target) -> str:
    if release.batch:
        return "it is promoted"
    kept = f"; {version_of(target.previous)} is kept to go back to" if target.previous is not None else ""
    return f"it is promoted, and serves {target.name} from now on{kept}"


def _over(release: Release) -> str:
    return f"it {messages.standing(release)}" + (f": {release.reason}" if release.reason else "")


def version_of(serving: Serving) -> str:
    """A version with a running workload, as people know it: by the release that brought it."""
    return f"{serving.release}'s version" if serving.release else "what was found there"


def moment(at: float) -> str:
    """A time, as freezes say it."""
    return f"{datetime.fromtimestamp(at, UTC):%a %Y-%m-%d %H:%M} UTC"


def _people(count: int) -> str:
    return "one person" if count == 1 else f"{count} people"
