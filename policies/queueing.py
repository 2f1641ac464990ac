"""A release before it holds its target: its gates, its turn, and the handover.

Who approved is asked for right before the handover; what was approved, and the target, may have changed
while it waited, so all of that is judged once more. Nothing here gives the candidate traffic.
"""

from dataclasses import replace

from policies import approving, bonds, ending, freezing, gates, observing, starting, strategy
from policies.events import AuthorityChecked, VersionReady
from policies.place import Place
from policies.release import Phase, Release, Target
from policies.split import Decision
from policies.windows import Frozen


def judge_gates(
    release: Release, target: Target, event: VersionReady, ahead: str, freeze: Frozen | None
) -> Decision:
    """Its version is there: refuse it, end where it serves already, or go for approval or into the queue."""
    release = replace(release, image=event.image, metrics=event.metrics, waits="")
    release, refused = _gated(release, target)
    if refused:
        return ending.end(release, target, Phase.REFUSED, refused, event.at)
    if target.holder is None and not ahead and not release.only_watched and _serves_already(release, target):
        return _already_there(release, target, event.at)
    release = _planned(release, target)
    if approving.needed(release):
        return approving.ask(release, target, event.at)
    return queue(release, target, event.at, ahead, freeze)


def queue(release: Release, target: Target, at: float, ahead: str, freeze: Frozen | None = None) -> Decision:
    """Ready: wait for the turn, or take it where the target is free."""
    release = replace(release, phase=Phase.QUEUED, since=at, waits=ahead)
    if target.holder is not None or ahead:
        return Decision(release, target)
    return take_turn(release, target, at, freeze)


def authorised(
    release: Release, target: Target, event: AuthorityChecked, ahead: str, freeze: Frozen | None
) -> Decision:
    """Take the turn that the check was for, if approvals that still count are enough; else ask anew."""
    release = approving.checked(release, event)
    freeze = freezing.of(release, freeze, event.at)  # which an override that is none any more passed
    if target.holder is not None or ahead:
        return Decision(replace(release, waits=ahead), target)
    return take_turn(release, target, event.at, freeze, checked=event)


def take_turn(
    release: Release,
    target: Target,
    at: float,
    freeze: Frozen | None = None,
    checked: AuthorityChecked | None = None,
) -> Decision:
    """The target is free: take it, unless that has no sense any more or is not permitted."""
    if target.holder is not None:
        return Decision(release, target)
    waited, release = release.waits, replace(release, waits="")
    if release.number <= target.newest:
        return ending.end(release, target, Phase.SUPERSEDED, "a newer release has held the target", at)
    if target.place.watched and target.place != release.place:
        target = replace(target, stable=None, previous=None)  # it was never ours
    over = _over_before_it_begins(release, target, at)
    if over is not None:
        return over
    release, refused = _gated(release, target)
    if refused:
        return ending.end(release, target, Phase.REFUSED, refused, at)
    return _with_permission(release, target, at, freeze, checked, waited=waited)


def _over_before_it_begins(release: Release, target: Target, at: float) -> Decision | None:
    """Its end, where it would change nothing, or where the target serves at another place."""
    if _serves_already(release, target) and not release.only_watched:
        # Another release brought the same version, or failed to replace it, while this one waited.
        return _already_there(release, target, at)
    if target.stable is not None and target.place != release.place:
        return ending.end(release, target, Phase.FAILED, _moved(release, target), at)
    return None


def _with_permission(
    release: Release,
    target: Target,
    at: float,
    freeze: Frozen | None,
    checked: AuthorityChecked | None,
    *,
    waited: str,
) -> Decision:
    """Hand over once people's word was looked at just now, and nothing is frozen.

    `waited` is what it has waited for.
    """
    planned = _planned(release, target)
    waived = approving.waived(planned, at)
    asks = approving.needed(release) and not waived
    if asks and planned.plan != release.plan:
        return approving.ask(planned, target, at)  # what was approved has changed
    if freeze is not None:
        return freezing.wait(replace(planned, step="", waits=waited), target, freeze)
    if checked is None and (asks or (waived and not approving.overridden_now(planned, at))):
        return approving.check(planned, target)
    if asks and checked is not None and not approving.granted(planned, at):
        return approving.go_back(planned, target, checked)
    return _hand_over(planned, target, at)


def _hand_over(release: Release, target: Target, at: float) -> Decision:
    """The target is its own from now on; a batch model is promoted at once."""
    if release.batch:
        return ending.finish(release, replace(target, newest=release.number), at)
    if release.only_watched:
        return observing.begin(release, target, at)
    return starting.begin(release, target, at)


def _serves_already(release: Release, target: Target) -> bool:
    return target.stable is not None and target.stable.version == release.version


def _already_there(release: Release, target: Target, at: float) -> Decision:
    """It has what it wants without a step, and what is older than it may not take that away."""
    target = replace(target, newest=max(target.newest, release.number))
    return ending.end(release, target, Phase.ALREADY_THERE, "this version serves already", at)


def _gated(release: Release, target: Target) -> tuple[Release, str]:
    """The release with its gates' lines, and why it is refused ("" if it is not)."""
    baseline = dict(target.stable.metrics) if target.stable is not None else None
    report = gates.judge(release.rules, dict(release.metrics), baseline)
    return replace(release, gates=report.lines, unproven=report.unproven), report.reason


def _planned(release: Release, target: Target) -> Release:
    """The release with the steps that fit its target as it is now, and their digest."""
    steps = release.steps
    if not (release.switch or release.batch or release.only_watched):
        first = target.stable is None and release.place.deployment is None
        steps = strategy.plan(release.environment, first=first)
    release = replace(release, steps=steps)
    return replace(release, plan=bonds.bond(release, release.asked[-1].step if release.asked else "").plan)


def _moved(release: Release, target: Target) -> str:
    return (
        f"{target.name} serves {_where(target.place)}, and its declaration says {_where(release.place)}"
        " or names other objects; a target cannot move while it serves: hand it back first"
    )


def _where(place: Place) -> str:
    return f"in cluster {place.cluster}, namespace {place.namespace}" if place.cluster else "on this machine"
