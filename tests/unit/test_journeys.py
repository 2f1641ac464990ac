"""Whole journeys of a release, exactly: what each event changes, in it and in its target, and what it asks for."""

import re
from dataclasses import fields, is_dataclass, replace

from inline_snapshot import snapshot

from policies.effects import ReportCommit, SetTraffic
from policies.events import (
    Adopted,
    AuthorityChecked,
    CheckFinished,
    Command,
    Drifted,
    EffectFailed,
    EvidenceChanged,
    Overtaken,
    Seen,
    Superseded,
    Tick,
    TrafficObserved,
    TurnCame,
    VersionFailed,
    VersionReady,
    Waits,
    WorkloadReady,
)
from policies.evidence import Evidence, Finding, Verdict
from policies.place import HERE, Place
from policies.release import Cause, Phase, Release, Serving, Target
from policies.rollout import advance
from policies.spec.declaration import (
    Approvals,
    Comparison,
    Environment,
    Gate,
    Mode,
    Shadow,
    Strategy,
    WhenUndecided,
)
from policies.strategy import SWITCH
from policies.windows import Frozen

STABLE = Serving("rel-1", 1, "v1", "sha256:1", "wine-v1", "http://1", 0.0, (("f1", 0.9),))
OLDER = replace(STABLE, release="rel-0", number=0, version="v0", backend="wine-v0")
CANARY = Environment(dwell=10.0, watch=30.0, patience=100.0, ladder=(10, 50, 100))
CAUSE = Cause("push", "ann", "git", "c0", "mlflow", ("wine", "7"), "challenger")
# A place is told by its cluster and Deployment alone: it is handed on as it is.
CLUSTER = Place("prod", "ml", "wine", "ml/wine")
SAID = ("image", "metrics", "environment", "reason", "gates", "unproven", "waits", "would", "url", "wanted", "observed",
        "since", "peak", "paused", "position", "step", "attempt", "epoch", "phase", "outcome", "ended", "copied",
        "evidence_at")  # fmt: skip


class Journey:
    """Keeps a line for each thing that an event changes or asks for."""

    def __init__(self, environment=CANARY, target=None, **changes):
        given = Release("rel-2", 2, "wine", "wine/prod", environment, "v2", "wine-v2", CAUSE)
        self.release = replace(given, **changes)
        self.target = target or Target("wine/prod", 3, None, 1, STABLE, OLDER)
        self.lines = []
        self.write = None

    def see(self, event, ahead="", freeze=None):
        after = advance(self.release, self.target, event, ahead, freeze)
        self.lines.append(f"{type(event).__name__} {getattr(event, 'verb', '')}".strip())
        self.lines += self._changes(after)
        self.release, self.target = after.release, after.target
        for effect in after.effects:
            self.lines.append(f"  > {short(effect)}")
            if isinstance(effect, SetTraffic):
                self.write = effect

    def _changes(self, after):
        changed = []
        for name in SAID:
            was, now = getattr(self.release, name), getattr(after.release, name)
            if was != now:
                changed.append(f"{name}={short(now)}")
        changed += [n for n in ("plan", "steps") if getattr(self.release, n) != getattr(after.release, n)]
        if len(self.release.asked) != len(after.release.asked):
            changed.append(f"asked {len(after.release.asked)} times")
        if self.release.approvals != after.release.approvals:
            changed.append(f"approvals={[(a.actor, a.at) for a in after.release.approvals]}")
        if self.release.override != after.release.override:
            changed.append(f"override={after.release.override is not None}")
        lines = [f"  {', '.join(changed)}"] if changed else []
        changed = [
            f"{f.name}={short(getattr(after.target, f.name))}"
            for f in fields(Target)
            if getattr(self.target, f.name) != getattr(after.target, f.name)
        ]
        return lines + ([f"  target: {', '.join(changed)}"] if changed else [])

    def told(self):
        """Digests are told without their digits: they change with all that is digested."""
        return re.sub(r"sha256:[0-9a-f]{12}", "sha256:...", "\n".join(self.lines))

    def confirm(self, at):
        weight = next((s.weight for s in self.write.shares if s.backend == self.write.candidate), 0.0)
        self.see(TrafficObserved(self.write.step, self.write.epoch, weight, at))

    def evidence(self, verdict, allowed, at, judged=None):
        finding = Finding("errors", verdict, "errors of v2", (), None, 120, "")
        seen = self.release
        now = Evidence(
            verdict, (finding,), seen.observed, seen.epoch, allowed, seen.observed, int(at), current=True
        )
        self.see(EvidenceChanged(now, at, judged))

    def say(self, verb, at, digest=None, reason=None, actor="bob"):
        self.see(Command(verb, "rel-2", digest, reason, actor, "cli", at))

    def start(self, at=1.0):
        """Up to its first weight; told anew from there."""
        self.see(VersionReady("sha256:2", (("f1", 0.95),), at))
        self.see(WorkloadReady(self.release.step, "http://2", at + 1))
        self.confirm(at + 2)
        self.see(CheckFinished(self.release.step, "ok", at + 3))
        self.lines = []


def short(value):
    """A value without what it leaves as it is by default."""
    if isinstance(value, Environment):
        return "Environment"
    if isinstance(value, tuple):
        return f"({', '.join(map(short, value))})"
    if not is_dataclass(value):
        return repr(value) if not hasattr(value, "value") else value.value
    if isinstance(value, Place):
        return "here" if value == HERE else f"{value.cluster}/{value.deployment}"
    if isinstance(value, ReportCommit):
        text = "; ".join(value.text.splitlines())
        return f"report to {value.source} {value.commit} {value.key} {value.state}: {value.title}; {text}"
    shown = [f.name for f in fields(value) if getattr(value, f.name) != f.default]
    return f"{type(value).__name__}({', '.join(f'{n}={short(getattr(value, n))}' for n in shown)})"


def test_a_canary_with_an_approval_and_a_gate():
    environment = replace(CANARY, approvals=Approvals(1, ("bob",), expires=500.0), sticky="cookie")
    run = Journey(environment, rules=(Gate("f1", Comparison.NO_WORSE, 0.0),), waits="its version")
    run.see(VersionReady("sha256:2", (("f1", 0.95),), 1.0))
    run.say("approve", 2.0, run.release.plan, actor="ann")
    run.say("approve", 3.0, run.release.plan)
    run.see(Waits(run.release.step, "the directory is slow", 3.5))
    run.see(AuthorityChecked(run.release.step, environment.approvals, run.release.approvals, (), 4.0))
    run.see(Waits(run.release.step, "it pulls", 4.5))
    run.see(WorkloadReady(run.release.step, "http://2", 5.0))
    run.confirm(6.0)
    run.see(CheckFinished(run.release.step, "ok", 7.0))
    run.confirm(8.0)
    run.evidence(Verdict.CLEARED, 60, 18.0, judged=17.5)
    run.confirm(19.0)
    run.see(Tick(20.0))
    run.evidence(Verdict.CLEARED, 100, 29.0)
    run.confirm(30.0)
    run.evidence(Verdict.CLEARED, 100, 39.5)
    run.see(Tick(40.0))
    run.evidence(Verdict.CLEARED, 100, 70.0)
    assert run.told() == snapshot("""\
VersionReady
  image='sha256:2', metrics=(('f1', 0.95)), gates=('f1 is 0.95, stable has 0.9, wanted no worse than stable by 0'), waits='', since=1.0, phase=approval, plan, steps, asked 1 times
  > Wake(at=501.0)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod waits for approval; cause: push; gate: f1 is 0.95, stable has 0.9, wanted no worse than stable by 0; evidence: sha256:..., which the plan's digest covers; to approve: /segue approve rel-2 sha256:...
Command approve
  approvals=[('ann', 2.0)]
Command approve
  since=3.0, step='authority-1', attempt=1, phase=queued, approvals=[('ann', 2.0), ('bob', 3.0)]
  > CheckAuthority(step='authority-1', release='rel-2')
Waits
  waits='the directory is slow'
AuthorityChecked
  waits='', since=4.0, step='start-1', epoch=4, phase=starting
  target: epoch=4, holder='rel-2', newest=2
  > SetTraffic(step='open', target='wine/prod', epoch=4, candidate='wine-v2', shares=(Share(backend='wine-v1', url='http://1', weight=100.0)), sticky='cookie', attempt=1)
  > StartWorkload(step='start-1', version='v2', backend='wine-v2', target='wine/prod')
Waits
  waits='it pulls'
WorkloadReady
  waits='', url='http://2', since=5.0, step='preview-4', phase=checking
  > SetTraffic(step='preview-4', target='wine/prod', epoch=4, candidate='wine-v2', shares=(Share(backend='wine-v1', url='http://1', weight=100.0), Share(backend='wine-v2', url='http://2', weight=0.0)), sticky='cookie', attempt=1)
TrafficObserved
  step='check-4'
  > CheckPreview(step='check-4', target='wine/prod', version='v2', backend='wine-v2', url='http://2')
CheckFinished
  wanted=10, since=7.0, peak=10, step='traffic-4-2', attempt=2, phase=shifting
  > SetTraffic(step='traffic-4-2', target='wine/prod', epoch=4, candidate='wine-v2', shares=(Share(backend='wine-v1', url='http://1', weight=90.0), Share(backend='wine-v2', url='http://2', weight=10)), sticky='cookie', attempt=2)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod takes traffic: 0 % of requests, 10 % wanted; cause: push; gate: f1 is 0.95, stable has 0.9, wanted no worse than stable by 0
TrafficObserved
  observed=10, since=8.0, step=''
  > Wake(at=18.0)
  > Wake(at=118.0)
EvidenceChanged
  wanted=50, since=18.0, peak=50, step='traffic-4-3', attempt=3, evidence_at=17.5
  > SetTraffic(step='traffic-4-3', target='wine/prod', epoch=4, candidate='wine-v2', shares=(Share(backend='wine-v1', url='http://1', weight=50.0), Share(backend='wine-v2', url='http://2', weight=50)), sticky='cookie', attempt=3)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod takes traffic: 10 % of requests, 50 % wanted; cause: push; gate: f1 is 0.95, stable has 0.9, wanted no worse than stable by 0; guard: errors: cleared (errors of v2; ; 120 requests)
TrafficObserved
  observed=50, since=19.0, step=''
  > Wake(at=29.0)
  > Wake(at=129.0)
Tick
EvidenceChanged
  wanted=100, since=29.0, peak=100, step='traffic-4-4', attempt=4, evidence_at=29.0
  > SetTraffic(step='traffic-4-4', target='wine/prod', epoch=4, candidate='wine-v2', shares=(Share(backend='wine-v1', url='http://1', weight=0.0), Share(backend='wine-v2', url='http://2', weight=100)), sticky='cookie', attempt=4)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod takes traffic: 50 % of requests, 100 % wanted; cause: push; gate: f1 is 0.95, stable has 0.9, wanted no worse than stable by 0; guard: errors: cleared (errors of v2; ; 120 requests)
TrafficObserved
  observed=100, since=30.0, step=''
  > Wake(at=40.0)
  > Wake(at=140.0)
EvidenceChanged
  evidence_at=39.5
Tick
  since=40.0, position=1, phase=watching
  > Wake(at=70.0)
  > Wake(at=170.0)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod serves all traffic and is being watched; cause: push; gate: f1 is 0.95, stable has 0.9, wanted no worse than stable by 0
EvidenceChanged
  position=2, phase=promoted, ended=70.0, evidence_at=70.0
  target: holder=None, stable=Serving(release='rel-2', number=2, version='v2', image='sha256:2', backend='wine-v2', url='http://2', since=70.0, metrics=(('f1', 0.95)), registered=('wine', '7'), registry='mlflow'), previous=Serving(release='rel-1', number=1, version='v1', image='sha256:1', backend='wine-v1', url='http://1', since=0.0, metrics=(('f1', 0.9)))
  > report to git c0 segue/wine/prod success: rel-2 on wine/prod is promoted; cause: push; gate: f1 is 0.95, stable has 0.9, wanted no worse than stable by 0; proof: proven by its guards; guard: errors: cleared (errors of v2; ; 120 requests)
  > TagVersion(source='mlflow', model='wine', version='7', tags=(('segue.release', 'rel-2'), ('segue.result', 'promoted'), ('segue.reason', 'proven by its guards'), ('segue.target', 'wine/prod'), ('segue.served_since', '1970-01-01T00:01:10Z'), ('segue.served_until', '')), target='wine/prod', note='rel-2 on wine/prod is promoted, 1970-01-01T00:01:10Z: proven by its guards')
  > StopWorkload(backend='wine-v0')
  > MoveAlias(source='mlflow', model='wine', alias='champion', version='7')\
""")


def test_what_was_found_in_a_cluster_is_taken_over_and_a_failure_goes_back_to_it():
    run = Journey(target=Target("wine/prod"), place=CLUSTER)
    run.see(VersionReady("sha256:2", (), 1.0))
    run.see(Adopted("adopt-0", "wine.other", "http://x", "wine@sha256:x", 1.5))
    run.see(Adopted(run.release.step, "wine.ml", "http://0", "wine@sha256:0", 2.0))
    run.see(WorkloadReady("start-0", "http://2", 2.5))
    run.see(WorkloadReady(run.release.step, "http://2", 3.0))
    run.say("pause", 3.5, reason="lunch")
    run.confirm(4.0)
    run.see(Tick(5.5))
    run.say("resume", 6.0)
    run.see(EffectFailed(run.release.step, "409", 6.5))
    run.confirm(7.0)
    run.see(Drifted("somebody set wine to 0", 8.0))
    run.see(Drifted("somebody set wine to 0", 8.5))
    run.say("resume", 9.0)
    run.evidence(Verdict.HARM, 0, 10.0)
    run.see(EffectFailed(run.release.step, "409", 10.5))
    run.confirm(11.0)
    assert run.told() == snapshot("""\
VersionReady
  image='sha256:2', since=1.0, step='adopt-1', epoch=1, phase=starting, plan, steps
  target: epoch=1, holder='rel-2', newest=2, place=prod/wine
  > Adopt(step='adopt-1', target='wine/prod', place=prod/wine)
Adopted
Adopted
  step='start-1'
  target: stable=Serving(release='', number=0, version='', image='wine@sha256:0', backend='wine.ml', url='http://0', since=2.0)
  > SetTraffic(step='open', target='wine/prod', epoch=1, candidate='wine-v2', shares=(Share(backend='wine.ml', url='http://0', weight=100.0)), sticky='none', place=prod/wine)
  > StartWorkload(step='start-1', version='v2', backend='wine-v2', target='wine/prod', place=prod/wine)
WorkloadReady
WorkloadReady
  url='http://2', since=3.0, step='preview-1', phase=checking
  > SetTraffic(step='preview-1', target='wine/prod', epoch=1, candidate='wine-v2', shares=(Share(backend='wine.ml', url='http://0', weight=100.0), Share(backend='wine-v2', url='http://2', weight=0.0)), sticky='none', place=prod/wine)
Command pause
  reason='bob paused: lunch', paused=True
TrafficObserved
  step=''
Tick
Command resume
  reason='', wanted=10, since=6.0, peak=10, paused=False, step='traffic-1-1', attempt=1, phase=shifting
  > SetTraffic(step='traffic-1-1', target='wine/prod', epoch=1, candidate='wine-v2', shares=(Share(backend='wine.ml', url='http://0', weight=90.0), Share(backend='wine-v2', url='http://2', weight=10)), sticky='none', attempt=1, place=prod/wine)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod takes traffic: 0 % of requests, 10 % wanted; cause: push
EffectFailed
  step='traffic-1-2', attempt=2
  > SetTraffic(step='traffic-1-2', target='wine/prod', epoch=1, candidate='wine-v2', shares=(Share(backend='wine.ml', url='http://0', weight=90.0), Share(backend='wine-v2', url='http://2', weight=10)), sticky='none', attempt=2, place=prod/wine)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod takes traffic: 0 % of requests, 10 % wanted; cause: push
TrafficObserved
  observed=10, since=7.0, step=''
  > Wake(at=17.0)
  > Wake(at=117.0)
Drifted
  reason='paused, because what serves was changed by somebody else; resume or abort: somebody set wine to 0', paused=True
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod takes traffic: 10 % of requests, 10 % wanted; cause: push; reason: paused, because what serves was changed by somebody else; resume or abort: somebody set wine to 0
Drifted
Command resume
  reason='', paused=False
EvidenceChanged
  reason='errors: errors of v2', wanted=0.0, since=10.0, step='traffic-1-3', attempt=3, phase=restoring, outcome=rolled back, evidence_at=10.0
  > SetTraffic(step='traffic-1-3', target='wine/prod', epoch=1, candidate='wine-v2', shares=(Share(backend='wine.ml', url='http://0', weight=100.0), Share(backend='wine-v2', url='http://2', weight=0.0)), sticky='none', attempt=3, place=prod/wine)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod is being taken back; cause: push; reason: errors: errors of v2; guard: errors: harm (errors of v2; ; 120 requests)
EffectFailed
  step='traffic-1-4', attempt=4
  > SetTraffic(step='traffic-1-4', target='wine/prod', epoch=1, candidate='wine-v2', shares=(Share(backend='wine.ml', url='http://0', weight=100.0), Share(backend='wine-v2', url='http://2', weight=0.0)), sticky='none', attempt=4, place=prod/wine)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod is being taken back; cause: push; reason: errors: errors of v2; guard: errors: harm (errors of v2; ; 120 requests)
TrafficObserved
  observed=0.0, since=11.0, step='', phase=rolled back, ended=11.0
  target: holder=None
  > report to git c0 segue/wine/prod failure: rel-2 on wine/prod was rolled back; cause: push; reason: errors: errors of v2; guard: errors: harm (errors of v2; ; 120 requests)
  > TagVersion(source='mlflow', model='wine', version='7', tags=(('segue.release', 'rel-2'), ('segue.result', 'rolled back'), ('segue.reason', 'errors: errors of v2'), ('segue.target', 'wine/prod')), target='wine/prod', note='rel-2 on wine/prod was rolled back, 1970-01-01T00:00:11Z: errors: errors of v2')
  > Settle(backends=('wine.ml'), place=prod/wine)
  > StopWorkload(backend='wine-v2', place=prod/wine)
  > MoveAlias(source='mlflow', model='wine', alias='challenger', version=None, expected='7')\
""")


def test_a_release_that_waits_is_superseded_aborted_or_ended_and_none_of_it_had_traffic():
    run = Journey()
    begun = run.release
    run.see(Waits("", "its version is built", 0.5))
    for event in (
        VersionFailed("no wheel", 1.0),
        Superseded("rel-3", 1.0),
        Command("abort", "rel-2", None, "why", "bob", "cli", 1.0),
    ):
        run.release = begun
        run.see(event)
    run.release = begun
    run.see(VersionReady("sha256:2", (), 2.0), ahead="rel-9 goes first")
    queued = run.release
    run.see(Waits("", "a room", 2.5))
    run.see(TurnCame(3.0), freeze=Frozen(99.0, "frozen until Monday"))
    run.see(Tick(4.0))
    run.release = replace(queued, number=1)
    run.see(TurnCame(5.0))
    run.release, run.target = queued, replace(run.target, stable=replace(STABLE, version="v2"))
    run.see(TurnCame(6.0))
    run.release, run.target = queued, replace(run.target, newest=1, stable=STABLE, place=CLUSTER)
    run.see(TurnCame(7.0))
    assert run.told() == snapshot("""\
Waits
  waits='its version is built'
VersionFailed
  reason='no wheel', phase=failed, ended=1.0
  > report to git c0 segue/wine/prod failure: rel-2 on wine/prod failed; cause: push; reason: no wheel
  > TagVersion(source='mlflow', model='wine', version='7', tags=(('segue.release', 'rel-2'), ('segue.result', 'failed'), ('segue.reason', 'no wheel'), ('segue.target', 'wine/prod')), target='wine/prod', note='rel-2 on wine/prod failed, 1970-01-01T00:00:01Z: no wheel')
  > StopWorkload(backend='wine-v2')
Superseded
  reason='rel-3 is newer', phase=superseded, ended=1.0
  > report to git c0 segue/wine/prod failure: rel-2 on wine/prod was superseded; cause: push; reason: rel-3 is newer
  > TagVersion(source='mlflow', model='wine', version='7', tags=(('segue.release', 'rel-2'), ('segue.result', 'superseded'), ('segue.reason', 'rel-3 is newer'), ('segue.target', 'wine/prod')), target='wine/prod', note='rel-2 on wine/prod was superseded, 1970-01-01T00:00:01Z: rel-3 is newer')
  > StopWorkload(backend='wine-v2')
Command abort
  reason='bob aborted: why', phase=aborted, ended=1.0
  > report to git c0 segue/wine/prod failure: rel-2 on wine/prod was aborted; cause: push; reason: bob aborted: why
  > TagVersion(source='mlflow', model='wine', version='7', tags=(('segue.release', 'rel-2'), ('segue.result', 'aborted'), ('segue.reason', 'bob aborted: why'), ('segue.target', 'wine/prod')), target='wine/prod', note='rel-2 on wine/prod was aborted, 1970-01-01T00:00:01Z: bob aborted: why')
  > StopWorkload(backend='wine-v2')
VersionReady
  image='sha256:2', waits='rel-9 goes first', since=2.0, phase=queued, plan, steps
Waits
  waits='a room'
TurnCame
  waits='frozen until Monday'
  > Wake(at=99.0)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod waits for its turn; cause: push; waits: frozen until Monday
Tick
TurnCame
  reason='a newer release has held the target', waits='', phase=superseded, ended=5.0
  > report to git c0 segue/wine/prod failure: rel-2 on wine/prod was superseded; cause: push; reason: a newer release has held the target
  > TagVersion(source='mlflow', model='wine', version='7', tags=(('segue.release', 'rel-2'), ('segue.result', 'superseded'), ('segue.reason', 'a newer release has held the target'), ('segue.target', 'wine/prod')), target='wine/prod', note='rel-2 on wine/prod was superseded, 1970-01-01T00:00:05Z: a newer release has held the target')
  > StopWorkload(backend='wine-v2')
TurnCame
  reason='this version serves already', waits='', phase=already there, ended=6.0
  target: newest=2
  > report to git c0 segue/wine/prod success: rel-2 on wine/prod serves already; cause: push; reason: this version serves already
  > TagVersion(source='mlflow', model='wine', version='7', tags=(('segue.release', 'rel-2'), ('segue.result', 'already there'), ('segue.reason', 'this version serves already'), ('segue.target', 'wine/prod')), target='wine/prod', note='rel-2 on wine/prod serves already, 1970-01-01T00:00:06Z: this version serves already')
  > StopWorkload(backend='wine-v2')
TurnCame
  reason='wine/prod serves in cluster prod, namespace ml, and its declaration says on this machine or names other objects; a target cannot move while it serves: hand it back first', waits='', phase=failed, ended=7.0
  > report to git c0 segue/wine/prod failure: rel-2 on wine/prod failed; cause: push; reason: wine/prod serves in cluster prod, namespace ml, and its declaration says on this machine or names other objects; a target cannot move while it serves: hand it back first
  > TagVersion(source='mlflow', model='wine', version='7', tags=(('segue.release', 'rel-2'), ('segue.result', 'failed'), ('segue.reason', 'wine/prod serves in cluster prod, namespace ml, and its declaration says on this machine or names other objects; a target cannot move while it serves: hand it back first'), ('segue.target', 'wine/prod')), target='wine/prod', note='rel-2 on wine/prod failed, 1970-01-01T00:00:07Z: wine/prod serves in cluster prod, namespace ml, and its declaration says on this machine or names other objects; a target cannot move while it serves: hand it back first')
  > StopWorkload(backend='wine-v2')\
""")


def test_nobody_approves_in_time_or_somebody_says_no():
    environment = replace(CANARY, approvals=Approvals(2, expires=500.0))
    run = Journey(environment)
    run.see(VersionReady("sha256:2", (), 1.0))
    asked = run.release, run.target
    run.say("approve", 2.0, "sha256:" + "0" * 12)
    run.say("approve", 3.0, run.release.plan)
    run.say("approve", 4.0, run.release.plan)
    run.see(Tick(500.9))
    run.see(Tick(501.0))
    run.release, run.target = asked
    run.say("reject", 5.0, reason="too slow")
    run.release, run.target = asked
    run.say("override", 6.0, run.release.plan)
    run.say("override", 6.0, run.release.plan, "it burns")
    run.release, run.target = asked
    run.say("approve", 7.0, run.release.plan, actor="bob")
    run.say("approve", 8.0, run.release.plan, actor="cid")
    run.see(EffectFailed(run.release.step, "no directory", 9.0))
    assert run.told() == snapshot("""\
VersionReady
  image='sha256:2', since=1.0, phase=approval, plan, steps, asked 1 times
  > Wake(at=501.0)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod waits for approval; cause: push; evidence: sha256:..., which the plan's digest covers; to approve: /segue approve rel-2 sha256:...
Command approve
Command approve
  approvals=[('bob', 3.0)]
Command approve
  approvals=[('bob', 4.0)]
Tick
Tick
  reason='nobody approved it in time', phase=rejected, ended=501.0
  > report to git c0 segue/wine/prod failure: rel-2 on wine/prod was rejected; cause: push; reason: nobody approved it in time
  > TagVersion(source='mlflow', model='wine', version='7', tags=(('segue.release', 'rel-2'), ('segue.result', 'rejected'), ('segue.reason', 'nobody approved it in time'), ('segue.target', 'wine/prod')), target='wine/prod', note='rel-2 on wine/prod was rejected, 1970-01-01T00:08:21Z: nobody approved it in time')
  > StopWorkload(backend='wine-v2')
Command reject
  reason='bob rejected it: too slow', phase=rejected, ended=5.0
  > report to git c0 segue/wine/prod failure: rel-2 on wine/prod was rejected; cause: push; reason: bob rejected it: too slow
  > TagVersion(source='mlflow', model='wine', version='7', tags=(('segue.release', 'rel-2'), ('segue.result', 'rejected'), ('segue.reason', 'bob rejected it: too slow'), ('segue.target', 'wine/prod')), target='wine/prod', note='rel-2 on wine/prod was rejected, 1970-01-01T00:00:05Z: bob rejected it: too slow')
  > StopWorkload(backend='wine-v2')
Command override
Command override
  since=6.0, step='start-1', epoch=4, phase=starting, override=True
  target: epoch=4, holder='rel-2', newest=2
  > SetTraffic(step='open', target='wine/prod', epoch=4, candidate='wine-v2', shares=(Share(backend='wine-v1', url='http://1', weight=100.0)), sticky='none')
  > StartWorkload(step='start-1', version='v2', backend='wine-v2', target='wine/prod')
Command approve
  approvals=[('bob', 7.0)]
Command approve
  since=8.0, step='authority-1', attempt=1, phase=queued, approvals=[('bob', 7.0), ('cid', 8.0)]
  > CheckAuthority(step='authority-1', release='rel-2')
EffectFailed
  reason='asked once more, because an approval does not count any more: no directory', since=9.0, step='', phase=approval, approvals=[]
  > Wake(at=509.0)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod waits for approval; cause: push; reason: asked once more, because an approval does not count any more: no directory; evidence: sha256:..., which the plan's digest covers; to approve: /segue approve rel-2 sha256:...\
""")


def test_on_its_way_it_is_aborted_overtaken_or_fails_and_goes_back():
    run = Journey()
    run.start()
    moving = run.release, run.target
    for event in (
        Command("abort", "rel-2", None, None, "bob", "cli", 9.0),
        Overtaken("rel-3", 9.0),
    ):
        run.release, run.target = moving
        run.see(event)
        run.see(Waits(run.release.step, "the router", 9.5))
        run.confirm(10.0)
    run.release, run.target = replace(moving[0], phase=Phase.CHECKING, step="check-4"), moving[1]
    run.see(EffectFailed("check-4", "it answers 500", 9.0))
    assert run.told() == snapshot("""\
Command abort
  reason='bob aborted', wanted=0.0, since=9.0, step='traffic-4-2', attempt=2, phase=restoring, outcome=aborted
  > SetTraffic(step='traffic-4-2', target='wine/prod', epoch=4, candidate='wine-v2', shares=(Share(backend='wine-v1', url='http://1', weight=100.0), Share(backend='wine-v2', url='http://2', weight=0.0)), sticky='none', attempt=2)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod is being taken back; cause: push; reason: bob aborted
Waits
  waits='the router'
TrafficObserved
  waits='', since=10.0, step='', phase=aborted, ended=10.0
  target: holder=None
  > report to git c0 segue/wine/prod failure: rel-2 on wine/prod was aborted; cause: push; reason: bob aborted
  > TagVersion(source='mlflow', model='wine', version='7', tags=(('segue.release', 'rel-2'), ('segue.result', 'aborted'), ('segue.reason', 'bob aborted'), ('segue.target', 'wine/prod')), target='wine/prod', note='rel-2 on wine/prod was aborted, 1970-01-01T00:00:10Z: bob aborted')
  > StopWorkload(backend='wine-v2')
  > MoveAlias(source='mlflow', model='wine', alias='challenger', version=None, expected='7')
Overtaken
  reason='rel-3 is newer, and ends what is on its way', wanted=0.0, since=9.0, step='traffic-4-2', attempt=2, phase=restoring, outcome=superseded
  > SetTraffic(step='traffic-4-2', target='wine/prod', epoch=4, candidate='wine-v2', shares=(Share(backend='wine-v1', url='http://1', weight=100.0), Share(backend='wine-v2', url='http://2', weight=0.0)), sticky='none', attempt=2)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod is being taken back; cause: push; reason: rel-3 is newer, and ends what is on its way
Waits
  waits='the router'
TrafficObserved
  waits='', since=10.0, step='', phase=superseded, ended=10.0
  target: holder=None
  > report to git c0 segue/wine/prod failure: rel-2 on wine/prod was superseded; cause: push; reason: rel-3 is newer, and ends what is on its way
  > TagVersion(source='mlflow', model='wine', version='7', tags=(('segue.release', 'rel-2'), ('segue.result', 'superseded'), ('segue.reason', 'rel-3 is newer, and ends what is on its way'), ('segue.target', 'wine/prod')), target='wine/prod', note='rel-2 on wine/prod was superseded, 1970-01-01T00:00:10Z: rel-3 is newer, and ends what is on its way')
  > StopWorkload(backend='wine-v2')
  > MoveAlias(source='mlflow', model='wine', alias='challenger', version=None, expected='7')
EffectFailed
  reason='it answers 500', wanted=0.0, since=9.0, step='traffic-4-2', attempt=2, phase=restoring, outcome=failed
  > SetTraffic(step='traffic-4-2', target='wine/prod', epoch=4, candidate='wine-v2', shares=(Share(backend='wine-v1', url='http://1', weight=100.0), Share(backend='wine-v2', url='http://2', weight=0.0)), sticky='none', attempt=2)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod is being taken back; cause: push; reason: it answers 500\
""")


def test_a_shadow_is_cleared_or_stops_copying_when_patience_ends():
    environment = replace(CANARY, strategy=Strategy.SHADOW, shadow=Shadow(20.0, "p.0", "s.0"))
    run = Journey(environment)
    run.start()
    run.confirm(5.0)
    shadowed = run.release
    run.see(Tick(24.9))
    run.evidence(Verdict.CLEARED, 0, 25.0)
    run.release = shadowed
    run.lines.append("--- or nothing clears it")
    run.evidence(Verdict.UNDECIDED, 0, 30.0)
    run.see(Tick(124.9))
    run.see(Tick(125.0))
    run.confirm(126.0)
    run.see(Tick(130.0))
    run.say("promote", 131.0)
    assert run.told() == snapshot("""\
TrafficObserved
  since=5.0, step=''
  > Wake(at=25.0)
  > Wake(at=125.0)
Tick
EvidenceChanged
  wanted=10, since=25.0, peak=10, position=1, step='traffic-4-2', attempt=2, phase=shifting, copied=False, evidence_at=25.0
  > SetTraffic(step='traffic-4-2', target='wine/prod', epoch=4, candidate='wine-v2', shares=(Share(backend='wine-v1', url='http://1', weight=90.0), Share(backend='wine-v2', url='http://2', weight=10)), sticky='none', attempt=2)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod takes traffic: 0 % of requests, 10 % wanted; cause: push; guard: errors: cleared (errors of v2; ; 120 requests)
--- or nothing clears it
EvidenceChanged
  evidence_at=30.0
Tick
Tick
  reason='held: its answers to copies of requests did not clear it in time', step='traffic-4-2', attempt=2, copied=False
  > SetTraffic(step='traffic-4-2', target='wine/prod', epoch=4, candidate='wine-v2', shares=(Share(backend='wine-v1', url='http://1', weight=100.0), Share(backend='wine-v2', url='http://2', weight=0.0)), sticky='none', attempt=2)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod answers copies of requests, which no user sees; cause: push; reason: held: its answers to copies of requests did not clear it in time; guard: errors: undecided (errors of v2; ; 120 requests)
TrafficObserved
  step=''
Tick
Command promote
  reason='', unproven=('bob went on'), wanted=10, since=131.0, peak=10, position=1, step='traffic-4-3', attempt=3, phase=shifting
  > SetTraffic(step='traffic-4-3', target='wine/prod', epoch=4, candidate='wine-v2', shares=(Share(backend='wine-v1', url='http://1', weight=90.0), Share(backend='wine-v2', url='http://2', weight=10)), sticky='none', attempt=3)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod takes traffic: 0 % of requests, 10 % wanted; cause: push\
""")


def test_a_share_held_back_and_a_finish_without_evidence():
    environment = replace(CANARY, held_back=0.05, ladder=(100,), when_undecided=WhenUndecided.FINISH)
    run = Journey(environment)
    run.start()
    run.confirm(5.0)
    run.evidence(Verdict.UNDECIDED, 100, 34.0)
    run.see(Tick(163.9))
    run.see(Tick(164.0))
    run.confirm(165.0)
    run.see(Tick(170.0))
    assert run.told() == snapshot("""\
TrafficObserved
  observed=95.0, since=5.0, step=''
  > Wake(at=15.0)
  > Wake(at=115.0)
EvidenceChanged
  since=34.0, position=1, phase=watching, evidence_at=34.0
  > Wake(at=64.0)
  > Wake(at=164.0)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod serves 95 % and is being watched; cause: push
Tick
Tick
  unproven=('the time limit at 95 % came before the evidence'), wanted=100.0, since=164.0, peak=100.0, position=2, step='traffic-4-2', attempt=2, phase=shifting
  > SetTraffic(step='traffic-4-2', target='wine/prod', epoch=4, candidate='wine-v2', shares=(Share(backend='wine-v1', url='http://1', weight=0.0), Share(backend='wine-v2', url='http://2', weight=100.0)), sticky='none', attempt=2)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod takes traffic: 95 % of requests, 100 % wanted; cause: push
TrafficObserved
  observed=100.0, since=165.0, position=3, step='', phase=promoted, ended=165.0
  target: holder=None, stable=Serving(release='rel-2', number=2, version='v2', image='sha256:2', backend='wine-v2', url='http://2', since=165.0, metrics=(('f1', 0.95)), registered=('wine', '7'), registry='mlflow'), previous=Serving(release='rel-1', number=1, version='v1', image='sha256:1', backend='wine-v1', url='http://1', since=0.0, metrics=(('f1', 0.9)))
  > Wake(at=165.0)
  > Wake(at=265.0)
  > report to git c0 segue/wine/prod success: rel-2 on wine/prod is promoted (not proven); cause: push; proof: not proven: the time limit at 95 % came before the evidence
  > TagVersion(source='mlflow', model='wine', version='7', tags=(('segue.release', 'rel-2'), ('segue.result', 'promoted'), ('segue.reason', 'not proven: the time limit at 95 % came before the evidence'), ('segue.target', 'wine/prod'), ('segue.served_since', '1970-01-01T00:02:45Z'), ('segue.served_until', '')), target='wine/prod', note='rel-2 on wine/prod is promoted (not proven), 1970-01-01T00:02:45Z: not proven: the time limit at 95 % came before the evidence')
  > StopWorkload(backend='wine-v0')
  > MoveAlias(source='mlflow', model='wine', alias='champion', version='7')
Tick\
""")


def test_what_holds_says_so_and_what_is_frozen_or_failed_goes_on_when_it_may():
    run, frozen = Journey(replace(CANARY, ladder=(10, 100))), Frozen(99.0, "frozen until Monday")
    run.start()
    run.see(TrafficObserved(run.release.step, run.release.epoch, 20.0, 4.5))
    run.confirm(5.0)
    run.evidence(Verdict.UNDECIDED, 100, 20.0)
    run.see(Tick(115.0))
    run.see(Tick(116.0))
    run.say("pause", 117.0)
    run.see(Drifted("somebody set wine to 0", 117.5))
    run.evidence(Verdict.CLEARED, 100, 118.0)
    run.see(Command("resume", "rel-2", None, None, "bob", "cli", 119.0), freeze=frozen)
    run.see(Tick(120.0), freeze=frozen)
    run.see(Tick(121.0))
    run.confirm(122.0)
    run.see(Tick(132.0))
    run.see(
        EvidenceChanged(
            replace(run.release.evidence or Evidence(Verdict.SUSPECT, (), 100, 4, 0, 100, 500), sequence=500),
            163.0,
        )
    )
    run.see(Tick(262.0))
    assert run.told() == snapshot("""\
TrafficObserved
  step='traffic-4-2', attempt=2
  > SetTraffic(step='traffic-4-2', target='wine/prod', epoch=4, candidate='wine-v2', shares=(Share(backend='wine-v1', url='http://1', weight=90.0), Share(backend='wine-v2', url='http://2', weight=10)), sticky='none', attempt=2)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod takes traffic: 0 % of requests, 10 % wanted; cause: push
TrafficObserved
  observed=10, since=5.0, step=''
  > Wake(at=15.0)
  > Wake(at=115.0)
EvidenceChanged
  evidence_at=20.0
Tick
  reason='held: the evidence does not allow the next weight yet'
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod takes traffic: 10 % of requests, 10 % wanted; cause: push; reason: held: the evidence does not allow the next weight yet; guard: errors: undecided (errors of v2; ; 120 requests)
Tick
Command pause
  reason='bob paused', paused=True
Drifted
  reason='paused, because what serves was changed by somebody else; resume or abort: somebody set wine to 0'
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod takes traffic: 10 % of requests, 10 % wanted; cause: push; reason: paused, because what serves was changed by somebody else; resume or abort: somebody set wine to 0; guard: errors: undecided (errors of v2; ; 120 requests)
EvidenceChanged
  evidence_at=118.0
Command resume
  reason='', waits='frozen until Monday', paused=False
  > Wake(at=99.0)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod takes traffic: 10 % of requests, 10 % wanted; cause: push; waits: frozen until Monday; guard: errors: cleared (errors of v2; ; 120 requests)
Tick
Tick
  waits='', wanted=100, since=121.0, peak=100, step='traffic-4-3', attempt=3
  > SetTraffic(step='traffic-4-3', target='wine/prod', epoch=4, candidate='wine-v2', shares=(Share(backend='wine-v1', url='http://1', weight=0.0), Share(backend='wine-v2', url='http://2', weight=100)), sticky='none', attempt=3)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod takes traffic: 10 % of requests, 100 % wanted; cause: push; guard: errors: cleared (errors of v2; ; 120 requests)
TrafficObserved
  observed=100, since=122.0, step=''
  > Wake(at=132.0)
  > Wake(at=232.0)
Tick
  since=132.0, position=1, phase=watching
  > Wake(at=162.0)
  > Wake(at=262.0)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod serves all traffic and is being watched; cause: push
EvidenceChanged
  evidence_at=163.0
Tick
  reason='held: the evidence does not allow the next weight yet'
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod serves all traffic and is being watched; cause: push; reason: held: the evidence does not allow the next weight yet\
""")


def test_an_override_of_what_waits_and_a_check_of_it_that_fails():
    run = Journey(replace(CANARY, approvals=Approvals(1, expires=500.0)))
    run.see(VersionReady("sha256:2", (), 1.0), ahead="rel-9 goes first")
    run.see(
        Command("override", "rel-2", run.release.plan, "it burns", "bob", "cli", 2.0),
        ahead="rel-9 goes first",
    )
    queued = run.release
    run.see(TurnCame(3.0))
    run.see(EffectFailed(run.release.step, "no directory", 4.0))
    run.release = queued
    run.see(Command("override", "rel-2", queued.plan, "still", "cid", "cli", 5.0))
    assert run.told() == snapshot("""\
VersionReady
  image='sha256:2', since=1.0, phase=approval, plan, steps, asked 1 times
  > Wake(at=501.0)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod waits for approval; cause: push; evidence: sha256:..., which the plan's digest covers; to approve: /segue approve rel-2 sha256:...
Command override
  waits='rel-9 goes first', since=2.0, phase=queued, override=True
TurnCame
  waits='', step='authority-1', attempt=1
  > CheckAuthority(step='authority-1', release='rel-2')
EffectFailed
  reason='asked once more, because an approval does not count any more: no directory', since=4.0, step='', phase=approval, override=False
  > Wake(at=504.0)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod waits for approval; cause: push; reason: asked once more, because an approval does not count any more: no directory; evidence: sha256:..., which the plan's digest covers; to approve: /segue approve rel-2 sha256:...
Command override
  waits='', since=5.0, step='start-1', epoch=4, phase=starting, override=True
  target: epoch=4, holder='rel-2', newest=2
  > SetTraffic(step='open', target='wine/prod', epoch=4, candidate='wine-v2', shares=(Share(backend='wine-v1', url='http://1', weight=100.0)), sticky='none')
  > StartWorkload(step='start-1', version='v2', backend='wine-v2', target='wine/prod')\
""")


def test_people_promote_and_override():
    run = Journey()
    run.start()
    run.say("promote", 4.5)
    run.confirm(5.0)
    run.say("promote", 6.0, reason="known good")
    run.confirm(7.0)
    run.evidence(Verdict.SUSPECT, 10, 8.0)
    run.say("promote", 9.0)
    run.say("override", 10.0, run.release.plan)
    run.say("override", 11.0, run.release.plan, "it burns")
    run.confirm(12.0)
    run.see(Tick(22.0))
    run.evidence(Verdict.CLEARED, 100, 23.0)
    run.say("promote", 24.0)
    assert run.told() == snapshot("""\
Command promote
TrafficObserved
  observed=10, since=5.0, step=''
  > Wake(at=15.0)
  > Wake(at=115.0)
Command promote
  unproven=('bob went on: known good'), wanted=50, since=6.0, peak=50, step='traffic-4-2', attempt=2
  > SetTraffic(step='traffic-4-2', target='wine/prod', epoch=4, candidate='wine-v2', shares=(Share(backend='wine-v1', url='http://1', weight=50.0), Share(backend='wine-v2', url='http://2', weight=50)), sticky='none', attempt=2)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod takes traffic: 10 % of requests, 50 % wanted; cause: push
TrafficObserved
  observed=50, since=7.0, step=''
  > Wake(at=17.0)
  > Wake(at=117.0)
EvidenceChanged
  evidence_at=8.0
Command promote
Command override
Command override
  unproven=('bob went on: known good', 'bob overrode its rules: it burns', 'bob went on: it burns'), wanted=100, since=11.0, peak=100, step='traffic-4-3', attempt=3, override=True
  > SetTraffic(step='traffic-4-3', target='wine/prod', epoch=4, candidate='wine-v2', shares=(Share(backend='wine-v1', url='http://1', weight=0.0), Share(backend='wine-v2', url='http://2', weight=100)), sticky='none', attempt=3)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod takes traffic: 50 % of requests, 100 % wanted (rules overridden by bob); cause: push; rules overridden: by bob: it burns; guard: errors: suspect (errors of v2; ; 120 requests)
TrafficObserved
  observed=100, since=12.0, step=''
  > Wake(at=22.0)
  > Wake(at=122.0)
Tick
  since=22.0, position=1, phase=watching
  > Wake(at=52.0)
  > Wake(at=152.0)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod serves all traffic and is being watched (rules overridden by bob); cause: push; rules overridden: by bob: it burns
EvidenceChanged
  evidence_at=23.0
Command promote
  unproven=('bob went on: known good', 'bob overrode its rules: it burns', 'bob went on: it burns', 'bob went on'), position=2, phase=promoted, ended=24.0
  target: holder=None, stable=Serving(release='rel-2', number=2, version='v2', image='sha256:2', backend='wine-v2', url='http://2', since=24.0, metrics=(('f1', 0.95)), registered=('wine', '7'), registry='mlflow'), previous=Serving(release='rel-1', number=1, version='v1', image='sha256:1', backend='wine-v1', url='http://1', since=0.0, metrics=(('f1', 0.9)))
  > report to git c0 segue/wine/prod success: rel-2 on wine/prod is promoted (not proven) (rules overridden by bob); cause: push; rules overridden: by bob: it burns; proof: not proven: bob went on: known good; bob overrode its rules: it burns; bob went on: it burns; bob went on; guard: errors: cleared (errors of v2; ; 120 requests)
  > TagVersion(source='mlflow', model='wine', version='7', tags=(('segue.release', 'rel-2'), ('segue.result', 'promoted'), ('segue.reason', 'not proven: bob went on: known good; bob overrode its rules: it burns; bob went on: it burns; bob went on'), ('segue.target', 'wine/prod'), ('segue.served_since', '1970-01-01T00:00:24Z'), ('segue.served_until', '')), target='wine/prod', note='rel-2 on wine/prod is promoted (not proven) (rules overridden by bob), 1970-01-01T00:00:24Z: not proven: bob went on: known good; bob overrode its rules: it burns; bob went on: it burns; bob went on')
  > StopWorkload(backend='wine-v0')
  > MoveAlias(source='mlflow', model='wine', alias='champion', version='7')\
""")


def test_a_first_release_a_batch_a_switch_and_a_version_that_serves():
    first = Journey(target=Target("wine/prod"))
    first.see(VersionReady("sha256:2", (), 1.0))
    first.see(WorkloadReady(first.release.step, "http://2", 2.0))
    first.see(CheckFinished(first.release.step, "ok", 3.0))
    first.confirm(4.0)
    first.evidence(Verdict.UNDECIDED, 0, 34.0)
    batch = Journey(replace(CANARY, strategy=Strategy.NONE), batch=True)
    batch.see(VersionReady("sha256:2", (), 1.0))
    switch = Journey(switch=True, steps=(SWITCH,))
    switch.start()
    switch.confirm(5.0)
    there = Journey(version="v1", backend="wine-v1")
    there.see(VersionReady("sha256:1", (), 1.0))
    refused = Journey(rules=(Gate("f1", Comparison.AT_LEAST, 0.99),))
    refused.see(VersionReady("sha256:2", (("f1", 0.95),), 1.0))
    assert "\n---\n".join(one.told() for one in (first, batch, switch, there, refused)) == snapshot("""\
VersionReady
  image='sha256:2', since=1.0, step='start-1', epoch=1, phase=starting, plan, steps
  target: epoch=1, holder='rel-2', newest=2
  > StartWorkload(step='start-1', version='v2', backend='wine-v2', target='wine/prod')
WorkloadReady
  url='http://2', since=2.0, step='check-1', phase=checking
  > CheckPreview(step='check-1', target='wine/prod', version='v2', backend='wine-v2', url='http://2')
CheckFinished
  unproven=('there was no stable version to compare with'), wanted=100.0, since=3.0, peak=100.0, step='traffic-1-1', attempt=1, phase=shifting
  > SetTraffic(step='traffic-1-1', target='wine/prod', epoch=1, candidate='wine-v2', shares=(Share(backend='wine-v2', url='http://2', weight=100.0)), sticky='none', attempt=1)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod takes traffic: 0 % of requests, 100 % wanted; cause: push
TrafficObserved
  observed=100.0, since=4.0, position=1, step='', phase=watching
  > Wake(at=4.0)
  > Wake(at=104.0)
  > Wake(at=34.0)
  > Wake(at=134.0)
  > report to git c0 segue/wine/prod pending: rel-2 on wine/prod serves all traffic and is being watched; cause: push
EvidenceChanged
  position=2, phase=promoted, ended=34.0, evidence_at=34.0
  target: holder=None, stable=Serving(release='rel-2', number=2, version='v2', image='sha256:2', backend='wine-v2', url='http://2', since=34.0, registered=('wine', '7'), registry='mlflow')
  > report to git c0 segue/wine/prod success: rel-2 on wine/prod is promoted (not proven); cause: push; proof: not proven: there was no stable version to compare with; guard: errors: undecided (errors of v2; ; 120 requests)
  > TagVersion(source='mlflow', model='wine', version='7', tags=(('segue.release', 'rel-2'), ('segue.result', 'promoted'), ('segue.reason', 'not proven: there was no stable version to compare with'), ('segue.target', 'wine/prod'), ('segue.served_since', '1970-01-01T00:00:34Z'), ('segue.served_until', '')), target='wine/prod', note='rel-2 on wine/prod is promoted (not proven), 1970-01-01T00:00:34Z: not proven: there was no stable version to compare with')
  > MoveAlias(source='mlflow', model='wine', alias='champion', version='7')
---
VersionReady
  image='sha256:2', since=1.0, phase=promoted, ended=1.0, plan
  target: newest=2
  > report to git c0 segue/wine/prod success: rel-2 on wine/prod is promoted; cause: push; proof: proven by its guards
  > TagVersion(source='mlflow', model='wine', version='7', tags=(('segue.release', 'rel-2'), ('segue.result', 'promoted'), ('segue.reason', 'proven by its guards'), ('segue.target', 'wine/prod'), ('segue.served_since', '1970-01-01T00:00:01Z'), ('segue.served_until', '')), target='wine/prod', note='rel-2 on wine/prod is promoted, 1970-01-01T00:00:01Z: proven by its guards')
  > MoveAlias(source='mlflow', model='wine', alias='champion', version='7')
---
TrafficObserved
  observed=100.0, since=5.0, position=1, step='', phase=promoted, ended=5.0
  target: holder=None, stable=Serving(release='rel-2', number=2, version='v2', image='sha256:2', backend='wine-v2', url='http://2', since=5.0, metrics=(('f1', 0.95)), registered=('wine', '7'), registry='mlflow'), previous=Serving(release='rel-1', number=1, version='v1', image='sha256:1', backend='wine-v1', url='http://1', since=0.0, metrics=(('f1', 0.9)))
  > Wake(at=5.0)
  > Wake(at=105.0)
  > report to git c0 segue/wine/prod success: rel-2 on wine/prod is promoted (not proven); cause: push; proof: not proven: going back is not compared with anything: this version served here before
  > TagVersion(source='mlflow', model='wine', version='7', tags=(('segue.release', 'rel-2'), ('segue.result', 'promoted'), ('segue.reason', 'not proven: going back is not compared with anything: this version served here before'), ('segue.target', 'wine/prod'), ('segue.served_since', '1970-01-01T00:00:05Z'), ('segue.served_until', '')), target='wine/prod', note='rel-2 on wine/prod is promoted (not proven), 1970-01-01T00:00:05Z: not proven: going back is not compared with anything: this version served here before')
  > StopWorkload(backend='wine-v0')
  > MoveAlias(source='mlflow', model='wine', alias='champion', version='7')
---
VersionReady
  image='sha256:1', reason='this version serves already', phase=already there, ended=1.0
  target: newest=2
  > report to git c0 segue/wine/prod success: rel-2 on wine/prod serves already; cause: push; reason: this version serves already
  > TagVersion(source='mlflow', model='wine', version='7', tags=(('segue.release', 'rel-2'), ('segue.result', 'already there'), ('segue.reason', 'this version serves already'), ('segue.target', 'wine/prod')), target='wine/prod', note='rel-2 on wine/prod serves already, 1970-01-01T00:00:01Z: this version serves already')
---
VersionReady
  image='sha256:2', metrics=(('f1', 0.95)), reason='f1 is 0.95, wanted >= 0.99', gates=('f1 is 0.95, wanted >= 0.99'), phase=refused, ended=1.0
  > report to git c0 segue/wine/prod failure: rel-2 on wine/prod was refused by a gate; cause: push; reason: f1 is 0.95, wanted >= 0.99; gate: f1 is 0.95, wanted >= 0.99
  > TagVersion(source='mlflow', model='wine', version='7', tags=(('segue.release', 'rel-2'), ('segue.result', 'refused'), ('segue.reason', 'f1 is 0.95, wanted >= 0.99'), ('segue.target', 'wine/prod')), target='wine/prod', note='rel-2 on wine/prod was refused by a gate, 1970-01-01T00:00:01Z: f1 is 0.95, wanted >= 0.99')
  > StopWorkload(backend='wine-v2')\
""")


def test_what_is_only_watched_is_followed_to_its_end():
    watched = Place("prod", "ml", "wine", "ml/wine", stable="wine", candidate="wine-canary")
    run = Journey(replace(CANARY, mode=Mode.OBSERVE), target=Target("wine/prod", newest=1), place=watched)
    run.see(VersionReady("sha256:2", (), 1.0))
    run.see(Waits(run.release.step, "nobody sent it requests", 1.5))
    run.see(Seen(run.release.step, "candidate", 2.0))
    run.evidence(Verdict.CLEARED, 50, 3.0)
    run.evidence(Verdict.CLEARED, 20, 4.0)
    run.see(EvidenceChanged(replace(run.release.evidence, sequence=5, weight=100.0, allowed=100.0), 5.0, 4.5))
    run.say("pause", 5.1)
    run.say("resume", 5.2)
    run.see(Seen(run.release.step, "candidate", 5.5))
    on = run.release, run.target
    run.see(Seen(run.release.step, "stable", 6.0))
    run.release, run.target = on
    run.see(Seen(run.release.step, "gone", 6.0))
    run.see(Seen(run.release.step, "gone", 7.0))
    run.release, run.target = on
    run.evidence(Verdict.HARM, 0, 8.0)
    run.evidence(Verdict.CLEARED, 100, 9.0)
    run.see(Seen(run.release.step, "stable", 10.0))
    for event in (
        EffectFailed(on[0].step, "no cluster", 6.0),
        Command("abort", "rel-2", None, None, "bob", "cli", 6.0),
    ):
        run.release, run.target = on
        run.see(event)
    run.release, run.target = replace(on[0], phase=Phase.STARTING), on[1]
    run.see(Overtaken("rel-3", 6.0))
    assert run.told() == snapshot("""\
VersionReady
  image='sha256:2', since=1.0, step='find-1-1', attempt=1, epoch=1, phase=starting, plan
  target: epoch=1, holder='rel-2', newest=2, stable=Serving(release='', number=0, version='', image='', backend='wine.ml', url='', since=1.0), place=prod/wine
  > Follow(step='find-1-1', target='wine/prod', image='sha256:2', place=prod/wine, known='nothing')
Waits
  waits='nobody sent it requests'
Seen
  waits='', since=2.0, step='follow-1-2', attempt=2, phase=shifting
  > Follow(step='follow-1-2', target='wine/prod', image='sha256:2', place=prod/wine, known='candidate')
  > report to git c0 segue/wine/prod success: only watching: rel-2 on wine/prod takes traffic from somebody else: 0 % of requests; cause: push
EvidenceChanged
  would='would have let it have 50 % at 00:00:03 UTC, after 120 requests', wanted=50, evidence_at=3.0
  > report to git c0 segue/wine/prod success: only watching: rel-2 on wine/prod takes traffic from somebody else: 0 % of requests; would have let it have 50 % at 00:00:03 UTC, after 120 requests; cause: push; only watching: Segue would have let it have 50 % at 00:00:03 UTC, after 120 requests; guard: errors: cleared (errors of v2; ; 120 requests)
EvidenceChanged
  evidence_at=4.0
EvidenceChanged
  would='would have let it have 100 % at 00:00:05 UTC, after 120 requests', wanted=100.0, observed=100.0, since=5.0, peak=100.0, phase=watching, evidence_at=4.5
  > report to git c0 segue/wine/prod success: only watching: rel-2 on wine/prod has all the traffic; would have let it have 100 % at 00:00:05 UTC, after 120 requests; cause: push; only watching: Segue would have let it have 100 % at 00:00:05 UTC, after 120 requests; guard: errors: cleared (errors of v2; ; 120 requests)
Command pause
  reason='bob paused', paused=True
Command resume
  reason='', paused=False
Seen
  step='follow-1-3', attempt=3
  > Follow(step='follow-1-3', target='wine/prod', image='sha256:2', place=prod/wine, known='candidate')
Seen
  reason='somebody else promoted it', step='', phase=promoted, ended=6.0
  target: holder=None, stable=Serving(release='rel-2', number=2, version='v2', image='sha256:2', backend='wine.ml', url='', since=6.0, registered=('wine', '7'))
  > report to git c0 segue/wine/prod success: only watching: rel-2 on wine/prod was promoted by somebody else; would have let it have 100 % at 00:00:05 UTC, after 120 requests; cause: push; reason: somebody else promoted it; only watching: Segue would have let it have 100 % at 00:00:05 UTC, after 120 requests; proof: proven by its guards; guard: errors: cleared (errors of v2; ; 120 requests)
Seen
  step='gone-1-4', attempt=4
  > Follow(step='gone-1-4', target='wine/prod', image='sha256:2', place=prod/wine, known='gone')
Seen
  reason='somebody else took it back', step='', phase=aborted, ended=7.0
  target: holder=None
  > report to git c0 segue/wine/prod success: only watching: rel-2 on wine/prod was aborted; would have let it have 100 % at 00:00:05 UTC, after 120 requests; cause: push; reason: somebody else took it back; only watching: Segue would have let it have 100 % at 00:00:05 UTC, after 120 requests; guard: errors: cleared (errors of v2; ; 120 requests)
EvidenceChanged
  would='would have rolled back at 00:00:08 UTC, after 120 requests: errors: errors of v2', wanted=0.0, evidence_at=8.0
  > report to git c0 segue/wine/prod success: only watching: rel-2 on wine/prod has all the traffic; would have rolled back at 00:00:08 UTC, after 120 requests: errors: errors of v2; cause: push; only watching: Segue would have rolled back at 00:00:08 UTC, after 120 requests: errors: errors of v2; guard: errors: harm (errors of v2; ; 120 requests)
EvidenceChanged
  evidence_at=9.0
Seen
  reason='somebody else promoted it', unproven=('somebody else promoted it against the evidence of harm'), step='', phase=promoted, ended=10.0
  target: holder=None, stable=Serving(release='rel-2', number=2, version='v2', image='sha256:2', backend='wine.ml', url='', since=10.0, registered=('wine', '7'))
  > report to git c0 segue/wine/prod success: only watching: rel-2 on wine/prod was promoted by somebody else; would have rolled back at 00:00:08 UTC, after 120 requests: errors: errors of v2; cause: push; reason: somebody else promoted it; only watching: Segue would have rolled back at 00:00:08 UTC, after 120 requests: errors: errors of v2; proof: not proven: somebody else promoted it against the evidence of harm; guard: errors: cleared (errors of v2; ; 120 requests)
EffectFailed
  reason='no cluster', step='', phase=failed, ended=6.0
  target: holder=None
  > report to git c0 segue/wine/prod success: only watching: rel-2 on wine/prod failed; would have let it have 100 % at 00:00:05 UTC, after 120 requests; cause: push; reason: no cluster; only watching: Segue would have let it have 100 % at 00:00:05 UTC, after 120 requests; guard: errors: cleared (errors of v2; ; 120 requests)
Command abort
  reason='bob stopped watching it', step='', phase=aborted, ended=6.0
  target: holder=None
  > report to git c0 segue/wine/prod success: only watching: rel-2 on wine/prod was aborted; would have let it have 100 % at 00:00:05 UTC, after 120 requests; cause: push; reason: bob stopped watching it; only watching: Segue would have let it have 100 % at 00:00:05 UTC, after 120 requests; guard: errors: cleared (errors of v2; ; 120 requests)
Overtaken
  reason='nobody sent it requests before rel-3 came', step='', phase=superseded, ended=6.0
  target: holder=None
  > report to git c0 segue/wine/prod success: only watching: rel-2 on wine/prod was superseded; would have let it have 100 % at 00:00:05 UTC, after 120 requests; cause: push; reason: nobody sent it requests before rel-3 came; only watching: Segue would have let it have 100 % at 00:00:05 UTC, after 120 requests; guard: errors: cleared (errors of v2; ; 120 requests)\
""")
