"""The release machine: `advance(release, target, event)` gives both anew, and what to do.

Pure: values in, values out, time comes with the event. One function for each phase, or for phases that
answer alike; rows of its `match` read as a table. Its last row says that nothing happens, or what phases
have in common, because late, repeated and misplaced events are normal.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from policies import approving, ending, freezing, observing, queueing, settle, shifting, split, starting
from policies.events import (
    Adopted,
    AuthorityChecked,
    CheckFinished,
    Command,
    Drifted,
    EffectFailed,
    EvidenceChanged,
    HoldsChanged,
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
from policies.release import HOLDING, Phase, Release, Target
from policies.split import Decision
from policies.windows import Frozen


@dataclass(frozen=True, slots=True)
class _InTheWay:
    """What is in a release's way now: what goes before it, and the freeze that is for it. `declared` is a
    freeze even where an override passes it."""

    ahead: str
    freeze: Frozen | None
    declared: Frozen | None


def advance(
    release: Release, target: Target, event: ReleaseEvent, ahead: str = "", freeze: Frozen | None = None
) -> Decision:
    """The machine. `target` is the release's own target as it is stored now.

    `ahead` says what takes the target, or its room, before this release may; "": it is first. `freeze`:
    nothing begins or gets more traffic until then; going back does not wait for it.
    """
    if release.final or (release.phase in HOLDING and target.holder != release.name):
        return Decision(release, target)
    if isinstance(event, HoldsChanged):
        return freezing.changed(release, target, event)
    if release.only_watched and release.phase in HOLDING:
        return observing.advance(release, target, event)
    way = _InTheWay(ahead, freezing.of(release, freeze, event.at), freeze)
    return _ROWS[release.phase](release, target, event, way)


def _pending(release: Release, target: Target, event: ReleaseEvent, way: _InTheWay) -> Decision:
    match event:
        case VersionReady():
            return queueing.judge_gates(release, target, event, way.ahead, way.freeze)
        case VersionFailed(reason=reason, at=at):
            return ending.end(release, target, Phase.FAILED, reason, at)
        case Waits(step=release.step, why=why):  # for nothing that answers to a step
            return Decision(replace(release, waits=why), target)
        case _:
            return _holds_nothing(release, target, event)


def _approval(release: Release, target: Target, event: ReleaseEvent, way: _InTheWay) -> Decision:
    match event:
        case Command(verb="approve"):
            approved = approving.approve(release, event)
            if approved is None:
                return approving.noted(release, target, event)
            return queueing.queue(approved, target, event.at, way.ahead, way.freeze)
        case Command(verb="override"):
            return _overridden(release, target, event, way)
        case Command(verb="reject", at=at):
            return ending.end(release, target, Phase.REJECTED, ending.by(event, "rejected it"), at)
        case Tick(at=at) if at >= release.since + release.environment.approvals.expires:
            return ending.end(release, target, Phase.REJECTED, "nobody approved it in time", at)
        case _:
            return _holds_nothing(release, target, event)


def _queued(release: Release, target: Target, event: ReleaseEvent, way: _InTheWay) -> Decision:
    match event:
        case TurnCame(at=at) if not release.step:
            return queueing.take_turn(release, target, at, way.freeze)
        case Command(verb="override"):
            return _overridden(release, target, event, way)
        case AuthorityChecked(step=release.step):
            return queueing.authorised(release, target, event, way.ahead, way.declared)
        case EffectFailed(step=release.step, reason=reason, at=at):
            rule = release.environment.approvals
            nobody = AuthorityChecked(release.step, rule, (), (reason,), at, overridden=False)
            return queueing.authorised(release, target, nobody, way.ahead, way.declared)
        case Waits(step=release.step, why=why):  # for nothing that answers to a step
            return Decision(replace(release, waits=why), target)
        case _:
            return _holds_nothing(release, target, event)


def _overridden(release: Release, target: Target, event: Command, way: _InTheWay) -> Decision:
    overridden = approving.override(release, event)
    if overridden is None:
        return Decision(release, target)
    return queueing.queue(overridden, target, event.at, way.ahead)


def _holds_nothing(release: Release, target: Target, event: ReleaseEvent) -> Decision:
    """What can happen before its turn."""
    match event:
        case Superseded(by=by, at=at):
            return ending.end(release, target, Phase.SUPERSEDED, f"{by} is newer", at)
        case Command(verb="abort", at=at):
            return ending.end(release, target, Phase.ABORTED, ending.by(event, "aborted"), at)
        case _:
            return _waits(release, target, event)


def _starting(release: Release, target: Target, event: ReleaseEvent, way: _InTheWay) -> Decision:
    match event:
        case Adopted(step=release.step):
            return starting.take_over(release, target, event)
        case WorkloadReady(step=release.step):
            return starting.show_preview(release, target, event)
        case _:
            return _before_traffic(release, target, event, way)


def _checking(release: Release, target: Target, event: ReleaseEvent, way: _InTheWay) -> Decision:
    match event:
        case TrafficObserved(step=release.step, epoch=release.epoch, at=at):
            return starting.look_at_preview(release, target, at, way.freeze)
        case CheckFinished(step=release.step, at=at):
            return starting.checked(replace(release, step="", position=0), target, at, way.freeze)
        case Tick(at=at) if not release.step:
            return starting.checked(release, target, at, way.freeze)
        case _:
            return _before_traffic(release, target, event, way)


def _before_traffic(release: Release, target: Target, event: ReleaseEvent, way: _InTheWay) -> Decision:
    """What can happen while it starts and is checked."""
    match event:
        case EffectFailed(step=release.step, reason=reason, at=at):
            return ending.restore(release, target, Phase.FAILED, reason, at)
        case Command(verb="resume", at=at) if release.paused:
            return starting.unheld(replace(release, paused=False, reason=""), target, at, way.freeze)
        case _:
            return _holds_its_target(release, target, event)


def _with_traffic(release: Release, target: Target, event: ReleaseEvent, way: _InTheWay) -> Decision:
    match event:
        case TrafficObserved(step=release.step, epoch=release.epoch):
            return shifting.confirmed(release, target, event, way.freeze)
        case EffectFailed(step=release.step):
            return split.write(release, target)
        case Drifted(what=what) if release.settled:
            return _stop_for_drift(release, target, what)
        case EvidenceChanged():
            return shifting.weigh(release, target, event, way.freeze)
        case Tick(at=at):
            return shifting.progress(release, target, at, way.freeze)
        case Command(verb="resume"):
            return shifting.resume(release, target, event, way.freeze)
        case Command(verb="promote") if way.freeze is not None:
            return Decision(release, target)
        case Command(verb="promote" | "override"):
            return shifting.promote_by_hand(release, target, event)
        case _:
            return _holds_its_target(release, target, event)


def _holds_its_target(release: Release, target: Target, event: ReleaseEvent) -> Decision:
    """What can happen from the handover to the last watch."""
    match event:
        case Command(verb="abort", at=at):
            return ending.restore(release, target, Phase.ABORTED, ending.by(event, "aborted"), at)
        case Overtaken(by=by, at=at):
            reason = f"{by} is newer, and ends what is on its way"
            return ending.restore(release, target, Phase.SUPERSEDED, reason, at)
        case Command(verb="pause"):
            return Decision(replace(release, paused=True, reason=ending.by(event, "paused")), target)
        case _:
            return _waits(release, target, event)


def _restoring(release: Release, target: Target, event: ReleaseEvent, way: _InTheWay) -> Decision:
    match event:
        case TrafficObserved(step=release.step, epoch=release.epoch):
            return shifting.confirmed(release, target, event, way.freeze)
        case EffectFailed(step=release.step):
            return split.write(release, target)
        case _:
            return _waits(release, target, event)


def _waits(release: Release, target: Target, event: ReleaseEvent) -> Decision:
    """The last row of all: why an answer is still to come, or nothing."""
    match event:
        case Waits(step=release.step, why=why) if release.step:
            return Decision(replace(release, waits=why), target)
        case _:
            return Decision(release, target)


def _stop_for_drift(release: Release, target: Target, what: str) -> Decision:
    """Somebody else moved the traffic: people decide, Segue does not fight over it."""
    reason = f"paused, because what serves was changed by somebody else; resume or abort: {what}"
    if release.paused and release.reason == reason:
        return Decision(release, target)
    release = replace(release, paused=True, reason=reason)
    return Decision(release, target, settle.announce(release))


_ROWS: dict[Phase, Callable[[Release, Target, ReleaseEvent, _InTheWay], Decision]] = {
    Phase.PENDING: _pending,
    Phase.APPROVAL: _approval,
    Phase.QUEUED: _queued,
    Phase.STARTING: _starting,
    Phase.CHECKING: _checking,
    Phase.SHADOWING: _with_traffic,
    Phase.SHIFTING: _with_traffic,
    Phase.WATCHING: _with_traffic,
    Phase.RESTORING: _restoring,
}
