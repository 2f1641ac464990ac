"""A release that is only watched: somebody else shifts its traffic, Segue says what it would have done.

It takes the target's turn, so that one candidate at a time is judged, and then changes nothing: every effect
from here is a look, a wake-up or a report. `observed` is the weight that the data plane's counters show,
`wanted` the one that the evidence would have allowed so far (0 after harm).
"""

from dataclasses import replace
from datetime import UTC, datetime

from policies import ending, settle
from policies.effects import Follow
from policies.events import (
    Command,
    EffectFailed,
    EvidenceChanged,
    Overtaken,
    ReleaseEvent,
    Seen,
    Waits,
)
from policies.evidence import Evidence, Verdict
from policies.place import counted
from policies.release import Phase, Release, Serving, Target
from policies.split import Decision

SEEN = (Phase.SHIFTING, Phase.WATCHING)


def begin(release: Release, target: Target, at: float) -> Decision:
    """It is this release's turn: wait until somebody lets its version run behind the candidate's Service."""
    epoch, place = target.epoch + 1, release.place
    stable = target.stable or Serving("", 0, "", "", counted(place, place.stable), "", at)
    target = replace(
        target, holder=release.name, epoch=epoch, newest=release.number, place=place, stable=stable
    )
    release = replace(release, phase=Phase.STARTING, epoch=epoch, since=at)
    return _look(release, target, "nothing")


def advance(release: Release, target: Target, event: ReleaseEvent) -> Decision:
    """The rows for a release that has its turn; `rollout.advance` has checked that it has."""
    same = Decision(release, target)
    match event, release.phase:
        case Seen(step=release.step, what="candidate", at=at), Phase.STARTING:
            release = replace(release, phase=Phase.SHIFTING, since=at, waits="")
            return _announced(_look(release, target, "candidate"))
        case Seen(step=release.step, what="stable", at=at), Phase.STARTING:
            return _over(release, target, Phase.ALREADY_THERE, "stable runs this version already", at)
        case Seen(step=release.step, what="stable", at=at), Phase.SHIFTING | Phase.WATCHING:
            return _promoted(release, target, at)
        case Seen(step=release.step, what="candidate"), Phase.SHIFTING | Phase.WATCHING:
            return _look(release, target, "candidate")
        case Seen(step=release.step, what="gone", at=at), Phase.SHIFTING | Phase.WATCHING:
            if not release.step.startswith("gone"):
                return _look(release, target, "gone")
            return _taken_back(release, target, at)
        case EvidenceChanged(), Phase.SHIFTING | Phase.WATCHING:
            return _weigh(release, target, event)
        case EffectFailed(step=release.step, reason=reason, at=at), _:
            return _over(release, target, Phase.FAILED, reason, at)
        case Command(verb="abort", at=at), _:
            return _over(release, target, Phase.ABORTED, ending.by(event, "stopped watching it"), at)
        case Command(verb="pause"), _:
            return Decision(replace(release, paused=True, reason=ending.by(event, "paused")), target)
        case Command(verb="resume"), _:
            return Decision(replace(release, paused=False, reason=""), target)
        case Overtaken(by=by, at=at), Phase.STARTING:
            reason = f"nobody sent it requests before {by} came"
            return _over(release, target, Phase.SUPERSEDED, reason, at)
        case Waits(step=release.step, why=why), Phase.STARTING:
            return Decision(replace(release, waits=why), target)
        case _:
            return same


def _look(release: Release, target: Target, known: str) -> Decision:
    attempt = release.attempt + 1
    word = {"nothing": "find", "candidate": "follow", "gone": "gone"}[known]
    release = replace(release, attempt=attempt, step=f"{word}-{release.epoch}-{attempt}")
    wanted = Follow(release.step, release.target, release.image, release.place, known)  # type: ignore[arg-type]
    return Decision(release, target, (wanted,))


def _announced(decision: Decision) -> Decision:
    return replace(decision, effects=(*decision.effects, *settle.announce(decision.release)))


# --- what the evidence says ------------------------------------------------------------------


def _weigh(release: Release, target: Target, event: EvidenceChanged) -> Decision:
    """Take in what the observer says; of what Segue would have done, the furthest stands."""
    evidence, at = event.evidence, event.at
    if evidence.epoch != release.epoch:
        return Decision(release, target)
    if release.evidence is not None and evidence.sequence <= release.evidence.sequence:
        return Decision(release, target)
    if not 0 <= evidence.weight <= 100:  # also where it is no number
        return Decision(release, target)
    weight = evidence.weight
    moved = weight != release.observed
    after = replace(
        release,
        evidence=evidence,
        evidence_at=at if event.judged is None else event.judged,
        phase=Phase.WATCHING if weight == 100 else Phase.SHIFTING,
        observed=weight,
        peak=max(release.peak, weight),
        since=at if moved else release.since,
    )
    after = _would(after, evidence, at)
    decision = Decision(after, target)
    return _announced(decision) if after.would != release.would else decision


def _would(release: Release, evidence: Evidence, at: float) -> Release:
    """What Segue would have done at this moment, were the traffic its to shift."""
    if harmed(release):
        return release
    if evidence.verdict is Verdict.HARM:
        found = [f for f in evidence.findings if f.verdict is Verdict.HARM]
        requests = max((f.samples for f in found), default=0)
        why = "; ".join(f"{f.guard}: {f.rule}" for f in found) or "a guard found harm"
        would = f"would have rolled back at {clock(at)}, after {requests} requests: {why}"
        return replace(release, wanted=0.0, would=would)
    cleared = evidence.verdict is Verdict.CLEARED and evidence.current
    allowed = evidence.allowed if cleared and 0 <= evidence.allowed <= 100 else 0.0
    if allowed <= release.wanted:
        return release
    requests = max((f.samples for f in evidence.findings), default=0)
    would = f"would have let it have {allowed:g} % at {clock(at)}, after {requests} requests"
    return replace(release, wanted=allowed, would=would)


def harmed(release: Release) -> bool:
    """Whether a guard found harm: that is not taken back, whatever comes later."""
    return bool(release.would) and release.wanted == 0


def clock(at: float) -> str:
    """A moment as people read it; evidence of a day is not older than its date."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")


# --- how it ends -----------------------------------------------------------------------------


def _promoted(release: Release, target: Target, at: float) -> Decision:
    said = "somebody else promoted it"
    if harmed(release):
        release = replace(release, unproven=(f"{said} against the evidence of harm",))
    elif release.wanted < 100:
        release = replace(release, unproven=(f"{said} when the evidence allowed {release.wanted:g} %",))
    stable = target.stable and replace(
        target.stable,
        release=release.name,
        number=release.number,
        version=release.version,
        image=release.image,
        since=at,
        metrics=release.metrics,
        registered=release.cause.registered,
    )
    return _over(release, replace(target, stable=stable), Phase.PROMOTED, said, at)


def _taken_back(release: Release, target: Target, at: float) -> Decision:
    outcome = Phase.ROLLED_BACK if harmed(release) else Phase.ABORTED
    return _over(release, target, outcome, "somebody else took it back", at)


def _over(release: Release, target: Target, phase: Phase, reason: str, at: float) -> Decision:
    release = replace(release, phase=phase, reason=reason, ended=at, step="", waits="")
    return Decision(release, replace(target, holder=None), settle.ended(release))
