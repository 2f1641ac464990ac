"""The real transitions of the two machines, found by driving them: every reachable state, every event.

States are explored breadth first. Two states that differ only in times and counters count as one, so
that the search ends; what is collected are pairs of phases.
"""

from collections import deque
from dataclasses import replace

from policies import rollout, version
from policies.events import (
    Adopted,
    AuthorityChecked,
    BuildFinished,
    CheckFinished,
    Command,
    Drifted,
    EffectFailed,
    EvaluationFinished,
    EvidenceChanged,
    ImageTrusted,
    Overtaken,
    Superseded,
    Tick,
    TrafficObserved,
    TurnCame,
    VersionFailed,
    VersionReady,
    Waits,
    WorkloadReady,
)
from policies.evidence import Evidence, Verdict
from policies.place import Place
from policies.release import Cause, Release, Serving, Target
from policies.spec.declaration import (
    Approvals,
    Comparison,
    Environment,
    Evaluate,
    FromBuild,
    Gate,
    Model,
    Resources,
    ServeRun,
    Shadow,
    Strategy,
    Triggers,
    WhenUndecided,
)
from policies.strategy import SWITCH

STABLE = Serving("rel-1", 1, "v1", "sha256:1", "wine-v1", "http://127.0.0.1:1", 0.0, (("accuracy", 0.9),))
GATE = Gate("accuracy", Comparison.NO_WORSE, 0.0)
CANARY = Environment(dwell=1.0, watch=1.0, patience=1.0, ladder=(10, 100))
FOUND = Place("prod", "ml", "wine", "ml/wine")
VERBS = ("approve", "reject", "promote", "abort", "pause", "resume")


def release_transitions():
    """Pairs of phases of the release machine."""
    found = set()
    seen = set()
    waiting = deque(_starts())
    while waiting:
        release, target = waiting.popleft()
        for after in _next(release, target):
            found.add((release.phase.value, after[0].phase.value))
            if (key := _key(*after)) not in seen:
                seen.add(key)
                waiting.append(after)
    return {(before, after) for before, after in found if before != after}


def _starts():
    approved = replace(CANARY, approvals=Approvals(count=1))
    environments = (
        CANARY,
        approved,
        replace(CANARY, strategy=Strategy.BLUEGREEN, when_undecided=WhenUndecided.FINISH),
        replace(CANARY, strategy=Strategy.SHADOW, shadow=Shadow(seconds=1.0)),
    )
    release = Release("rel-2", 2, "wine", "wine/production", CANARY, "v2", "wine-v2", Cause("push", "ann"))
    for environment in environments:
        for target in (Target("wine/production"), Target("wine/production", 3, None, 1, STABLE)):
            yield replace(release, environment=environment, rules=(GATE,)), target
    held = Target("wine/production", 3, None, 1, STABLE)
    yield replace(release, environment=replace(CANARY, held_back=0.05, ladder=(100,))), held
    yield replace(release, batch=True, environment=replace(approved, strategy=Strategy.NONE)), held
    yield replace(release, batch=True, environment=replace(CANARY, strategy=Strategy.NONE)), held
    yield replace(release, switch=True, steps=(SWITCH,)), held
    yield replace(release, version="v1", backend="wine-v1"), held
    yield replace(release, place=FOUND), Target("wine/production")
    yield replace(release, place=FOUND, environment=approved), held


def _next(release, target):
    """All states that one event leads to, and what others may do to the target meanwhile."""
    for event in _events(release):
        decision = rollout.advance(release, target, event)
        yield decision.release, decision.target
    if target.holder != release.name:
        yield release, replace(target, holder="rel-9")
        yield release, replace(target, holder=None)
        yield release, replace(target, newest=release.number + 1)
        if target.stable is not None:
            yield release, replace(target, stable=replace(STABLE, version=release.version))
            for metric in (0.92, 0.99):  # another stable version: the gates say something else, or no
                yield release, replace(target, stable=replace(STABLE, metrics=(("accuracy", metric),)))


def _events(release):
    soon, late = release.since, release.since + 1e6
    for metric in (0.95, 0.5):
        yield VersionReady("sha256:2", (("accuracy", metric),), soon)
    yield VersionFailed("it cannot be built", soon)
    yield WorkloadReady(release.step, "http://127.0.0.1:2", soon)
    yield Adopted(release.step, "wine.ml", "http://wine.ml.svc:80", "wine@sha256:0", soon)
    yield Waits(release.step, "somebody reverts it", soon)
    yield Drifted("somebody set wine to 0", soon)
    yield CheckFinished(release.step, "ok", soon)
    yield EffectFailed(release.step, "no", soon)
    yield TrafficObserved(release.step, release.epoch, release.wanted, soon)
    yield TrafficObserved(release.step, release.epoch, release.wanted + 1, soon)
    yield TurnCame(soon)
    for left in (release.approvals, ()):
        yield AuthorityChecked(release.step, release.environment.approvals, left, (), soon)
    yield Superseded("rel-3", soon)
    yield Overtaken("rel-3", soon)
    for at in (soon, late):
        yield Tick(at)
        for verdict in Verdict:
            yield EvidenceChanged(_evidence(release, verdict), at)
    for verb in VERBS:
        yield Command(verb, release.name, None, None, "bob", "cli", soon)


def _evidence(release, verdict):
    sequence = release.evidence.sequence + 1 if release.evidence else 1
    return Evidence(verdict, (), release.observed, release.epoch, 100.0, release.observed, sequence)


def _key(release, target):
    if release.final:  # how it came there tells nothing: no event leads on
        return release.phase, release.environment, target.holder
    evidence = release.evidence.verdict if release.evidence else None
    return (
        replace(
            release, since=0.0, ended=None, approvals=(), evidence=None, evidence_at=0.0, attempt=0, step="",
            reason="", waits="", unproven=(), gates=(), plan="", steps=(), asked=(),
        ),
        replace(target, epoch=0, stable=target.stable and replace(target.stable, since=0.0)),
        evidence, len(release.steps), len(release.approvals), bool(release.step),
    )  # fmt: skip


def version_transitions():
    """Pairs of phases of the version machine."""
    found = set()
    for evaluate in (None, Evaluate(("python", "evaluate.py"), None, Resources(), ())):
        for image in (None, "sha256:1"):
            model = Model(
                "wine", "", FromBuild("a.txt", None), ServeRun(("a",), 80), evaluate, Triggers(), ()
            )
            first, _ = version.begin(model, None, None, image)
            seen, waiting = {first}, deque([first])
            while waiting:
                state = waiting.popleft()
                for after in _next_version(state):
                    found.add((state.phase.value, after.phase.value))
                    if after not in seen and after.attempt < 3:
                        seen.add(after)
                        waiting.append(after)
    return {(before, after) for before, after in found if before != after}


def _next_version(state):
    answers = (
        BuildFinished(state.step, "sha256:2", (), 1.0),
        ImageTrusted(state.step, 1.0),
        EvaluationFinished(state.step, (("accuracy", 0.9),), 1.0),
        EffectFailed(state.step, "no", 1.0),
    )
    for event in answers:
        yield version.advance(state, event)[0]
    yield version.retry(state)[0]
