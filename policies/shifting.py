"""The steps of a release that has its target: traffic moves as far as evidence allows, then it is watched.
Before it moves, requests may be copied until evidence clears the candidate.

Unknown never advances: without fresh evidence of the present weight a guarded step holds.
"""

from dataclasses import replace
from typing import assert_never

from policies import approving, ending, freezing, settle, split
from policies.effects import Effect, Wake
from policies.events import Command, EvidenceChanged, TrafficObserved
from policies.evidence import Evidence, Verdict
from policies.release import HELD, Phase, Release, Target
from policies.spec.declaration import WhenUndecided
from policies.split import Decision
from policies.strategy import Shadow, Shift, Watch
from policies.windows import Frozen

STALE_AFTER = 15.0  # seconds after which evidence says nothing about now
SHARE_TOLERANCE = 10.0  # percent points by which the seen share may miss the weight


def enter(release: Release, target: Target, at: float) -> Decision:
    """Begin the step at `position`, or settle after the last."""
    if release.position >= len(release.steps):
        return ending.finish(release, target, at)
    match release.steps[release.position]:
        case Shadow():
            release = replace(release, phase=Phase.SHADOWING, copied=True, since=at, evidence=None)
            return split.write(release, target)
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
    release = replace(
        release,
        phase=Phase.SHIFTING,
        wanted=weight,
        copied=False,
        since=at,
        peak=max(release.peak, weight),
    )
    return split.write(release, target)


def confirmed(
    release: Release, target: Target, event: TrafficObserved, freeze: Frozen | None = None
) -> Decision:
    """The router confirmed a split: one that is not wanted is written anew, else it goes on from there."""
    if event.candidate != release.wanted:
        return split.write(release, target)
    # Once copying has ended, what is waited for is counted from when it began.
    since = release.since if _copied_enough(release) else event.at
    release = replace(release, observed=event.candidate, step="", since=since, waits="")
    if release.phase is Phase.RESTORING:
        return ending.restored(release, target, event.at)
    release = replace(release, evidence=None)
    decision = progress(release, target, event.at, freeze)
    return replace(decision, effects=(*_wakes(release), *decision.effects))


def _wakes(release: Release) -> tuple[Effect, ...]:
    """When to look again at this weight even if nothing happens."""
    step = release.steps[release.position]
    dwell = step.dwell if isinstance(step, Shift) else step.seconds
    if dwell is None or _copied_enough(release):
        return ()
    patience = release.environment.patience
    return (Wake(release.since + dwell), Wake(release.since + dwell + patience))


def weigh(release: Release, target: Target, event: EvidenceChanged, freeze: Frozen | None = None) -> Decision:
    """Take in what the observer says; harm of this epoch takes the candidate back at once."""
    evidence, at = event.evidence, event.at
    judged = at if event.judged is None else event.judged
    if evidence.epoch != release.epoch:
        return Decision(release, target)
    if evidence.verdict is Verdict.HARM:
        reason = "; ".join(f"{f.guard}: {f.rule}" for f in evidence.findings if f.verdict is Verdict.HARM)
        release = replace(release, evidence=evidence, evidence_at=judged)
        return ending.restore(release, target, Phase.ROLLED_BACK, reason or "a guard found harm", at)
    if not release.settled or evidence.weight != release.observed:
        return Decision(release, target)
    if release.evidence is not None and evidence.sequence <= release.evidence.sequence:
        return Decision(release, target)
    return progress(replace(release, evidence=evidence, evidence_at=judged), target, at, freeze)


def progress(release: Release, target: Target, at: float, freeze: Frozen | None = None) -> Decision:
    """Go on if time and evidence allow; otherwise say when to look again."""
    if not release.settled:
        return Decision(release, target)
    if freeze is not None and not release.paused:
        return freezing.wait(release, target, freeze)
    release = replace(release, waits="")
    step = release.steps[release.position]
    match step:
        case Shadow():
            return _progress_shadow(release, target, step, at)
        case _ if release.paused:
            return Decision(release, target)
        case Shift():
            return _progress_shift(release, target, step, at)
        case Watch():
            return _progress_watch(release, target, step, at)
        case _:
            assert_never(step)


def _copied_enough(release: Release) -> bool:
    """Whether it is still judged by copies, and gets none any more."""
    return release.phase is Phase.SHADOWING and not release.copied


def _progress_shadow(release: Release, target: Target, step: Shadow, at: float) -> Decision:
    """Users see the candidate once it is cleared. However that goes, copying ends with the patience: what
    comes later are labels, or a word of people."""
    if at < release.since + step.seconds:
        return Decision(release, target)
    if not release.paused and _cleared(release, at):
        return enter(replace(release, position=release.position + 1), target, at)
    late = release.since + step.seconds + release.environment.patience
    if not release.paused and _gives_up_waiting(release, at, late):
        return enter(replace(_not_proven(release), position=release.position + 1), target, at)
    if at < late or not release.copied:
        return Decision(release, target)
    release = replace(release, copied=False)
    if not release.paused:
        why = f"{HELD}its answers to copies of requests did not clear it in time"
        release = replace(release, reason=why)
    return split.write(release, target)


def _cleared(release: Release, at: float) -> bool:
    evidence = _fresh(release, at)
    return evidence is not None and evidence.verdict is Verdict.CLEARED


def _progress_shift(release: Release, target: Target, step: Shift, at: float) -> Decision:
    if step.dwell is None or at < release.since + step.dwell:
        return Decision(release, target)
    ahead = _ahead(release)
    if not ahead:
        return enter(replace(release, position=release.position + 1), target, at)
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
    return isinstance(following, Shift) and following.guarded


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
    if evidence is None or evidence.verdict is not Verdict.CLEARED or not shared(release, evidence):
        return 0.0
    return evidence.allowed if 0 <= evidence.allowed <= 100 else 0.0


def _fresh(release: Release, at: float) -> Evidence | None:
    """The evidence, unless it says nothing about now: it is too old, or of a time yet to come."""
    return release.evidence if abs(at - release.evidence_at) <= STALE_AFTER else None


def shared(release: Release, evidence: Evidence) -> bool:
    """Whether the router really splits as it was told: the data plane's own counts say so.

    Users who are kept on stable stay there while a weight grows; the candidate has some, and not more.
    """
    if evidence.share is None or evidence.share > release.observed + SHARE_TOLERANCE:
        return False
    if release.environment.sticky != "none" and release.observed < 100:
        return evidence.share > 0
    return evidence.share >= release.observed - SHARE_TOLERANCE


def _progress_watch(release: Release, target: Target, step: Watch, at: float) -> Decision:
    if at < release.since + step.seconds:
        return Decision(release, target)
    evidence = _fresh(release, at)
    verdict = evidence.verdict if evidence else Verdict.UNDECIDED
    if evidence is not None and verdict is Verdict.CLEARED and shared(release, evidence):
        return enter(replace(release, position=release.position + 1), target, at)
    if not step.guarded and verdict is Verdict.UNDECIDED and evidence is not None:
        return enter(replace(release, position=release.position + 1), target, at)
    late = release.since + step.seconds + release.environment.patience
    if not _gives_up_waiting(release, at, late):
        return _hold(release, target, at, late)
    return enter(replace(_not_proven(release), position=release.position + 1), target, at)


def _gives_up_waiting(release: Release, at: float, late: float) -> bool:
    """Whether the policy says to finish without evidence; never against a suspicion."""
    suspicious = release.evidence is not None and release.evidence.verdict is Verdict.SUSPECT
    finish = release.environment.when_undecided is WhenUndecided.FINISH
    return finish and at >= late and not suspicious


def resume(release: Release, target: Target, command: Command, freeze: Frozen | None = None) -> Decision:
    """Go on after a pause, and with copies that had ended. A split that somebody else changed is written once
    more: what is seen under theirs would never be evidence for ours."""
    release = replace(release, paused=False, reason="")
    if _copied_enough(release) and release.settled and freeze is None:
        return enter(release, target, command.at)
    if target.drift and release.settled:
        return split.write(release, target)
    return progress(release, target, command.at, freeze)


def _hold(release: Release, target: Target, at: float, late: float) -> Decision:
    """Stay; once the patience is over, say so where people look."""
    said = f"{HELD}the evidence does not allow the next weight yet"
    if at < late or release.reason == said:
        return Decision(release, target)
    release = replace(release, reason=said)
    return Decision(release, target, settle.announce(release))


def _not_proven(release: Release) -> Release:
    where = "in the shadow" if release.phase is Phase.SHADOWING else f"at {release.observed:g} %"
    why = f"the time limit {where} came before the evidence"
    return replace(release, unproven=(*release.unproven, why))


def promote_by_hand(release: Release, target: Target, command: Command) -> Decision:
    """A person goes on without waiting: out of the shadow, to the next weight, or to the end of the watch.
    Only an admin's override does so under suspicion."""
    if not release.settled:
        return Decision(release, target)
    suspicious = release.evidence is not None and release.evidence.verdict is Verdict.SUSPECT
    if suspicious and command.verb != "override":
        return Decision(release, target)
    if command.verb == "override":
        overridden = approving.override(release, command)
        if overridden is None:
            return Decision(release, target)
        against = ending.by(command, "overrode its rules")
        release = replace(overridden, unproven=(*release.unproven, against))
    release = replace(release, paused=False, reason="", waits="")
    ahead = _ahead(release) if release.phase is Phase.SHIFTING else []
    if ahead and _allowed(release, command.at) >= ahead[0]:
        return _move(release, target, ahead[0], command.at)
    if not (release.phase is Phase.SHADOWING and _cleared(release, command.at)):
        release = replace(release, unproven=(*release.unproven, ending.by(command, "went on")))
    if ahead:
        return _move(release, target, ahead[0], command.at)
    return enter(replace(release, position=release.position + 1), target, command.at)
