"""The release machine: `advance(release, target, event)` gives both anew, and what to do.

Pure: values in, values out, time comes with the event. Rows of one `match` read as a table; its last
row says that nothing happens, because late, repeated and misplaced events are normal. Unknown never
advances: without fresh evidence of the present weight a guarded step holds.
"""

from dataclasses import dataclass, replace
from typing import assert_never

from policies import approvals, gates, settle, strategy
from policies.approvals import Approval
from policies.effects import CheckPreview, Effect, SetTraffic, Share, StartWorkload, Wake
from policies.events import (
    CheckFinished,
    Command,
    EffectFailed,
    EvidenceChanged,
    ReleaseEvent,
    Superseded,
    Tick,
    TrafficObserved,
    TurnCame,
    VersionFailed,
    VersionReady,
    WorkloadReady,
)
from policies.evidence import Evidence, Verdict
from policies.release import HOLDING, Phase, Release, Serving, Target, plan_digest
from policies.spec.declaration import WhenUndecided
from policies.strategy import Shift, Watch

STALE_AFTER = 15.0  # seconds after which evidence says nothing about now
SHARE_TOLERANCE = 10.0  # percent points by which the seen share may miss the weight


@dataclass(frozen=True, slots=True)
class Decision:
    """The next states, and what to do about them, in order."""

    release: Release
    target: Target
    effects: tuple[Effect, ...] = ()


def advance(release: Release, target: Target, event: ReleaseEvent) -> Decision:
    """The machine. `target` is the release's own target as it is stored now."""
    same = Decision(release, target)
    if release.final or (release.phase in HOLDING and target.holder != release.name):
        return same
    match event, release.phase:
        case VersionReady(), Phase.PENDING:
            return _judge_gates(release, target, event)
        case VersionFailed(reason=reason, at=at), Phase.PENDING:
            return _end(release, target, Phase.FAILED, reason, at)
        case Superseded(by=by, at=at), Phase.PENDING | Phase.APPROVAL | Phase.QUEUED:
            return _end(release, target, Phase.SUPERSEDED, f"{by} is newer", at)
        case Command(verb="approve"), Phase.APPROVAL:
            return _approve(release, target, event)
        case Command(verb="reject", actor=actor, reason=reason, at=at), Phase.APPROVAL:
            said = f"{actor} rejected it" + (f": {reason}" if reason else "")
            return _end(release, target, Phase.REJECTED, said, at)
        case Tick(at=at), Phase.APPROVAL if at >= release.since + release.environment.approvals.expires:
            return _end(release, target, Phase.REJECTED, "nobody approved it in time", at)
        case TurnCame(at=at), Phase.QUEUED:
            return _take_turn(release, target, at)
        case Command(verb="abort"), Phase.PENDING | Phase.APPROVAL | Phase.QUEUED:
            return _end(release, target, Phase.ABORTED, _by(event, "aborted"), event.at)
        case Command(verb="abort"), Phase.STARTING | Phase.CHECKING | Phase.SHIFTING | Phase.WATCHING:
            return _restore(release, target, Phase.ABORTED, _by(event, "aborted"), event.at)
        case WorkloadReady(step=release.step), Phase.STARTING:
            return _show_preview(release, target, event)
        case TrafficObserved(step=release.step, epoch=release.epoch), Phase.CHECKING:
            return _look_at_preview(release, target)
        case CheckFinished(step=release.step, at=at), Phase.CHECKING:
            return _enter(replace(release, position=0), target, at)
        case EffectFailed(step=release.step, reason=reason, at=at), Phase.STARTING | Phase.CHECKING:
            return _restore(release, target, Phase.FAILED, reason, at)
        case TrafficObserved(step=release.step, epoch=release.epoch), Phase.SHIFTING | Phase.RESTORING:
            return _confirmed(release, target, event)
        case EffectFailed(step=release.step), Phase.SHIFTING | Phase.RESTORING:
            return _write(release, target)
        case EvidenceChanged(evidence=evidence, at=at), Phase.SHIFTING | Phase.WATCHING:
            return _weigh(release, target, evidence, at)
        case Tick(at=at), Phase.SHIFTING | Phase.WATCHING:
            return _progress(release, target, at)
        case Command(verb="pause"), Phase.SHIFTING | Phase.WATCHING:
            return Decision(replace(release, paused=True, reason=_by(event, "paused")), target)
        case Command(verb="resume"), Phase.SHIFTING | Phase.WATCHING:
            return _progress(replace(release, paused=False, reason=""), target, event.at)
        case Command(verb="promote"), Phase.SHIFTING | Phase.WATCHING:
            return _promote_by_hand(release, target, event)
        case _:
            return same


# --- before any traffic ----------------------------------------------------------------------


def _judge_gates(release: Release, target: Target, event: VersionReady) -> Decision:
    release = replace(release, image=event.image, metrics=event.metrics)
    release, refused = _gated(release, target)
    if refused:
        return _end(release, target, Phase.REFUSED, refused, event.at)
    if _serves_already(release, target):
        return _end(release, target, Phase.ALREADY_THERE, "this version serves already", event.at)
    release = _planned(release, target)
    if _needs_approval(release):
        return _ask(release, target, event.at)
    return _queue(release, target, event.at)


def _serves_already(release: Release, target: Target) -> bool:
    return target.stable is not None and target.stable.version == release.version


def _gated(release: Release, target: Target) -> tuple[Release, str]:
    """The release with its gates' lines, and why it is refused ("" if it is not)."""
    baseline = dict(target.stable.metrics) if target.stable is not None else None
    report = gates.judge(release.rules, dict(release.metrics), baseline)
    return replace(release, gates=report.lines, unproven=report.unproven), report.reason


def _planned(release: Release, target: Target) -> Release:
    """The release with the steps that fit its target as it is now, and their digest."""
    steps = release.steps
    if not (release.switch or release.batch):
        steps = strategy.plan(release.environment, first=target.stable is None)
    release = replace(release, steps=steps)
    return replace(release, plan=plan_digest(release))


def _needs_approval(release: Release) -> bool:
    return release.environment.approvals.count > 0 and not release.switch


def _ask(release: Release, target: Target, at: float) -> Decision:
    waiting = replace(release, phase=Phase.APPROVAL, since=at, approvals=())
    wake = Wake(at + release.environment.approvals.expires)
    return Decision(waiting, target, (wake, *settle.announce(waiting)))


def _approve(release: Release, target: Target, command: Command) -> Decision:
    if not _names_plan(command.digest, release.plan):
        return Decision(release, target)
    given = (*release.approvals, Approval(command.actor, release.plan, command.at))
    release = replace(release, approvals=given)
    standing = approvals.standing(
        release.environment.approvals, release.cause.author, given, release.plan, command.at
    )
    if not standing.granted:
        return Decision(release, target)
    return _queue(release, target, command.at)


def _names_plan(digest: str | None, plan: str) -> bool:
    """An approval without a digest approves what the release shows now; a digest must be its."""
    return digest is None or (len(digest) >= len("sha256:") + 12 and plan.startswith(digest))


def _queue(release: Release, target: Target, at: float) -> Decision:
    release = replace(release, phase=Phase.QUEUED, since=at)
    if target.holder is not None:
        return Decision(release, target)
    return _take_turn(release, target, at)


def _take_turn(release: Release, target: Target, at: float) -> Decision:
    """Handover: holder and epoch change together, and an absolute write begins the new epoch."""
    if target.holder is not None:
        return Decision(release, target)
    if release.number <= target.newest:
        return _end(release, target, Phase.SUPERSEDED, "a newer release has held the target", at)
    if _serves_already(release, target):
        # Another release brought the same version while this one waited.
        return _end(release, target, Phase.ALREADY_THERE, "this version serves already", at)
    release, refused = _gated(release, target)
    if refused:
        return _end(release, target, Phase.REFUSED, refused, at)
    planned = _planned(release, target)
    if planned.plan != release.plan and _needs_approval(release):
        return _ask(planned, target, at)  # what was approved has changed
    release = planned
    if release.batch:
        return _finish(release, replace(target, newest=release.number), at)
    epoch = target.epoch + 1
    target = replace(target, holder=release.name, epoch=epoch, newest=release.number)
    release = replace(release, phase=Phase.STARTING, epoch=epoch, step="start-1", since=at)
    start = StartWorkload(release.step, release.version, release.backend)
    if target.stable is None:
        return Decision(release, target, (start,))
    return Decision(release, target, (_traffic(release, target, "open", 0.0), start))


def _show_preview(release: Release, target: Target, event: WorkloadReady) -> Decision:
    """The candidate's place in the router, without traffic; on a first release there is none yet."""
    release = replace(release, phase=Phase.CHECKING, url=event.url, since=event.at)
    if target.stable is None:
        return _look_at_preview(release, target)
    release = replace(release, step=f"preview-{release.epoch}")
    return Decision(release, target, (_traffic(release, target, release.step, 0.0),))


def _look_at_preview(release: Release, target: Target) -> Decision:
    release = replace(release, step=f"check-{release.epoch}")
    check = CheckPreview(release.step, release.target, release.version, release.backend, release.url)
    return Decision(release, target, (check,))


# --- steps -----------------------------------------------------------------------------------


def _enter(release: Release, target: Target, at: float) -> Decision:
    """Begin the step at `position`, or settle after the last."""
    if release.position >= len(release.steps):
        return _finish(release, target, at)
    match release.steps[release.position]:
        case Shift(weights=weights, guarded=guarded):
            if not guarded:
                release = replace(release, unproven=(*release.unproven, _why_unguarded(release, target)))
            return _shift(release, target, weights[0], at)
        case Watch(seconds=seconds):
            release = replace(release, phase=Phase.WATCHING, step="", since=at, evidence=None)
            late = at + seconds + release.environment.patience
            wakes = (Wake(at + seconds), Wake(late))
            return Decision(release, target, (*wakes, *settle.announce(release)))


def _why_unguarded(release: Release, target: Target) -> str:
    if release.switch:
        return "going back is not compared with anything: this version served here before"
    if target.stable is None:
        return "there was no stable version to compare with"
    return "the switch rested on gates, readiness and preview checks"


def _shift(release: Release, target: Target, weight: float, at: float) -> Decision:
    release = replace(release, phase=Phase.SHIFTING, wanted=weight, since=at, peak=max(release.peak, weight))
    return _write(release, target)


def _write(release: Release, target: Target) -> Decision:
    """Ask the router for `wanted`, under a step name of its own."""
    attempt = release.attempt + 1
    release = replace(release, attempt=attempt, step=f"traffic-{release.epoch}-{attempt}")
    effect = _traffic(release, target, release.step, release.wanted)
    return Decision(release, target, (effect, *settle.announce(release)))


def _traffic(release: Release, target: Target, step: str, weight: float) -> SetTraffic:
    candidate = Share(release.backend, release.url, weight)
    stable = target.stable
    shares: tuple[Share, ...] = ()
    if stable is not None and stable.backend != release.backend:
        shares = (Share(stable.backend, stable.url, 100.0 - weight),)
    if release.url and (shares or weight == 100.0):
        shares = (*shares, candidate)
    return SetTraffic(step, target.name, release.epoch, release.backend, shares, release.environment.sticky)


def _confirmed(release: Release, target: Target, event: TrafficObserved) -> Decision:
    if event.candidate != release.wanted:
        return _write(release, target)
    release = replace(release, observed=event.candidate, step="", since=event.at)
    if release.phase is Phase.RESTORING:
        return _restored(release, target, event.at)
    release = replace(release, evidence=None)
    decision = _progress(release, target, event.at)
    return replace(decision, effects=(*_wakes(release), *decision.effects))


def _wakes(release: Release) -> tuple[Effect, ...]:
    """When to look again at this weight even if nothing happens."""
    step = release.steps[release.position]
    dwell = step.dwell if isinstance(step, Shift) else 0.0
    if dwell is None:
        return ()
    patience = release.environment.patience
    return (Wake(release.since + dwell), Wake(release.since + dwell + patience))


def _weigh(release: Release, target: Target, evidence: Evidence, at: float) -> Decision:
    """Take in what the observer says; harm of this epoch takes the candidate back at once."""
    if evidence.epoch != release.epoch:
        return Decision(release, target)
    if evidence.verdict is Verdict.HARM:
        reason = "; ".join(f"{f.guard}: {f.rule}" for f in evidence.findings if f.verdict is Verdict.HARM)
        release = replace(release, evidence=evidence, evidence_at=at)
        return _restore(release, target, Phase.ROLLED_BACK, reason or "a guard found harm", at)
    if release.wanted != release.observed or evidence.weight != release.observed:
        return Decision(release, target)
    if release.evidence is not None and evidence.sequence <= release.evidence.sequence:
        return Decision(release, target)
    return _progress(replace(release, evidence=evidence, evidence_at=at), target, at)


def _progress(release: Release, target: Target, at: float) -> Decision:
    """Go on if time and evidence allow; otherwise say when to look again."""
    if release.paused or release.wanted != release.observed:
        return Decision(release, target)
    step = release.steps[release.position]
    match step:
        case Shift():
            return _progress_shift(release, target, step, at)
        case Watch():
            return _progress_watch(release, target, step, at)
        case _:
            assert_never(step)


def _progress_shift(release: Release, target: Target, step: Shift, at: float) -> Decision:
    if step.dwell is None or at < release.since + step.dwell:
        return Decision(release, target)
    ahead = _ahead(release)
    if not ahead:
        return _enter(replace(release, position=release.position + 1), target, at)
    if not _guarded_move(release):
        return _move(release, target, ahead[0], at)
    reachable = [weight for weight in ahead if weight <= _allowed(release, at)]
    if reachable:
        return _move(release, target, reachable[-1], at)
    late = release.since + step.dwell + release.environment.patience
    if not _gives_up_waiting(release, at, late):
        return _hold(release, target, at, late)
    return _move(_not_proven(release), target, ahead[0], at)


def _ahead(release: Release) -> list[float]:
    """The weights that the release may go to from here, ascending: within its step, or the next
    step's first."""
    step = release.steps[release.position]
    weights = step.weights if isinstance(step, Shift) else ()
    rest = [weight for weight in weights if weight > release.observed]
    if rest:
        return rest
    following = release.steps[release.position + 1 : release.position + 2]
    return [s.weights[0] for s in following if isinstance(s, Shift)]


def _guarded_move(release: Release) -> bool:
    step = release.steps[release.position]
    if isinstance(step, Shift) and step.weights[-1] > release.observed:
        return step.guarded
    following = release.steps[release.position + 1]
    return following.guarded


def _move(release: Release, target: Target, weight: float, at: float) -> Decision:
    step = release.steps[release.position]
    if isinstance(step, Shift) and weight not in step.weights:
        release = replace(release, position=release.position + 1)
    return _shift(release, target, weight, at)


def _allowed(release: Release, at: float) -> float:
    """The largest weight that fresh evidence of the present weight allows; 0 without any.

    Each condition is one that numbers which make no sense (NaN, infinity) do not satisfy.
    """
    evidence = _fresh(release, at)
    if evidence is None or evidence.verdict is not Verdict.CLEARED or not _shared(release, evidence):
        return 0.0
    return evidence.allowed if 0 <= evidence.allowed <= 100 else 0.0


def _fresh(release: Release, at: float) -> Evidence | None:
    """The evidence, unless it says nothing about now: it is too old, or of a time yet to come."""
    return release.evidence if abs(at - release.evidence_at) <= STALE_AFTER else None


def _shared(release: Release, evidence: Evidence) -> bool:
    """Whether the router really splits as it was told."""
    return evidence.share is not None and abs(evidence.share - release.observed) <= SHARE_TOLERANCE


def _progress_watch(release: Release, target: Target, step: Watch, at: float) -> Decision:
    if at < release.since + step.seconds:
        return Decision(release, target)
    evidence = _fresh(release, at)
    verdict = evidence.verdict if evidence else Verdict.UNDECIDED
    if evidence is not None and verdict is Verdict.CLEARED and _shared(release, evidence):
        return _enter(replace(release, position=release.position + 1), target, at)
    if not step.guarded and verdict is Verdict.UNDECIDED and evidence is not None:
        return _enter(replace(release, position=release.position + 1), target, at)
    late = release.since + step.seconds + release.environment.patience
    if not _gives_up_waiting(release, at, late):
        return _hold(release, target, at, late)
    return _enter(replace(_not_proven(release), position=release.position + 1), target, at)


def _gives_up_waiting(release: Release, at: float, late: float) -> bool:
    """Whether the policy says to finish without evidence; never against a suspicion."""
    suspicious = release.evidence is not None and release.evidence.verdict is Verdict.SUSPECT
    finish = release.environment.when_undecided is WhenUndecided.FINISH
    return finish and at >= late and not suspicious


def _hold(release: Release, target: Target, at: float, late: float) -> Decision:
    """Stay; once the patience is over, say so where people look."""
    said = "held: the evidence does not allow the next weight yet"
    if at < late or release.reason == said:
        return Decision(release, target)
    release = replace(release, reason=said)
    return Decision(release, target, settle.announce(release))


def _not_proven(release: Release) -> Release:
    why = f"the time limit at {release.observed:g} % came before the evidence"
    return replace(release, unproven=(*release.unproven, why))


def _promote_by_hand(release: Release, target: Target, command: Command) -> Decision:
    """A person goes on without waiting: to the next weight, or to the end of the watch."""
    if release.wanted != release.observed:
        return Decision(release, target)
    if release.evidence is not None and release.evidence.verdict is Verdict.SUSPECT:
        return Decision(release, target)
    release = replace(release, paused=False, reason="")
    ahead = _ahead(release) if release.phase is Phase.SHIFTING else []
    if ahead and _allowed(release, command.at) >= ahead[0]:
        return _move(release, target, ahead[0], command.at)
    release = replace(release, unproven=(*release.unproven, _by(command, "went on")))
    if ahead:
        return _move(release, target, ahead[0], command.at)
    return _enter(replace(release, position=release.position + 1), target, command.at)


# --- ends ------------------------------------------------------------------------------------


def _restore(release: Release, target: Target, outcome: Phase, reason: str, at: float) -> Decision:
    """Take the candidate's traffic back; final only once the router has confirmed it."""
    release = replace(release, phase=Phase.RESTORING, outcome=outcome, reason=reason, wanted=0.0, since=at)
    return _write(release, target)


def _restored(release: Release, target: Target, at: float) -> Decision:
    outcome = release.outcome or Phase.FAILED
    release = replace(release, phase=outcome, ended=at)
    target = replace(target, holder=None)
    return Decision(release, target, settle.taken_back(release, target))


def _finish(release: Release, target: Target, at: float) -> Decision:
    """Promotion: the candidate is stable; the version before stays warm, the one before it goes."""
    release = replace(release, phase=Phase.PROMOTED, ended=at, evidence_at=release.evidence_at)
    if release.batch:
        return Decision(release, target, settle.promoted(release, target, target))
    after = replace(target, holder=None, stable=_serving(release, at), previous=target.stable)
    if target.stable is not None and target.stable.backend == release.backend:
        after = replace(after, previous=target.previous)
    return Decision(release, after, settle.promoted(release, target, after))


def _serving(release: Release, at: float) -> Serving:
    return Serving(
        release=release.name,
        number=release.number,
        version=release.version,
        image=release.image,
        backend=release.backend,
        url=release.url,
        since=at,
        metrics=release.metrics,
        registered=release.cause.registered,
    )


def _end(release: Release, target: Target, phase: Phase, reason: str, at: float) -> Decision:
    """The end of a release that never had traffic."""
    release = replace(release, phase=phase, reason=reason, ended=at)
    return Decision(release, target, settle.ended(release))


def _by(command: Command, did: str) -> str:
    return f"{command.actor} {did}" + (f": {command.reason}" if command.reason else "")
