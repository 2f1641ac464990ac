"""What a person can do as things stand: buttons as values. Whether it may be done, the engine says."""

from dataclasses import dataclass, replace

from policies import approvals, drifting, roles
from policies.release import FINAL, JUDGED, Phase, Release, Target
from policies.roles import Rights
from service.engine import seen
from service.engine.happened import Happened, State
from service.identity.callers import Caller

MIDDLE = frozenset({Phase.STARTING, Phase.CHECKING, *JUDGED})
_ON = "It goes on to what comes next at once, even under suspicion; harm still takes it back."
_OVERRIDDEN = {
    Phase.APPROVAL: "It goes on without the approvals that it needs, and within a freeze.",
    Phase.QUEUED: "It begins when its turn comes, within a freeze too, without its approvals being counted.",
    **dict.fromkeys(JUDGED, _ON),
}
AGAIN = frozenset({Phase.FAILED, Phase.REFUSED, Phase.ROLLED_BACK, Phase.ABORTED, Phase.REJECTED})


@dataclass(frozen=True, slots=True)
class Action:
    """A button: what it does, what is asked before, and what it is bound to.

    `why_not` says why this person cannot; the button then is not shown. Where `seen` is empty the command
    is on the safe side and counts whatever has changed since.
    """

    verb: str
    words: str
    about: str
    harsh: bool = False
    digest: str = ""
    seen: str = ""
    why_not: str = ""
    explained: bool = False  # a reason must be given


REJECT = Action("reject", "Reject", "The release ends. No user has met it, and none will.", harsh=True)


def of_release(release: Release, who: Caller, accounts: tuple[str, ...] = ()) -> tuple[Action, ...]:
    """In the order in which they are offered. Who may not approve is told why; what else they may not do is
    left out."""
    found = (*as_things_stand(release, who.name, accounts), *_against_rules(release))
    return tuple(
        _allowed(one, who.rights, release.target) for one in found if _shown(one, who.rights, release)
    )


def as_things_stand(release: Release, who: str = "", accounts: tuple[str, ...] = ()) -> tuple[Action, ...]:
    """The same where nobody knows who will press, as in a chat's room: without what admins alone may."""
    if release.phase is Phase.APPROVAL:
        return (_approve(release, who, accounts), REJECT, _abort(release))
    if release.phase in MIDDLE:
        going = _resume(release) if release.paused else _pause(release)
        moves = release.phase in JUDGED and not release.only_watched
        return (going, *((_promote(release),) if moves else ()), _abort(release))
    if release.phase in AGAIN:
        return (Action("retry", "Try again", "A new release of the same version begins."),)
    return () if release.phase in FINAL or release.phase is Phase.RESTORING else (_abort(release),)


def of_target(target: Target, rights: Rights) -> tuple[Action, ...]:
    """Back to the version before, where there is one to go back to, and back to how a place was found."""
    return tuple(one for one in (_roll_back(target, rights), _hand_back(target, rights)) if one is not None)


def _roll_back(target: Target, rights: Rights) -> Action | None:
    if (
        not rights.may("rollback", target.name)
        or target.place.watched
        or (target.holder is None and (target.stable is None or target.previous is None))
    ):
        return None
    before = target.previous.release if target.previous is not None else ""
    about = (
        f"{target.holder} is taken back, and the version that serves goes on serving."
        if target.holder is not None
        else f"All traffic goes to {before or 'what was found there'}, which is kept running for this."
    )
    return Action("rollback", "Roll back", about, harsh=True, seen=seen.of_target(target))


def _hand_back(target: Target, rights: Rights) -> Action | None:
    taken = target.stable is not None and target.place.deployment is not None and not target.place.watched
    if not taken or target.holder is not None or not rights.may("hand-back", target.name):
        return None
    about = (
        f"The Deployment {target.place.namespace}/{target.place.deployment} is as it was found, and goes on"
        " serving the version of now. What Segue made there is removed; the next release takes it over again."
    )
    return Action("hand-back", "Hand back", about, harsh=True, seen=seen.of_target(target))


def of_drift(target: Target) -> tuple[Action, ...]:
    """What can be done where somebody else changed what serves, or what names it: for what was seen."""
    mark = drifting.mark(target)
    if not mark or target.holder is not None or target.remedy is not None:
        return ()
    repair = "What Segue decided is written once more, over exactly what is shown here."
    adopt = "What is there now is right from now on, and the record calls it *not proven*."
    return (
        Action("repair", "Repair", repair, digest=mark),
        Action("adopt", "Take for right", adopt, harsh=True, digest=mark, explained=True),
    )


def of_event(shown: Happened, rights: Rights) -> tuple[Action, ...]:
    """Have it done again, or leave it: what was given up, and a delivery that was handled."""
    if not rights.may_everywhere("replay-event"):
        return ()
    if shown.state is State.DEAD:
        mended = "It is done once more. If its cause is not mended, it will be given up again."
        left = "It stays undone, and is counted as given up no more."
        return (
            Action("replay-event", "Do it again", mended),
            Action("dismiss-event", "Leave it", left, harsh=True, explained=True),
        )
    if shown.delivery is not None and shown.state is State.DONE:
        about = "It is handled once more. What it started already does not start twice."
        return (Action("replay-event", "Do it again", about),)
    return ()


def _shown(action: Action, rights: Rights, release: Release) -> bool:
    return action.verb == "approve" or rights.may(action.verb, release.target)


def _allowed(action: Action, rights: Rights, target: str) -> Action:
    if rights.may(action.verb, target):
        return action
    return replace(action, why_not=f"needs the role {roles.who_may(action.verb)} on {target}")


def _approve(release: Release, who: str, accounts: tuple[str, ...]) -> Action:
    rule = release.environment.approvals
    return Action(
        "approve",
        "Approve",
        f"You approve exactly the plan {release.plan[7:19]}: this image, these results, these steps."
        " If any of it changes, your approval is void.",
        digest=release.plan,
        seen=seen.of_release(release),
        why_not=approvals.may_approve(rule, release.cause.author, who, (), accounts) or "",
    )


def _pause(release: Release) -> Action:
    weight = f"{release.wanted:g} %"
    return Action("pause", "Pause", f"It stays at {weight} until somebody resumes. Guards go on watching.")


def _resume(release: Release) -> Action:
    about = "It goes on as its policy says, from the weight that it has."
    return Action("resume", "Resume", about, seen=seen.of_release(release))


def _promote(release: Release) -> Action:
    return Action(
        "promote",
        "Go on now",
        "The next weight is set without waiting for evidence, and the record will say *not proven*.",
        seen=seen.of_release(release),
    )


def _abort(release: Release) -> Action:
    back = "Its traffic goes back to the version before, and it ends." if release.peak > 0 else "It ends."
    return Action("abort", "Abort", back, harsh=True)


def _against_rules(release: Release) -> tuple[Action, ...]:
    """Break-glass. It is told everywhere, so whoever presses it hears that first."""
    if release.only_watched or release.phase not in _OVERRIDDEN:
        return ()
    loud = (
        "Everybody is told that you did, and why: in the record, the log, a counter that alarms, and wherever"
        " the release is told of."
    )
    about = f"{_OVERRIDDEN[release.phase]} {loud}"
    plan, saw = release.plan, seen.of_release(release)
    return (Action("override", "Override rules", about, harsh=True, digest=plan, seen=saw, explained=True),)
