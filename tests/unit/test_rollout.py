"""The release machine's rows: what each event does in each phase."""

import math
from dataclasses import replace

import pytest

from policies import approvals, bonds, windows
from policies.approvals import Approval
from policies.effects import (
    CheckAuthority,
    CheckPreview,
    MoveAlias,
    SetTraffic,
    StartWorkload,
    StopWorkload,
    Wake,
)
from policies.events import (
    AuthorityChecked,
    CheckFinished,
    Command,
    Drifted,
    EffectFailed,
    EvidenceChanged,
    Superseded,
    Tick,
    TrafficObserved,
    TurnCame,
    VersionReady,
    WorkloadReady,
)
from policies.evidence import Evidence, Finding, Verdict
from policies.messages import explanation, title
from policies.place import Place
from policies.release import Cause, Phase, Release, Serving, Target
from policies.rollout import advance
from policies.spec.declaration import (
    Approvals,
    Comparison,
    Environment,
    Gate,
    StepSpec,
    Strategy,
    WhenUndecided,
)
from policies.split import Decision
from policies.strategy import SWITCH, Watch, plan

STABLE = Serving("rel-1", 1, "v1", "sha256:1", "wine-v1", "http://127.0.0.1:1", 0.0)
ENVIRONMENT = Environment(dwell=10.0, watch=30.0, patience=100.0, ladder=(10, 50, 100))


def make_release(environment: Environment = ENVIRONMENT, **changes) -> Release:
    release = Release(
        name="rel-2",
        number=2,
        model="wine",
        target="wine/production",
        environment=environment,
        version="v2",
        backend="wine-v2",
        cause=Cause("push", "ann", "git", "c" * 40),
    )
    return replace(release, **changes)


def make_target(**changes) -> Target:
    return replace(Target("wine/production", epoch=3, newest=1, stable=STABLE), **changes)


def ready(at: float = 1.0, **metrics: float) -> VersionReady:
    return VersionReady("sha256:2", tuple(metrics.items()), at)


class Run:
    """Drives one release; `see` applies an event, `confirm` lets the router answer what was asked."""

    def __init__(self, release: Release, target: Target) -> None:
        self.release, self.target = release, target
        self.effects: list = []
        self.writes: list[SetTraffic] = []

    def see(self, event) -> Decision:
        decision = advance(self.release, self.target, event)
        self.release, self.target = decision.release, decision.target
        self.effects = list(decision.effects)
        self.writes += [e for e in decision.effects if isinstance(e, SetTraffic)]
        return decision

    def confirm(self, at: float) -> Decision:
        write = self.writes[-1]
        weight = next((s.weight for s in write.shares if s.backend == write.candidate), 0.0)
        return self.see(TrafficObserved(write.step, write.epoch, weight, at))

    def evidence(self, verdict: Verdict, allowed: float, at: float, share: float | None = None) -> Decision:
        seen = self.release.observed if share is None else share
        finding = Finding("errors", verdict, "errors of the candidate", (), None, 10, "")
        found = Evidence(
            verdict, (finding,), self.release.observed, self.release.epoch, allowed, seen, int(at * 10)
        )
        return self.see(EvidenceChanged(found, at))

    def authorise(self, at: float, lost: tuple[str, ...] = (), rule: Approvals | None = None) -> Decision:
        """Who approved still may, but for those who are named."""
        left = tuple(a for a in self.release.approvals if a.actor not in lost)
        rule = rule or self.release.environment.approvals
        return self.see(AuthorityChecked(self.release.step, rule, left, lost, at))

    def to_shifting(self) -> None:
        self.see(ready())
        self.see(WorkloadReady(self.release.step, "http://127.0.0.1:2", 2.0))
        if self.target.stable is not None:
            self.confirm(2.5)
        self.see(CheckFinished(self.release.step, "ok", 3.0))
        self.confirm(4.0)


def test_a_canary_follows_the_evidence_to_the_end_and_keeps_stable_warm():
    run = Run(make_release(), make_target(previous=replace(STABLE, release="rel-0", backend="wine-v0")))
    run.to_shifting()
    assert (run.release.phase, run.release.observed) == (Phase.SHIFTING, 10)
    run.evidence(Verdict.CLEARED, 60, at=15)
    assert run.release.wanted == 50
    run.confirm(16)
    run.evidence(Verdict.CLEARED, 100, at=27)
    run.confirm(28)
    run.see(Tick(38.5))
    assert run.release.phase is Phase.WATCHING
    run.evidence(Verdict.CLEARED, 100, at=69, share=100)
    assert run.release.phase is Phase.PROMOTED
    assert run.release.proven
    assert run.target.stable is not None
    assert run.target.stable.backend == "wine-v2"
    assert run.target.previous == STABLE
    assert run.target.holder is None
    assert StopWorkload("wine-v0") in run.effects
    assert StopWorkload("wine-v1") not in run.effects


def test_every_write_is_absolute_adds_to_100_and_carries_the_epoch():
    run = Run(make_release(), make_target())
    run.to_shifting()
    run.evidence(Verdict.CLEARED, 60, at=15)
    for write in run.writes:
        assert write.epoch == 4
        assert sum(share.weight for share in write.shares) == 100


def test_harm_takes_the_candidate_back_and_is_final_only_when_the_router_confirms():
    run = Run(make_release(), make_target())
    run.to_shifting()
    run.evidence(Verdict.HARM, 0, at=5)
    assert run.release.phase is Phase.RESTORING
    assert run.writes[-1].shares[-1].weight == 0
    run.confirm(6)
    assert run.release.phase is Phase.ROLLED_BACK
    assert run.target.holder is None
    assert StopWorkload("wine-v2") in run.effects


def test_harm_while_a_new_weight_is_on_its_way_takes_it_back_and_the_late_answer_changes_nothing():
    run = Run(make_release(), make_target())
    run.to_shifting()
    run.evidence(Verdict.CLEARED, 60, at=15)
    late = run.writes[-1]
    run.evidence(Verdict.HARM, 0, at=15.5)
    before = run.release
    run.see(TrafficObserved(late.step, late.epoch, 50, 16))
    assert run.release == before


@pytest.mark.parametrize("verdict", [Verdict.UNDECIDED, Verdict.SUSPECT])
def test_without_evidence_the_weight_holds_for_ever(verdict):
    run = Run(make_release(), make_target())
    run.to_shifting()
    run.evidence(verdict, 0, at=15)
    run.see(Tick(1_000_000))
    assert (run.release.phase, run.release.wanted) == (Phase.SHIFTING, 10)


def test_stale_evidence_does_not_advance():
    run = Run(make_release(), make_target())
    run.to_shifting()
    run.evidence(Verdict.CLEARED, 100, at=5)
    run.see(Tick(60))
    assert run.release.wanted == 10


def test_evidence_of_another_epoch_changes_nothing():
    run = Run(make_release(), make_target())
    run.to_shifting()
    before = run.release
    run.see(EvidenceChanged(Evidence(Verdict.HARM, (), 10, 3, 0, 10, 9), 20))
    assert run.release == before


def test_a_share_that_disagrees_with_the_weight_holds():
    run = Run(make_release(), make_target())
    run.to_shifting()
    run.evidence(Verdict.CLEARED, 100, at=20, share=60)
    assert run.release.wanted == 10


def test_a_time_limit_that_the_policy_asks_for_finishes_and_is_called_not_proven():
    run = Run(make_release(replace(ENVIRONMENT, when_undecided=WhenUndecided.FINISH)), make_target())
    run.to_shifting()
    run.see(Tick(115))
    assert run.release.wanted == 50
    assert not run.release.proven


def test_a_first_release_is_promoted_not_proven():
    run = Run(make_release(), Target("wine/production"))
    run.to_shifting()
    assert run.release.observed == 100
    run.see(Tick(5))
    run.evidence(Verdict.UNDECIDED, 0, at=36, share=100)
    assert run.release.phase is Phase.PROMOTED
    assert not run.release.proven


def test_a_blue_green_switch_goes_from_preview_to_all_at_once():
    run = Run(make_release(replace(ENVIRONMENT, strategy=Strategy.BLUEGREEN)), make_target())
    run.to_shifting()
    assert [w.shares[-1].weight for w in run.writes[1:]] == [0, 100]
    assert not run.release.proven


def test_a_failed_gate_ends_before_any_traffic():
    gate = Gate("accuracy", Comparison.AT_LEAST, 0.9)
    run = Run(make_release(rules=(gate,)), make_target())
    run.see(ready(accuracy=0.5))
    assert run.release.phase is Phase.REFUSED
    assert run.writes == []
    assert "accuracy is 0.5" in run.release.reason


def test_a_missing_metric_fails_its_gate():
    run = Run(make_release(rules=(Gate("accuracy", Comparison.AT_LEAST, 0.9),)), make_target())
    run.see(ready())
    assert run.release.phase is Phase.REFUSED


def test_an_approval_by_the_author_or_of_another_plan_does_not_count():
    environment = replace(ENVIRONMENT, approvals=Approvals(count=1))
    run = Run(make_release(environment), make_target())
    run.see(ready())
    assert run.release.phase is Phase.APPROVAL
    run.see(Command("approve", "rel-2", None, None, "ann", "cli", 5))
    run.see(Command("approve", "rel-2", "sha256:" + "0" * 12, None, "bob", "cli", 5))
    assert run.release.phase is Phase.APPROVAL
    run.see(Command("approve", "rel-2", run.release.plan[:19], None, "bob", "cli", 5))
    assert run.effects == [CheckAuthority(run.release.step, "rel-2")]
    run.authorise(6)
    assert run.release.phase is Phase.STARTING


def test_a_target_that_is_held_lets_the_next_wait_until_its_turn():
    run = Run(make_release(), make_target(holder="rel-9"))
    run.see(ready())
    assert run.release.phase is Phase.QUEUED
    run.target = make_target()
    run.see(TurnCame(9))
    assert run.release.phase is Phase.STARTING
    assert run.target.holder == "rel-2"
    assert run.target.epoch == 4
    assert any(isinstance(e, StartWorkload) for e in run.effects)


@pytest.mark.parametrize(
    ("place", "strategy", "phase"),
    [
        (Place("prod", "wine", "wine"), Strategy.CANARY, Phase.SHIFTING),
        (Place("prod", "wine", "wine"), Strategy.SHADOW, Phase.CHECKING),
        (Place("prod", "wine"), Strategy.CANARY, Phase.CHECKING),
    ],
)
def test_the_ready_copy_of_a_deployment_that_was_found_is_not_asked_once_more(place, strategy, phase):
    run = Run(make_release(replace(ENVIRONMENT, strategy=strategy), place=place), make_target(place=place))
    run.see(ready())
    run.see(WorkloadReady(run.release.step, "http://wine-v2.wine.svc:80", 2.0))
    run.confirm(3.0)
    assert run.release.phase is phase
    assert any(isinstance(effect, CheckPreview) for effect in run.effects) is (phase is Phase.CHECKING)


def test_nothing_older_takes_a_target_that_a_newer_release_has_held():
    run = Run(make_release(), make_target(newest=7))
    run.see(ready())
    assert run.release.phase is Phase.SUPERSEDED
    assert run.writes == []


def test_a_newer_release_supersedes_one_that_has_no_traffic_yet():
    run = Run(make_release(), make_target())
    run.see(Superseded("rel-3", 2))
    assert run.release.phase is Phase.SUPERSEDED


def test_a_workload_that_does_not_start_fails_the_release_after_traffic_is_back():
    run = Run(make_release(), make_target())
    run.see(ready())
    run.see(EffectFailed(run.release.step, "no memory", 2))
    assert run.release.phase is Phase.RESTORING
    run.confirm(3)
    assert run.release.phase is Phase.FAILED
    assert run.release.reason == "no memory"


def test_repeating_any_handled_answer_changes_nothing():
    run = Run(make_release(), make_target())
    run.see(ready())
    answer = WorkloadReady(run.release.step, "http://127.0.0.1:2", 2.0)
    run.see(answer)
    before = run.release
    run.see(answer)
    assert (run.release, run.effects) == (before, [])


def test_a_promotion_of_a_registered_version_moves_champion():
    cause = Cause("alias", None, registry="mlflow", registered=("churn", "7"), alias="challenger")
    run = Run(make_release(replace(ENVIRONMENT, strategy=Strategy.BLUEGREEN), cause=cause), make_target())
    run.to_shifting()
    run.see(Tick(5))
    run.evidence(Verdict.UNDECIDED, 0, at=36, share=100)
    assert MoveAlias("mlflow", "churn", "champion", "7") in run.effects


def test_a_batch_model_is_promoted_without_traffic():
    run = Run(make_release(batch=True, steps=()), Target("ltv/production"))
    run.see(ready())
    assert run.release.phase is Phase.PROMOTED
    assert run.writes == []


def test_abort_during_a_rollout_goes_back_to_stable():
    run = Run(make_release(), make_target())
    run.to_shifting()
    run.see(Command("abort", "rel-2", None, "wrong data", "bob", "cli", 6))
    run.confirm(7)
    assert run.release.phase is Phase.ABORTED
    assert run.release.reason == "bob aborted: wrong data"


def test_pause_holds_and_resume_goes_on():
    run = Run(make_release(), make_target())
    run.to_shifting()
    run.see(Command("pause", "rel-2", None, None, "bob", "cli", 6))
    run.evidence(Verdict.CLEARED, 100, at=20)
    assert run.release.wanted == 10
    run.see(Command("resume", "rel-2", None, None, "bob", "cli", 21))
    assert run.release.wanted == 100


def drifted(run, at):
    """Somebody else changed the route; the release pauses for it."""
    run.target = replace(run.target, drift="ann set 30 %")
    run.see(Drifted("ann set 30 %", at))
    assert run.release.paused


def test_resuming_after_somebody_else_changed_the_split_writes_it_again_before_evidence_counts():
    run = Run(make_release(), make_target())
    run.to_shifting()
    drifted(run, at=5)
    run.see(Command("resume", "rel-2", None, None, "bob", "cli", 60))
    assert [share.weight for share in run.writes[-1].shares] == [90, 10]
    assert run.writes[-1].attempt > run.writes[-2].attempt
    run.confirm(61)
    assert (run.release.observed, run.release.since) == (10, 61)
    run.evidence(Verdict.CLEARED, 100, at=72)
    assert run.release.wanted == 100


def test_resuming_after_a_foreign_change_during_the_watch_writes_all_traffic_again_and_watches_anew():
    run = Run(make_release(), make_target())
    run.to_shifting()
    run.evidence(Verdict.CLEARED, 100, at=15)
    run.confirm(16)
    run.see(Tick(27))
    assert run.release.phase is Phase.WATCHING
    drifted(run, at=30)
    run.see(Command("resume", "rel-2", None, None, "bob", "cli", 80))
    assert [share.weight for share in run.writes[-1].shares] == [0, 100]
    run.confirm(81)
    assert Wake(81 + ENVIRONMENT.watch) in run.effects
    run.evidence(Verdict.CLEARED, 100, at=85, share=100)
    assert run.release.phase is Phase.WATCHING
    run.evidence(Verdict.CLEARED, 100, at=112, share=100)
    assert run.release.phase is Phase.PROMOTED


def test_steps_are_planned_anew_when_the_target_got_a_stable_version_while_the_release_waited():
    run = Run(make_release(), Target("wine/production", holder="rel-1", epoch=1, newest=1))
    run.see(ready())
    assert run.release.steps[0] == SWITCH
    run.target = make_target()
    run.see(TurnCame(9))
    assert run.release.steps[0] != SWITCH


def test_a_plan_that_changed_after_its_approval_is_asked_for_again():
    environment = replace(ENVIRONMENT, approvals=Approvals(count=1))
    run = Run(make_release(environment), Target("wine/production", holder="rel-1", epoch=1, newest=1))
    run.see(ready())
    run.see(Command("approve", "rel-2", None, None, "bob", "cli", 5))
    assert run.release.phase is Phase.QUEUED
    run.target = make_target()
    run.see(TurnCame(9))
    assert run.release.phase is Phase.APPROVAL
    assert "steps was " in run.release.reason or "steps is another one" in run.release.reason


def waiting_for(count: int, **how) -> Run:
    rule = Approvals(count=count, **how)
    run = Run(make_release(replace(ENVIRONMENT, approvals=rule)), make_target())
    run.see(ready(accuracy=0.9))
    return run


def approve(run: Run, who: str, at: float, digest: str | None = None) -> None:
    run.see(Command("approve", "rel-2", digest, None, who, "cli", at))


def test_an_approval_is_bound_to_the_release_the_time_it_was_asked_for_the_plan_and_the_evidence():
    run = waiting_for(2)
    approve(run, "bob", 5)
    (given,), bond = run.release.approvals, run.release.asked[-1]
    assert (given.plan, given.evidence, given.step) == (bond.plan, bond.evidence, "approval-1")
    others = [
        replace(run.release, name="rel-3"),
        replace(run.release, metrics=(("accuracy", 0.91),)),
        replace(run.release, gates=("accuracy is 0.9, wanted >= 0.8",)),
        replace(run.release, image="sha256:3"),
        replace(run.release, environment=replace(run.release.environment, risk=0.5)),
    ]
    digests = {bonds.bond(one, "approval-1").plan for one in (run.release, *others)}
    assert len({*digests, bonds.bond(run.release, "approval-2").plan}) == len(others) + 2


def test_where_nobody_knows_the_author_somebody_whom_the_rule_names_must_approve():
    anybody, named = Approvals(1), Approvals(1, ("bob",))
    assert "the author is unknown" in (approvals.may_approve(anybody, None, "bob") or "")
    assert approvals.may_approve(named, None, "bob") is None
    assert "not among the people named" in (approvals.may_approve(named, None, "eve") or "")
    for rule, actor, missing in ((anybody, "bob", 1), (named, "bob", 0), (named, "eve", 1)):
        given = (Approval(actor, "sha256:p", 1.0),)
        standing = approvals.standing(rule, None, given, "sha256:p", 2.0)
        assert (standing.missing, bool(standing.ignored)) == (missing, bool(missing))


def test_who_is_told_of_a_release_is_no_part_of_what_is_approved():
    release = waiting_for(2).release
    told = replace(release, environment=replace(release.environment, tell=("slack:#ml-all",)))
    assert bonds.bond(told, "approval-1") == bonds.bond(release, "approval-1")


def test_who_lost_the_right_to_approve_before_the_release_began_is_counted_no_more():
    run = waiting_for(2)
    approve(run, "bob", 5)
    approve(run, "sue", 6)
    run.authorise(7, lost=("bob",))
    assert run.release.phase is Phase.APPROVAL
    assert "does not count any more: bob" in run.release.reason
    assert [a.actor for a in run.release.approvals] == ["sue"]
    approve(run, "kim", 8)
    run.authorise(9)
    assert run.release.phase is Phase.STARTING
    assert run.release.reason == ""


def test_a_check_that_cannot_be_made_lets_nobody_through():
    run = waiting_for(1)
    approve(run, "bob", 5)
    run.see(EffectFailed(run.release.step, "the host is gone", 6))
    assert run.release.phase is Phase.APPROVAL
    assert "the host is gone" in run.release.reason


def test_an_answer_to_an_earlier_check_changes_nothing():
    run = waiting_for(1)
    approve(run, "bob", 5)
    late = AuthorityChecked(run.release.step, Approvals(), run.release.approvals, (), 8)
    run.target = make_target(holder="rel-1")
    run.authorise(6)
    run.target = make_target()
    run.see(TurnCame(7))
    before = run.release
    assert before.step not in {"", late.step}
    run.see(late)
    run.see(TurnCame(9))
    assert (run.release, run.effects) == (before, [])


def test_an_approval_that_expired_before_the_turn_came_is_asked_for_again():
    run = waiting_for(1, expires=100.0)
    run.target = make_target(holder="rel-1")
    approve(run, "bob", 5)
    assert run.release.phase is Phase.QUEUED
    run.target = make_target()
    run.see(TurnCame(200))
    run.authorise(201)
    assert run.release.phase is Phase.APPROVAL
    assert "bob: the approval has expired" in run.release.reason


@pytest.mark.parametrize(
    ("rule", "phase"),
    [(Approvals(2), Phase.APPROVAL), (Approvals(1, ("sue",)), Phase.APPROVAL), (Approvals(), Phase.STARTING)],
)
def test_the_rule_of_the_protected_branch_counts_as_it_is_when_the_release_begins(rule, phase):
    run = waiting_for(1)
    approve(run, "bob", 5)
    run.authorise(6, rule=rule)
    assert run.release.phase is phase
    if phase is Phase.APPROVAL:
        assert "rule `approvals` was " in run.release.reason
        assert run.release.approvals == ()


def test_what_has_changed_since_is_told_in_words():
    run = waiting_for(1)
    seen = run.release.plan
    approve(run, "bob", 5)
    run.authorise(6, rule=Approvals(2))
    assert '"count":1' in bonds.since(run.release, seen[:19])
    assert bonds.since(run.release, run.release.plan) == ""
    assert bonds.since(run.release, "sha256:" + "0" * 12) == ""


def test_a_relative_gate_is_judged_again_against_the_stable_version_of_the_turn():
    gate = Gate("f1", Comparison.NO_WORSE, 0.01)
    run = Run(
        make_release(rules=(gate,)),
        make_target(holder="rel-1", stable=replace(STABLE, metrics=(("f1", 0.8),))),
    )
    run.see(ready(f1=0.85))
    assert run.release.phase is Phase.QUEUED
    run.target = make_target(stable=replace(STABLE, metrics=(("f1", 0.95),)))
    run.see(TurnCame(9))
    assert run.release.phase is Phase.REFUSED


def test_a_version_that_came_to_serve_while_its_release_waited_ends_it_and_no_route_is_removed():
    run = Run(make_release(), make_target(holder="rel-1"))
    run.see(ready())
    assert run.release.phase is Phase.QUEUED
    run.target = make_target(stable=replace(STABLE, version="v2", backend="wine-v2"))
    run.see(TurnCame(9))
    assert run.release.phase is Phase.ALREADY_THERE
    assert run.target.holder is None
    assert run.writes == []


def test_a_repeated_answer_of_the_router_does_not_ask_the_preview_twice():
    run = Run(make_release(), make_target())
    run.see(ready())
    run.see(WorkloadReady(run.release.step, "http://127.0.0.1:2", 2.0))
    run.confirm(2.5)
    assert any(isinstance(e, CheckPreview) for e in run.effects)
    run.confirm(2.6)
    assert run.effects == []


@pytest.mark.parametrize("share", [math.nan, math.inf, -1.0])
def test_a_share_that_makes_no_sense_holds(share):
    run = Run(make_release(), make_target())
    run.to_shifting()
    run.evidence(Verdict.CLEARED, 100, at=20, share=share)
    assert run.release.wanted == 10


@pytest.mark.parametrize("allowed", [math.nan, math.inf, 101.0])
def test_an_allowed_weight_that_makes_no_sense_holds(allowed):
    run = Run(make_release(), make_target())
    run.to_shifting()
    run.evidence(Verdict.CLEARED, allowed, at=20)
    assert run.release.wanted == 10


def test_evidence_of_a_time_yet_to_come_is_not_fresh_for_ever():
    run = Run(make_release(), make_target())
    run.to_shifting()
    run.evidence(Verdict.CLEARED, 100, at=5)
    run.release = replace(run.release, evidence_at=1e9)
    run.see(Tick(60))
    assert run.release.wanted == 10


def test_undecided_evidence_holds_whatever_weight_it_would_allow():
    run = Run(make_release(), make_target())
    run.to_shifting()
    run.evidence(Verdict.UNDECIDED, 100, at=20)
    assert run.release.wanted == 10


def test_evidence_of_one_step_is_not_used_for_the_next_however_near_its_weight():
    steps = (StepSpec(5, 1.0), StepSpec(10, 1.0), StepSpec(15, 1.0))
    run = Run(make_release(replace(ENVIRONMENT, steps=steps)), make_target())
    run.to_shifting()
    run.evidence(Verdict.CLEARED, 100, at=6)
    assert run.release.wanted == 10
    run.confirm(7)
    run.see(Tick(9))
    assert run.release.wanted == 10


def test_evidence_from_before_the_watch_does_not_end_it():
    run = Run(make_release(replace(ENVIRONMENT, ladder=(100,), watch=5.0)), make_target())
    run.to_shifting()
    run.evidence(Verdict.CLEARED, 100, at=15)
    assert run.release.phase is Phase.WATCHING
    run.see(Tick(21))
    assert run.release.phase is Phase.WATCHING


def test_a_write_that_failed_is_asked_for_again_under_a_step_of_its_own():
    run = Run(make_release(), make_target())
    run.to_shifting()
    run.evidence(Verdict.CLEARED, 60, at=15)
    lost = run.writes[-1]
    run.see(EffectFailed(lost.step, "no", 16))
    assert run.writes[-1].shares == lost.shares
    assert run.writes[-1].step != lost.step


def test_a_release_that_ends_before_its_turn_ends_a_workload_that_no_target_names():
    superseded = Run(make_release(), make_target())
    superseded.see(Superseded("rel-3", 1.0))
    assert StopWorkload("wine-v2") in superseded.effects
    warm = Run(make_release(), make_target(previous=replace(STABLE, backend="wine-v2")))
    warm.see(Superseded("rel-3", 1.0))
    assert StopWorkload("wine-v2") not in warm.effects


HELD = replace(ENVIRONMENT, held_back=0.05)


def test_a_share_is_held_back_while_the_rest_is_watched_and_follows_when_it_is_over():
    run = Run(make_release(HELD), make_target())
    run.to_shifting()
    run.evidence(Verdict.CLEARED, 100, at=15)
    assert run.release.wanted == 95
    run.confirm(16)
    run.see(Tick(27))
    assert run.release.phase is Phase.WATCHING
    assert "serves 95 %" in title(run.release)
    run.evidence(Verdict.CLEARED, 100, at=40)
    assert run.release.wanted == 95
    run.evidence(Verdict.CLEARED, 100, at=58)
    assert (run.release.phase, run.release.wanted) == (Phase.SHIFTING, 100)
    run.confirm(59)
    assert (run.release.phase, run.release.proven) == (Phase.PROMOTED, True)
    assert [share.weight for share in run.writes[-1].shares] == [0, 100]


def test_harm_while_a_share_is_held_back_takes_all_of_it_back():
    run = Run(make_release(HELD), make_target())
    run.to_shifting()
    run.evidence(Verdict.CLEARED, 100, at=15)
    run.confirm(16)
    run.see(Tick(27))
    run.evidence(Verdict.HARM, 0, at=30)
    run.confirm(31)
    assert run.release.phase is Phase.ROLLED_BACK


def test_what_is_held_back_does_not_follow_without_evidence():
    run = Run(make_release(HELD), make_target())
    run.to_shifting()
    run.evidence(Verdict.CLEARED, 100, at=15)
    run.confirm(16)
    run.see(Tick(27))
    run.see(Tick(58))
    run.evidence(Verdict.UNDECIDED, 95, at=59)
    run.see(Tick(1000))
    assert (run.release.phase, run.release.wanted) == (Phase.WATCHING, 95)


@pytest.mark.parametrize(
    ("changes", "weights"),
    [
        ({"held_back": 0.05}, [(10, 50, 95), "watch", (100,)]),
        ({"held_back": 0.5}, [(10, 50), "watch", (100,)]),
        ({"held_back": 0.05, "strategy": Strategy.BLUEGREEN}, [(95,), "watch", (100,)]),
        ({"held_back": 0.1, "steps": (StepSpec(5, 9), StepSpec(90, 9))}, [(5,), (90,), "watch", (100,)]),
        ({"held_back": 0.1, "steps": (StepSpec(5, 9), StepSpec(100, 9))}, [(5,), (90,), "watch", (100,)]),
        ({"held_back": 0.1, "steps": (StepSpec(5, 9),)}, [(5,), (90,), "watch", (100,)]),
        ({"steps": (StepSpec(5, 9),)}, [(5,), (100,), "watch"]),
        ({}, [(10, 50, 100), "watch"]),
    ],
)
def test_the_steps_leave_the_share_where_it_is_until_the_end(changes, weights):
    steps = plan(replace(ENVIRONMENT, **changes), first=False)
    assert ["watch" if isinstance(step, Watch) else step.weights for step in steps] == weights
    assert plan(replace(ENVIRONMENT, **changes), first=True)[0].weights == (100,)


def override(run: Run, at: float, reason: str | None = "INC-812", digest: str | None = None) -> None:
    run.see(Command("override", "rel-2", digest, reason, "root", "cli", at))


def test_an_override_lets_the_plan_of_now_go_on_and_is_told_wherever_the_release_is():
    run = waiting_for(2)
    override(run, 5)
    assert run.release.phase is Phase.STARTING
    assert title(run.release).endswith("(rules overridden by root)")
    assert "rules overridden: by root: INC-812" in explanation(run.release)


@pytest.mark.parametrize("how", [{"reason": None}, {"reason": ""}, {"digest": "sha256:" + "0" * 12}])
def test_an_override_without_a_reason_or_of_another_plan_is_none(how):
    run = waiting_for(2)
    override(run, 5, **how)
    assert run.release.phase is Phase.APPROVAL
    assert run.release.override is None


@pytest.mark.parametrize(("at", "phase"), [(3600, Phase.STARTING), (3606, Phase.APPROVAL)])
def test_an_override_ends_by_itself(at, phase):
    run = waiting_for(1)
    run.target = make_target(holder="rel-1")
    override(run, 5)
    assert run.release.phase is Phase.QUEUED
    run.target = make_target()
    run.see(TurnCame(at))
    assert run.effects == [CheckAuthority(run.release.step, "rel-2")]
    run.authorise(at + 1)
    assert run.release.phase is phase


def test_an_override_of_somebody_who_is_no_admin_any_more_when_the_turn_comes_is_none():
    run = waiting_for(1)
    run.target = make_target(holder="rel-1")
    override(run, 5)
    run.target = make_target()
    run.see(TurnCame(9))
    run.see(
        AuthorityChecked(run.release.step, run.release.environment.approvals, (), (), 10, overridden=False)
    )
    assert (run.release.phase, run.release.override) == (Phase.APPROVAL, None)
    approve(run, "bob", 11)
    run.authorise(12)
    assert "rules overridden" not in title(run.release)


def test_an_override_is_for_no_other_plan_than_the_one_of_then():
    run = waiting_for(1)
    run.target = Target("wine/production", holder="rel-1", epoch=1, newest=1)
    override(run, 5)
    run.target = make_target(stable=replace(STABLE, version="v9"))
    run.release = replace(run.release, metrics=(("accuracy", 0.1),))
    run.see(TurnCame(9))
    assert run.release.phase is Phase.APPROVAL


def test_only_an_override_goes_on_under_suspicion_and_harm_still_takes_it_back():
    run = Run(make_release(), make_target())
    run.to_shifting()
    run.evidence(Verdict.SUSPECT, 0, at=15)
    run.see(Command("promote", "rel-2", None, "now", "root", "cli", 16))
    assert run.release.wanted == 10
    override(run, 16, digest="sha256:" + "0" * 12)
    assert (run.release.wanted, run.release.override) == (10, None)
    override(run, 16)
    assert run.release.wanted == 50
    assert "root overrode its rules: INC-812" in run.release.unproven
    run.confirm(17)
    run.evidence(Verdict.HARM, 0, at=18)
    assert run.release.phase is Phase.RESTORING


class Frozen(Run):
    """The same within a freeze until a moment."""

    until = 0.0

    def see(self, event) -> Decision:
        freeze = windows.Frozen(self.until, "the freeze") if event.at < self.until else None
        decision = advance(self.release, self.target, event, "", freeze)
        self.release, self.target = decision.release, decision.target
        self.effects = list(decision.effects)
        self.writes += [e for e in decision.effects if isinstance(e, SetTraffic)]
        return decision


def test_nothing_begins_in_a_freeze_and_it_goes_on_by_itself_when_that_is_over():
    run = Frozen(make_release(), make_target())
    run.until = 50.0
    run.see(ready())
    assert (run.release.phase, run.release.waits) == (Phase.QUEUED, "the freeze")
    assert Wake(50.0) in run.effects
    run.see(TurnCame(20))
    assert (run.release.phase, run.effects) == (Phase.QUEUED, [])
    run.see(TurnCame(50.0))
    assert (run.release.phase, run.release.waits) == (Phase.STARTING, "")


def test_approvals_are_looked_at_once_more_when_the_freeze_is_over():
    run = Frozen(make_release(replace(ENVIRONMENT, approvals=Approvals(1))), make_target())
    run.until = 50.0
    run.see(ready())
    approve(run, "bob", 5)
    assert (run.release.phase, run.release.waits) == (Phase.QUEUED, "the freeze")
    run.see(TurnCame(50.0))
    assert run.effects == [CheckAuthority(run.release.step, "rel-2")]
    run.authorise(51)
    assert run.release.phase is Phase.STARTING


def shifting_in_a_freeze() -> Frozen:
    run = Frozen(make_release(), make_target())
    run.to_shifting()
    run.until = 1000.0
    return run


def test_traffic_does_not_grow_in_a_freeze_and_does_once_it_is_over():
    run = shifting_in_a_freeze()
    run.evidence(Verdict.CLEARED, 100, at=15)
    assert (run.release.wanted, run.release.waits) == (10, "the freeze")
    assert Wake(1000.0) in run.effects
    run.see(Command("promote", "rel-2", None, None, "bob", "cli", 16))
    assert run.release.wanted == 10
    run.evidence(Verdict.CLEARED, 100, at=1001)
    assert (run.release.wanted, run.release.waits) == (100, "")


@pytest.mark.parametrize("how", ["harm", "abort"])
def test_going_back_waits_for_no_freeze(how):
    run = shifting_in_a_freeze()
    if how == "harm":
        run.evidence(Verdict.HARM, 0, at=15)
    else:
        run.see(Command("abort", "rel-2", None, None, "bob", "cli", 15))
    assert run.release.phase is Phase.RESTORING
    run.confirm(16)
    assert run.release.final


def test_a_rollback_by_people_waits_for_no_freeze():
    run = Frozen(make_release(switch=True, steps=(SWITCH,)), make_target())
    run.until = 50.0
    run.see(ready())
    assert run.release.phase is Phase.STARTING


def test_nothing_is_promoted_in_a_freeze():
    run = Frozen(make_release(), make_target())
    run.to_shifting()
    run.evidence(Verdict.CLEARED, 100, at=15)
    run.confirm(16)
    run.see(Tick(30))
    assert run.release.phase is Phase.WATCHING
    run.until = 1000.0
    run.evidence(Verdict.CLEARED, 100, at=90, share=100)
    assert (run.release.phase, run.release.waits) == (Phase.WATCHING, "the freeze")
    run.evidence(Verdict.CLEARED, 100, at=1001, share=100)
    assert run.release.phase is Phase.PROMOTED


def test_a_candidate_that_was_checked_in_a_freeze_gets_traffic_after_it():
    run = Frozen(make_release(), make_target())
    run.see(ready())
    run.see(WorkloadReady(run.release.step, "http://127.0.0.1:2", 2.0))
    run.confirm(2.5)
    run.until = 50.0
    run.see(CheckFinished(run.release.step, "ok", 3.0))
    assert (run.release.phase, run.release.waits) == (Phase.CHECKING, "the freeze")
    run.see(Command("pause", "rel-2", None, None, "bob", "cli", 4))
    run.see(Tick(50.0))
    assert run.release.phase is Phase.CHECKING
    run.see(Command("resume", "rel-2", None, None, "bob", "cli", 51))
    assert (run.release.phase, run.release.waits) == (Phase.SHIFTING, "")


def test_an_override_lets_a_release_begin_in_a_freeze():
    run = Frozen(make_release(), make_target())
    run.until = 5000.0
    run.see(ready())
    override(run, 5)
    assert run.release.phase is Phase.STARTING


@pytest.mark.parametrize("failed", [True, False])
def test_in_a_freeze_an_override_that_is_none_any_more_lets_nothing_begin(failed):
    run = Frozen(make_release(), make_target())
    run.until = 50.0
    run.see(ready())
    run.target = make_target(holder="rel-1")
    override(run, 5)
    run.target = make_target()
    run.see(TurnCame(9))
    step, rule = run.release.step, run.release.environment.approvals
    lost = AuthorityChecked(step, rule, (), ("root: may not",), 10, overridden=False)
    run.see(EffectFailed(step, "the host does not answer", 10) if failed else lost)
    assert (run.release.phase, run.release.waits) == (Phase.QUEUED, "the freeze")


def test_an_override_lets_traffic_grow_in_a_freeze_for_its_hour():
    run = shifting_in_a_freeze()
    run.until = 9000.0
    override(run, 15)
    assert run.release.wanted == 50
    run.confirm(16)
    run.evidence(Verdict.CLEARED, 100, at=27)
    assert run.release.wanted == 100
