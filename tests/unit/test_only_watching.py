"""Where a release is only watched, no effect of its machine changes anything, whatever comes in which order."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from policies import seen_share
from policies.effects import CheckAuthority, Follow, ReportCommit, Wake
from policies.events import (
    Adopted,
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
from policies.guards.increment import Arm, Increment
from policies.place import Place
from policies.release import HOLDING, Cause, Phase, Release, Serving, Target
from policies.rollout import advance
from policies.seen_share import SeenShare
from policies.spec.declaration import Approvals, Environment, Mode
from tests.unit.test_never_fails_open import Machines, environments

PLACE = Place("prod", "ml", None, None, "wine-stable", "wine-canary")
STABLE = Serving("", 0, "", "sha256:1", "wine-stable.ml", "", 0.0)
REGISTERED = Cause("alias", "ann", "git", "c" * 40, "mlflow", ("wine", "2"), "challenger")
WATCHED = Environment(mode=Mode.OBSERVE)


def harmless(effect):
    """A look, a time to look again, and a report that keeps nobody from anything."""
    return isinstance(effect, Wake | Follow | CheckAuthority) or (
        isinstance(effect, ReportCommit) and effect.state == "success"
    )


# --- random walks ---------------------------------------------------------------------------------


class Watched(Machines):
    """The walks of the machine that acts, over releases that are only watched."""

    def add(self, release):
        assume(not release.switch)
        watched = replace(release.environment, mode=Mode.OBSERVE)
        super().add(
            replace(release, environment=watched, place=PLACE, backend="wine-canary.ml", cause=REGISTERED)
        )

    @initialize(environment=environments, steps=st.integers(0, 14))
    def one_release_is_on_its_way(self, environment, steps):
        super().one_release_is_on_its_way(environment, steps)

    @rule(data=st.data(), what=st.sampled_from(["candidate", "candidate", "stable", "gone"]))
    def something_is_seen_behind_the_services(self, data, what):
        name = self.some(data)
        step = data.draw(st.sampled_from([self.releases[name].step] * 3 + ["find-1-1", "gone-1-2", ""]))
        self.see(name, Seen(step, what, self.now))

    @rule(data=st.data())
    def a_newer_one_overtakes(self, data):
        self.see(self.some(data), Overtaken("rel-99", self.now))

    def see(self, name, event):
        done = advance(self.releases[name], self.target, event)
        assert [effect for effect in done.effects if not harmless(effect)] == []
        holder = self.target.holder
        assert done.target.holder in {holder, None, name}
        self.releases[name], self.target = done.release, done.target
        self.effects += [(name, effect) for effect in done.effects]

    def help_on(self, name):
        release = self.releases[name]
        if release.phase in HOLDING:
            what = "candidate" if release.phase is Phase.STARTING else "stable"
            self.see(name, Seen(release.step, what, self.now))
        else:
            super().help_on(name)


@pytest.mark.timeout(300)
def test_no_walk_of_a_watched_release_has_an_effect_that_changes_anything():
    run_state_machine_as_test(
        Watched,
        settings=settings(max_examples=100, stateful_step_count=50, suppress_health_check=list(HealthCheck)),
    )


# --- every event in every phase -------------------------------------------------------------------

verdicts = st.sampled_from(Verdict)
weights = st.sampled_from([0.0, 5.0, 50.0, 100.0, float("nan"), float("inf"), -1.0])
steps = st.sampled_from(["find-1-1", "follow-1-2", "gone-1-3", "traffic-1-1", "check-1", "start-1", ""])
findings = st.builds(
    Finding, st.just("errors"), verdicts, st.just("a rule"), st.just(()), st.none(), st.just(812), st.just("")
)
evidence = st.builds(
    Evidence,
    verdicts,
    st.tuples(findings),
    weights,
    st.sampled_from([1, 2]),
    weights,
    weights | st.none(),
    st.integers(0, 9),
    st.booleans(),
)
verbs = st.sampled_from(["promote", "abort", "pause", "resume", "approve", "reject", "rollback", "retry"])
events = (
    st.builds(VersionReady, st.just("sha256:2"), st.just(()), st.just(9.0))
    | st.builds(VersionFailed, st.just("no"), st.just(9.0))
    | st.builds(Adopted, steps, st.just("b"), st.just("u"), st.just("i"), st.just(9.0))
    | st.builds(WorkloadReady, steps, st.just("u"), st.just(9.0))
    | st.builds(CheckFinished, steps, st.just("ok"), st.just(9.0))
    | st.builds(TrafficObserved, steps, st.sampled_from([1, 2]), weights, st.just(9.0))
    | st.builds(EvidenceChanged, evidence, st.just(9.0))
    | st.builds(EffectFailed, steps, st.just("no"), st.just(9.0))
    | st.builds(Waits, steps, st.just("no pod"), st.just(9.0))
    | st.builds(Seen, steps, st.sampled_from(["candidate", "stable", "gone"]), st.just(9.0))
    | st.builds(Drifted, st.just("90/10"), st.just(9.0))
    | st.builds(Tick, st.sampled_from([9.0, 1e9]))
    | st.just(TurnCame(9.0))
    | st.just(Superseded("rel-9", 9.0))
    | st.just(Overtaken("rel-9", 9.0))
    | st.builds(
        Command, verbs, st.just("rel-2"), st.none(), st.none(), st.just("bob"), st.just("cli"), st.just(9.0)
    )
)


@settings(max_examples=800)
@given(
    phase=st.sampled_from(Phase),
    step=steps,
    event=events,
    batch=st.booleans(),
    approvals=st.sampled_from([0, 1]),
    held=st.booleans(),
    weight=st.sampled_from([0.0, 50.0, 100.0]),
)
def test_no_event_in_any_phase_has_an_effect_that_changes_anything(
    phase, step, event, batch, approvals, held, weight
):
    environment = replace(WATCHED, approvals=Approvals(count=approvals))
    release = Release(
        "rel-2", 2, "wine", "wine/production", environment, "v2", "wine-canary.ml", REGISTERED,
        phase=phase, step=step, epoch=1, batch=batch, image="sha256:2", wanted=weight, observed=weight,
        place=PLACE,
    )  # fmt: skip
    target = Target("wine/production", 1, "rel-2" if held else None, 1, STABLE, STABLE, PLACE)
    done = advance(release, target, event)
    assert [effect for effect in done.effects if not harmless(effect)] == []


def test_harm_is_said_once_with_its_moment_and_its_requests_and_stays():
    release = replace(
        Release("rel-2", 2, "wine", "wine/production", WATCHED, "v2", "wine-canary.ml", REGISTERED),
        phase=Phase.SHIFTING,
        epoch=1,
        observed=10.0,
    )
    target = Target("wine/production", 1, "rel-2", 2, STABLE, None, PLACE)
    harm = Finding("errors", Verdict.HARM, "errors may not be more", (), None, 812, "")
    found = Evidence(Verdict.HARM, (harm,), 10.0, 1, 0.0, 10.0, 3, current=True)
    after = advance(release, target, EvidenceChanged(found, 50_580.0)).release
    assert (
        after.would
        == "would have rolled back at 14:03:00 UTC, after 812 requests: errors: errors may not be more"
    )
    better = replace(found, verdict=Verdict.CLEARED, allowed=100.0, sequence=4)
    assert advance(after, target, EvidenceChanged(better, 50_590.0)).release.would == after.would


# --- the weight that counters show ----------------------------------------------------------------


def after(share, mine, theirs, seconds=1.0):
    stable = None if theirs is None else Arm(theirs, 0.0)
    return seen_share.after(share, Increment(1, 0.0, seconds, 0.0, Arm(mine, 0.0), stable))


def seen(*intervals):
    share = SeenShare()
    for mine, theirs in intervals:
        share = after(share, mine, theirs)
    return share.weight


def test_the_first_request_of_a_candidate_is_a_weight():
    assert seen((0, 50), (0, 50)) == 0
    assert seen((0, 50), (5, 45)) > 0


def test_the_weight_follows_where_it_is_moved_to_and_stands_where_it_stands():
    assert seen(*[(0, 100)] * 3, *[(10, 90)] * 20) == 10
    assert seen(*[(10, 90)] * 20, *[(40, 60)] * 20) == 40
    assert seen(*[(10, 90)] * 20, *[(0, 100)] * 20) == 0
    assert seen(*[(10, 90)] * 20, *[(100, 0)] * 20) == 100
    jitter = [(10 + n % 5 - 2, 90 - n % 5 + 2) for n in range(60)]
    assert seen(*[(10, 90)] * 20, *jitter) == 10


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=60))
def test_the_weight_is_a_percentage_and_none_only_without_a_request_of_the_candidate(intervals):
    share = SeenShare()
    for mine, theirs in intervals:
        before, share = share, after(share, float(mine), float(theirs))
        assert 0 <= share.weight <= 100
        if before.weight == 0 and mine > 0:
            assert share.weight > 0
