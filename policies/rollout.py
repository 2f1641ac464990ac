"""The release machine: `advance(release, target, event)` gives both anew, and what to do.

Pure: values in, values out, time comes with the event. Rows of one `match` read as a table; its last
row says that nothing happens, because late, repeated and misplaced events are normal.
"""

from dataclasses import replace

from policies import approving, bonds, ending, freezing, gates, observing, settle, shifting, split, strategy
from policies.effects import Adopt, CheckPreview, StartWorkload
from policies.events import (
    Adopted,
    AuthorityChecked,
    CheckFinished,
    Command,
    Drifted,
    EffectFailed,
    EvidenceChanged,
    Overtaken,
    ReleaseEvent,
    Superseded,
    Tick,
    TrafficObserved,
    TurnCame,
    VersionFailed,
    VersionReady,
    Waits,
    WorkloadReady,
)
from policies.place import Place
from policies.release import HOLDING, Phase, Release, Serving, Target
from policies.split import Decision
from policies.windows import Frozen

WAITING = (Phase.PENDING, Phase.QUEUED)  # for nothing that answers to a step


def advance(
    release: Release, target: Target, event: ReleaseEvent, ahead: str = "", freeze: Frozen | None = None
) -> Decision:
    """The machine. `target` is the release's own target as it is stored now.

    `ahead` says what takes the target, or its room, before this release may; "": it is first. `freeze`:
    nothing begins or gets more traffic until then; going back does not wait for it.
    """
    same = Decision(release, target)
    declared, freeze = freeze, freezing.of(release, freeze, event.at)
    if release.final or (release.phase in HOLDING and target.holder != release.name):
        return same
    if release.only_watched and release.phase in HOLDING:
        return observing.advance(release, target, event)
    match event, release.phase:
        case VersionReady(), Phase.PENDING:
            return _judge_gates(release, target, event, ahead, freeze)
        case VersionFailed(reason=reason, at=at), Phase.PENDING:
            return ending.end(release, target, Phase.FAILED, reason, at)
        case Superseded(by=by, at=at), Phase.PENDING | Phase.APPROVAL | Phase.QUEUED:
            return ending.end(release, target, Phase.SUPERSEDED, f"{by} is newer", at)
        case Command(verb="approve"), Phase.APPROVAL:
            approved = approving.approve(release, event)
            return (
                _queue(approved, target, event.at, ahead, freeze)
                if approved
                else approving.noted(release, target, event)
            )
        case Command(verb="override"), Phase.APPROVAL:
            overridden = approving.override(release, event)
            return _queue(overridden, target, event.at, ahead) if overridden else same
        case Command(verb="reject", actor=actor, reason=reason, at=at), Phase.APPROVAL:
            said = f"{actor} rejected it" + (f": {reason}" if reason else "")
            return ending.end(release, target, Phase.REJECTED, said, at)
        case Tick(at=at), Phase.APPROVAL if at >= release.since + release.environment.approvals.expires:
            return ending.end(release, target, Phase.REJECTED, "nobody approved it in time", at)
        case TurnCame(at=at), Phase.QUEUED if not release.step:
            return _take_turn(release, target, at, freeze)
        case Command(verb="override"), Phase.QUEUED:
            overridden = approving.override(release, event)
            return _queue(overridden, target, event.at, ahead) if overridden else same
        case AuthorityChecked(step=release.step), Phase.QUEUED:
            return _authorised(release, target, event, ahead, declared)
        case EffectFailed(step=release.step, reason=reason, at=at), Phase.QUEUED:
            rule = release.environment.approvals
            nobody = AuthorityChecked(release.step, rule, (), (reason,), at, overridden=False)
            return _authorised(release, target, nobody, ahead, declared)
        case Command(verb="abort"), Phase.PENDING | Phase.APPROVAL | Phase.QUEUED:
            return ending.end(release, target, Phase.ABORTED, ending.by(event, "aborted"), event.at)
        case Command(
            verb="abort"
        ), Phase.STARTING | Phase.CHECKING | Phase.SHADOWING | Phase.SHIFTING | Phase.WATCHING:
            return ending.restore(release, target, Phase.ABORTED, ending.by(event, "aborted"), event.at)
        case Adopted(step=release.step), Phase.STARTING:
            return _take_over(release, target, event)
        case WorkloadReady(step=release.step), Phase.STARTING:
            return _show_preview(release, target, event)
        case TrafficObserved(step=release.step, epoch=release.epoch), Phase.CHECKING:
            return _look_at_preview(release, target)
        case CheckFinished(step=release.step, at=at), Phase.CHECKING:
            return _checked(replace(release, step="", position=0), target, at, freeze)
        case Tick(at=at), Phase.CHECKING if not release.step:
            return _checked(release, target, at, freeze)
        case EffectFailed(step=release.step, reason=reason, at=at), Phase.STARTING | Phase.CHECKING:
            return ending.restore(release, target, Phase.FAILED, reason, at)
        case (
            TrafficObserved(step=release.step, epoch=release.epoch),
            Phase.SHADOWING | Phase.SHIFTING | Phase.WATCHING | Phase.RESTORING,
        ):
            return shifting.confirmed(release, target, event, freeze)
        case (
            EffectFailed(step=release.step),
            Phase.SHADOWING | Phase.SHIFTING | Phase.WATCHING | Phase.RESTORING,
        ):
            return split.write(release, target)
        case Overtaken(
            by=by, at=at
        ), Phase.STARTING | Phase.CHECKING | Phase.SHADOWING | Phase.SHIFTING | Phase.WATCHING:
            reason = f"{by} is newer, and ends what is on its way"
            return ending.restore(release, target, Phase.SUPERSEDED, reason, at)
        case Waits(step=release.step, why=why), _ if release.step or release.phase in WAITING:
            return Decision(replace(release, waits=why), target)
        case Drifted(what=what), Phase.SHADOWING | Phase.SHIFTING | Phase.WATCHING if release.settled:
            return _stop_for_drift(release, target, what)
        case EvidenceChanged(), Phase.SHADOWING | Phase.SHIFTING | Phase.WATCHING:
            return shifting.weigh(release, target, event, freeze)
        case Tick(at=at), Phase.SHADOWING | Phase.SHIFTING | Phase.WATCHING:
            return shifting.progress(release, target, at, freeze)
        case Command(
            verb="pause"
        ), Phase.STARTING | Phase.CHECKING | Phase.SHADOWING | Phase.SHIFTING | Phase.WATCHING:
            return Decision(replace(release, paused=True, reason=ending.by(event, "paused")), target)
        case Command(verb="resume", at=at), Phase.STARTING | Phase.CHECKING if release.paused:
            return _unheld(replace(release, paused=False, reason=""), target, at, freeze)
        case Command(verb="resume"), Phase.SHADOWING | Phase.SHIFTING | Phase.WATCHING:
            return shifting.resume(release, target, event, freeze)
        case Command(verb="promote"), _ if freeze is not None:
            return same
        case Command(verb="promote" | "override"), Phase.SHADOWING | Phase.SHIFTING | Phase.WATCHING:
            return shifting.promote_by_hand(release, target, event)
        case _:
            return same


# --- before any traffic ----------------------------------------------------------------------


def _judge_gates(
    release: Release, target: Target, event: VersionReady, ahead: str, freeze: Frozen | None
) -> Decision:
    release = replace(release, image=event.image, metrics=event.metrics, waits="")
    release, refused = _gated(release, target)
    if refused:
        return ending.end(release, target, Phase.REFUSED, refused, event.at)
    if target.holder is None and not ahead and not release.only_watched and _serves_already(release, target):
        return _already_there(release, target, event.at)
    release = _planned(release, target)
    if approving.needed(release):
        return approving.ask(release, target, event.at)
    return _queue(release, target, event.at, ahead, freeze)


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


def _queue(release: Release, target: Target, at: float, ahead: str, freeze: Frozen | None = None) -> Decision:
    release = replace(release, phase=Phase.QUEUED, since=at, waits=ahead)
    if target.holder is not None or ahead:
        return Decision(release, target)
    return _take_turn(release, target, at, freeze)


def _authorised(
    release: Release, target: Target, event: AuthorityChecked, ahead: str, freeze: Frozen | None
) -> Decision:
    """Take the turn that the check was for, if approvals that still count are enough; else ask anew."""
    release = approving.checked(release, event)
    freeze = freezing.of(release, freeze, event.at)  # which an override that is none any more passed
    if target.holder is not None or ahead:
        return Decision(replace(release, waits=ahead), target)
    return _take_turn(release, target, event.at, freeze, checked=event)


def _take_turn(
    release: Release,
    target: Target,
    at: float,
    freeze: Frozen | None = None,
    checked: AuthorityChecked | None = None,
) -> Decision:
    """Handover: holder and epoch change together, and an absolute write begins the new epoch. Who approved is
    asked for right before."""
    if target.holder is not None:
        return Decision(release, target)
    waited, release = release.waits, replace(release, waits="")
    if release.number <= target.newest:
        return ending.end(release, target, Phase.SUPERSEDED, "a newer release has held the target", at)
    if target.place.watched and target.place != release.place:
        target = replace(target, stable=None, previous=None)  # it was never ours
    if _serves_already(release, target) and not release.only_watched:
        # Another release brought the same version, or failed to replace it, while this one waited.
        return _already_there(release, target, at)
    if target.stable is not None and target.place != release.place:
        return ending.end(release, target, Phase.FAILED, _moved(release, target), at)
    release, refused = _gated(release, target)
    if refused:
        return ending.end(release, target, Phase.REFUSED, refused, at)
    planned = _planned(release, target)
    waived = approving.waived(planned, at)
    asks = approving.needed(release) and not waived
    if asks and planned.plan != release.plan:
        return approving.ask(planned, target, at)  # what was approved has changed
    release = planned
    if freeze is not None:
        return freezing.wait(replace(release, step="", waits=waited), target, freeze)
    if checked is None and (asks or (waived and not approving.overridden_now(release, at))):
        return approving.check(release, target)
    if asks and checked is not None and not approving.granted(release, at):
        return approving.go_back(release, target, checked)
    if release.batch:
        return ending.finish(release, replace(target, newest=release.number), at)
    if release.only_watched:
        return observing.begin(release, target, at)
    epoch = target.epoch + 1
    target = replace(target, holder=release.name, epoch=epoch, newest=release.number, place=release.place)
    release = replace(release, phase=Phase.STARTING, epoch=epoch, since=at)
    if target.stable is None and release.place.deployment is not None:
        release = replace(release, step=f"adopt-{epoch}")
        return Decision(release, target, (Adopt(release.step, release.target, release.place),))
    return _start(release, target)


def _moved(release: Release, target: Target) -> str:
    def said(place: Place) -> str:
        return (
            f"in cluster {place.cluster}, namespace {place.namespace}" if place.cluster else "on this machine"
        )

    return (
        f"{target.name} serves {said(target.place)}, and its declaration says {said(release.place)}"
        " or names other objects; a target cannot move while it serves: hand it back first"
    )


def _take_over(release: Release, target: Target, event: Adopted) -> Decision:
    """What Segue found serving is stable from now on; it has no release and no version of ours."""
    found = Serving(
        release="",
        number=0,
        version="",
        image=event.image,
        backend=event.backend,
        url=event.url,
        since=event.at,
    )
    return _start(release, replace(target, stable=found))


def _start(release: Release, target: Target) -> Decision:
    release = replace(release, step="start-1", waits="")
    start = StartWorkload(release.step, release.version, release.backend, release.target, release.place)
    if target.stable is None:
        return Decision(release, target, (start,))
    return Decision(release, target, (split.split_of(release, target, "open", 0.0), start))


def _show_preview(release: Release, target: Target, event: WorkloadReady) -> Decision:
    """The candidate's place in the router, without traffic; on a first release there is none yet."""
    release = replace(release, phase=Phase.CHECKING, url=event.url, since=event.at, waits="")
    if target.stable is None:
        return _look_at_preview(release, target)
    release = replace(release, step=f"preview-{release.epoch}")
    return Decision(release, target, (split.split_of(release, target, release.step, 0.0),))


def _checked(release: Release, target: Target, at: float, freeze: Frozen | None) -> Decision:
    """All that goes before traffic is done; a release that is paused, or frozen, waits here."""
    if release.paused:
        return Decision(release, target)
    if freeze is not None:
        return freezing.wait(release, target, freeze)
    return shifting.enter(replace(release, waits=""), target, at)


def _unheld(release: Release, target: Target, at: float, freeze: Frozen | None) -> Decision:
    """Go on after a pause before any traffic, from where it is by now."""
    done = release.phase is Phase.CHECKING and not release.step
    return _checked(release, target, at, freeze) if done else Decision(release, target)


def _look_at_preview(release: Release, target: Target) -> Decision:
    release = replace(release, step=f"check-{release.epoch}")
    check = CheckPreview(
        release.step, release.target, release.version, release.backend, release.url, release.place
    )
    return Decision(release, target, (check,))


def _stop_for_drift(release: Release, target: Target, what: str) -> Decision:
    """Somebody else moved the traffic: people decide, Segue does not fight over it."""
    reason = f"paused, because what serves was changed by somebody else; resume or abort: {what}"
    if release.paused and release.reason == reason:
        return Decision(release, target)
    release = replace(release, paused=True, reason=reason)
    return Decision(release, target, settle.announce(release))
