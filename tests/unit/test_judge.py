"""The whole judgement: never cleared without data, never wrong by noise, exact when replayed."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.evidence import Verdict
from policies.guards import state as states
from policies.guards.findings.standing import SUSPECT
from policies.guards.heartbeat import Alive
from policies.guards.increment import Arm, Gap, Increment
from policies.guards.judge import Judge
from policies.guards.noise import Noise
from policies.guards.plan import History
from policies.spec.declaration import Environment, Guard, GuardKind, StepSpec
from tests.unit.guard_worlds import BOUNDS, ENVIRONMENT, GUARDS, World, intervals, judged

JUDGE = Judge.of(ENVIRONMENT)
QUIET = {"errors": Noise(1.0, 0.03, provisional=False), "latency": Noise(1.0, 0.03, provisional=False)}
any_number = st.one_of(st.floats(), st.floats(-10, 100), st.sampled_from([0.0, 1.0, 1e300, -1.0]))
any_arm = st.builds(Arm, any_number, any_number, st.lists(any_number, max_size=6).map(tuple))
any_increment = st.builds(
    Increment,
    st.integers(0, 5),
    any_number,
    any_number,
    any_number,
    any_arm,
    st.none() | any_arm,
    st.just(BOUNDS),
)
any_gap = st.builds(Gap, st.integers(0, 5), any_number, st.just("why"), st.booleans())


@settings(max_examples=60)
@given(st.lists(any_increment | any_gap, max_size=6))
def test_absurd_numbers_never_raise_and_never_clear(rows):
    state = JUDGE.start(0.0)
    for row in rows:
        state = JUDGE.observe(state, row)
        found = JUDGE.evidence(state, epoch=1)
        assert json.loads(json.dumps(states.to_json(state), allow_nan=False))
        if state.candidate.requests == 0:
            assert found.verdict is not Verdict.CLEARED
            assert found.allowed == 0


@settings(max_examples=30)
@given(st.integers(0, 99), st.sampled_from([0.0, 5.0, 100.0]), st.integers(0, 30))
def test_replay_from_stored_increments_gives_the_same_bits(seed, weight, cut):
    rows = intervals(World(0.01, 0.02, 100, weight), 30, seed)
    whole = judged(JUDGE, rows)
    half = judged(JUDGE, rows[:cut])
    stored = states.from_json(json.loads(json.dumps(states.to_json(half))))
    assert stored == half
    assert stored.harm or judged(JUDGE, rows[cut:], stored) == whole


def test_an_increment_is_bet_on_once():
    rows = intervals(World(0.01, 0.02, 100, 5), 3, 1)
    once = judged(JUDGE, rows)
    assert judged(JUDGE, rows, once) == once


@pytest.mark.parametrize("weight", [0.0, 5.0, 100.0])
def test_no_data_is_undecided_and_allows_nothing(weight):
    state = JUDGE.start(0.0)
    for found in (
        JUDGE.evidence(state, epoch=1),
        JUDGE.evidence(
            JUDGE.observe(state, Increment(0, 1.0, 1.0, weight, Arm(0, 0), Arm(0, 0), ())), epoch=1
        ),
    ):
        assert found.verdict is Verdict.UNDECIDED
        assert found.allowed == 0
        assert found.share is None


def test_a_good_version_is_cleared_and_its_weight_may_grow():
    found = JUDGE.evidence(judged(JUDGE, intervals(World(0.001, 0.001, 400, 5), 120, 1)), epoch=3)
    assert found.verdict is Verdict.CLEARED
    assert found.allowed > 5
    assert found.epoch == 3
    assert found.share == pytest.approx(5, abs=1)
    assert {f.guard for f in found.findings} == {"errors", "latency", "alive", "share", "risk"}


def test_old_numbers_and_gaps_hold_what_was_cleared():
    state = judged(JUDGE, intervals(World(0.001, 0.001, 400, 5), 120, 1))
    stale = JUDGE.evidence(state, epoch=1, at=state.at + 60)
    gap = JUDGE.evidence(JUDGE.observe(state, Gap(500, 121.0, "no answer", silent=True)), epoch=1)
    for found in (stale, gap):
        assert found.verdict is Verdict.UNDECIDED
        assert found.allowed <= 5


@pytest.mark.parametrize(("weight", "rate"), [(1.0, 1000), (5.0, 200)])
def test_five_percent_of_errors_cost_at_most_eight_failed_requests(weight, rate):
    """0 % to 5 % at ten requests a second on the candidate, all guards, provisional noise."""
    ends = [judged(JUDGE, intervals(World(0.0, 0.05, rate, weight), 60, seed)) for seed in range(25)]
    assert all(end.harm == ("errors",) for end in ends)
    assert np.median([end.candidate.errors for end in ends]) <= 8
    assert np.median([end.candidate.requests for end in ends]) <= 120


def test_equal_versions_are_not_rolled_back():
    judge = Judge.of(replace(ENVIRONMENT, guards=GUARDS[:2]), noise=QUIET)
    ends = [judged(judge, intervals(World(0.02, 0.02, 300, 10), 60, seed)) for seed in range(60)]
    assert sum(bool(end.harm) for end in ends) <= 1


def test_a_slower_version_is_found_by_all_its_durations():
    slow = World(0.0, 0.0, 200, 10, slow=(0.4, 0.3, 0.25, 0.04, 0.01))
    end = judged(JUDGE, intervals(slow, 120, 1))
    assert end.harm == ("latency",)
    assert end.distributions[0].bound == 0.3
    said = next(f for f in JUDGE.evidence(end, epoch=1).findings if f.guard == "latency")
    assert said.rule == "the candidate must not be slower than stable"


def test_a_slower_version_is_found_by_one_bound():
    slow = World(0.0, 0.0, 200, 10, slow=(0.4, 0.3, 0.25, 0.04, 0.01))
    judge = Judge.of(Environment(guards=(Guard("latency", GuardKind.LATENCY, slower_than=0.3),)))
    assert judged(judge, intervals(slow, 120, 1)).harm == ("latency",)


def test_a_bound_that_the_router_does_not_count_is_named():
    guards = (Guard("latency", GuardKind.LATENCY, slower_than=0.4),)
    judge = Judge.of(Environment(guards=guards))
    found = judge.evidence(judged(judge, intervals(World(0, 0, 200, 10), 60, 1)), epoch=1)
    assert found.verdict is Verdict.UNDECIDED
    assert "0.1, 0.3, 1.2, 5" in found.findings[0].needed


def test_alone_without_history_or_limit_nothing_is_cleared():
    found = JUDGE.evidence(judged(JUDGE, intervals(World(0, 0, 500, 100), 60, 1)), epoch=1)
    assert found.verdict is Verdict.UNDECIDED
    assert "limit" in next(f for f in found.findings if f.guard == "slo").needed


def test_alone_the_limit_comes_from_stables_history():
    judge = Judge.of(ENVIRONMENT, history=History(10_000, 3))
    good = judge.evidence(judged(judge, intervals(World(0, 0.0003, 100, 100), 60, 1)), epoch=1)
    assert good.verdict is Verdict.CLEARED
    assert good.allowed == 100
    bad = judge.evidence(judged(judge, intervals(World(0, 0.05, 20, 100), 60, 1)), epoch=1)
    assert bad.verdict is Verdict.HARM
    assert bad.allowed == 0


def test_a_limit_that_stable_breaks_too_holds_and_blames_nobody():
    guards = (Guard("hard", GuardKind.SLO, limit=0.01),)
    judge = Judge.of(Environment(guards=guards))
    state = judged(judge, intervals(World(0.1, 0.1, 400, 10), 60, 1))
    found = judge.evidence(state, epoch=1)
    assert not state.harm
    assert found.verdict is Verdict.SUSPECT
    assert found.allowed <= 10


def test_a_shared_incident_is_not_the_candidates_fault():
    rows = [*intervals(World(0.001, 0.001, 400, 10), 60, 1), *intervals(World(0.2, 0.2, 400, 10), 20, 2, 60)]
    assert not judged(JUDGE, rows).harm


def test_harm_stays_harm():
    state = judged(JUDGE, intervals(World(0.0, 0.2, 200, 5), 60, 1))
    state = judged(JUDGE, intervals(World(0.0, 0.0, 200, 5), 1, 1, 90), state)
    assert JUDGE.evidence(state, epoch=1).verdict is Verdict.HARM


WARMING = Judge.of(ENVIRONMENT, warmup=30, noise=QUIET)


def test_while_it_is_cold_a_version_is_held_and_only_a_storm_takes_it_back():
    cold = judged(WARMING, intervals(World(0.01, 0.03, 400, 10), 29, 4))
    found = WARMING.evidence(cold, epoch=1)
    assert cold.comparisons[0].log_peak > SUSPECT
    assert not cold.harm
    assert found.verdict is Verdict.SUSPECT
    assert 0 < found.allowed <= 10
    warm = judged(WARMING, intervals(World(0.01, 0.01, 2000, 10), 60, 2, 31), cold)
    assert warm.comparisons[0].log_e < SUSPECT
    assert warm.candidate.requests < 61 * 200 * 1.1, "what was counted while it was cold is no evidence"
    assert WARMING.evidence(warm, epoch=1).verdict is Verdict.CLEARED
    storm = judged(WARMING, intervals(World(0.001, 0.05, 200, 10), 29, 1))
    assert storm.harm == ("warm-up",)
    found = WARMING.evidence(storm, epoch=1)
    assert found.verdict is Verdict.HARM
    rule = next(one.rule for one in found.findings if one.guard == "warm-up")
    assert rule == "while it warms up the candidate must not fail more than 2 times as often as stable"


def test_what_a_warm_candidate_showed_in_its_warm_up_stays_counted_but_bets_begin_anew():
    before = judged(WARMING, intervals(World(0.01, 0.01, 400, 10), 30, 7))
    assert max(before.comparisons[0].log_peak, before.distributions[0].log_peak) < SUSPECT
    after = judged(WARMING, intervals(World(0.01, 0.01, 400, 10), 2, 5, 31), before)
    assert after.comparisons[0].seconds == pytest.approx(1.0, abs=1.0)
    assert after.candidate.requests > before.candidate.requests > 0
    assert after.comparisons[0].requests > before.comparisons[0].requests
    assert after.distributions[0].past != ()


def test_a_version_that_stays_bad_is_taken_back_after_its_warm_up():
    rows = intervals(World(0.01, 0.03, 400, 10), 120, 4)
    assert not judged(WARMING, rows[:30]).harm
    assert "errors" in judged(WARMING, rows).harm


def test_the_last_weight_waits_for_the_end_of_the_warm_up():
    state = judged(WARMING, intervals(World(0.001, 0.001, 4000, 75), 20, 4))
    found = WARMING.evidence(state, epoch=1)
    assert found.allowed == 75
    needed = next(one.needed for one in found.findings if one.guard == "risk")
    assert needed.startswith("the end of the warm-up, in ")
    early = judged(WARMING, intervals(World(0.001, 0.001, 4000, 10), 20, 4))
    assert WARMING.evidence(early, epoch=1).verdict is Verdict.CLEARED
    assert 10 < WARMING.evidence(early, epoch=1).allowed <= 75


def test_without_stable_beside_it_a_cold_version_may_fail_one_request_in_five():
    judge = Judge.of(ENVIRONMENT, warmup=30, history=History(10_000, 3))
    assert not judged(judge, intervals(World(0.0, 0.1, 200, 100), 29, 1)).harm
    assert judged(judge, intervals(World(0.0, 0.9, 200, 100), 29, 1)).harm == ("warm-up",)
    assert "slo" in judged(judge, intervals(World(0.0, 0.1, 200, 100), 60, 1)).harm


def test_silence_and_restarts_are_harm_without_any_statistics():
    state = JUDGE.start(0.0)
    for number in range(70):
        state = JUDGE.observe(state, Gap(number, float(number + 1), "no answer", silent=True))
    assert state.harm == ("alive",)
    assert "no numbers of it for 70 s; 60 s are allowed" in said_by("alive", state)
    state = JUDGE.observe(JUDGE.start(0.0), intervals(World(0, 0, 10, 5), 1, 1)[0], Alive(restarts=3))
    assert state.harm == ("alive",)
    assert said_by("alive", state) == "it ended and came back 3 times; 2 restarts are allowed"


def test_how_a_version_ended_and_which_pods_are_not_ready_is_told_in_words():
    row, oom = intervals(World(0, 0, 10, 5), 1, 1)[0], "used more memory than its limit"
    state = JUDGE.observe(JUDGE.start(0.0), row, Alive(3, answers=True, ended=oom))
    assert said_by("alive", state) == (
        "it ended and came back 3 times (the last time it used more memory than its limit); 2 restarts are allowed"
    )
    state = JUDGE.observe(JUDGE.start(0.0), row, Alive(1, True, oom, "1 of 2 pods are ready"))
    assert not state.harm
    assert said_by("alive", state).endswith(
        "at most 2 restarts; it came back 1 times (the last time it used more memory than its limit);"
        " 1 of 2 pods are ready"
    )
    for number in range(70):
        gone = Alive(answers=False, unwell="restarting: it used more memory than its limit, 4 times")
        state = JUDGE.observe(state, replace(row, sequence=number + 1, at=row.at + number + 1), gone)
    assert said_by("alive", state).startswith(
        "no answer from it for 70 s (restarting: it used more memory than its limit, 4 times); 60 s are allowed"
    )


def said_by(guard, state):
    """The rule that people read of a guard's finding."""
    return next(one.rule for one in JUDGE.evidence(state, epoch=1).findings if one.guard == guard)


def test_a_wrong_split_is_suspect_but_never_harm():
    rows = [replace(row, weight=40.0) for row in intervals(World(0, 0, 200, 5), 60, 1)]
    state = judged(JUDGE, rows)
    assert not state.harm
    assert JUDGE.evidence(state, epoch=1).verdict is Verdict.SUSPECT


def test_a_guard_that_nobody_feeds_holds_and_never_passes():
    guards = (*GUARDS, Guard("accuracy", GuardKind.LABELS, labels="warehouse.labels", drop=0.01))
    judge = Judge.of(replace(ENVIRONMENT, guards=guards), history=History(10_000, 3))
    for weight in (5.0, 100.0):
        found = judge.evidence(judged(judge, intervals(World(0, 0, 400, weight), 120, 1)), epoch=1)
        assert found.verdict is Verdict.UNDECIDED
        assert found.allowed <= weight


def test_a_share_held_back_on_stable_lets_the_watch_compare():
    judge = Judge.of(replace(ENVIRONMENT, held_back=0.1))
    found = judge.evidence(judged(judge, intervals(World(0.001, 0.001, 500, 90), 400, 1)), epoch=1)
    assert found.verdict is Verdict.CLEARED
    assert found.allowed == 100


def test_weights_of_fixed_steps_are_rungs_too():
    environment = replace(ENVIRONMENT, ladder=(1, 100), steps=(StepSpec(30, 60), StepSpec(60, 60)))
    assert Judge.of(environment).plan.ladder == (1, 30, 60, 100)


def test_a_threshold_says_that_it_guarantees_nothing():
    guards = (Guard("legacy", GuardKind.THRESHOLD, limit=0.01),)
    judge = Judge.of(Environment(guards=guards))
    state = judged(judge, intervals(World(0.05, 0.05, 100, 10), 400, 1))
    assert state.harm == ("legacy",)
    finding = next(f for f in judge.evidence(state, epoch=1).findings if f.guard == "legacy")
    assert "no error guarantee" in finding.rule


def test_evidence_is_plain_json_numbers():
    found = JUDGE.evidence(judged(JUDGE, intervals(World(0.01, 0.2, 300, 10), 30, 1)), epoch=1)
    for finding in found.findings:
        assert finding.needed
        assert finding.rule
        assert all(type(value) is float and math.isfinite(value) for _, value in finding.numbers)
        assert finding.interval is None or all(map(math.isfinite, finding.interval))


def test_what_stable_served_beside_the_candidate_stands_in_for_a_history_that_it_has_not():
    together = judged(JUDGE, intervals(World(0.0, 0.0, 100, 50), 10, 1))
    alone = judged(JUDGE, intervals(World(0.0, 0.0, 100, 100), 20, 2, first=10), together)
    found = JUDGE.evidence(alone, epoch=1)
    assert found.verdict is Verdict.CLEARED
    assert next(f for f in found.findings if f.guard == "slo").interval is not None
    bad = judged(JUDGE, intervals(World(0.0, 0.3, 100, 100), 20, 2, first=10), together)
    assert JUDGE.evidence(bad, epoch=1).verdict is Verdict.HARM


def test_without_a_history_and_without_stable_beside_it_nothing_is_cleared():
    alone = judged(JUDGE, intervals(World(0.0, 0.0, 100, 100), 60, 2))
    assert JUDGE.evidence(alone, epoch=1).verdict is Verdict.UNDECIDED


def test_without_a_request_to_the_candidate_its_weight_waits_for_one():
    idle = JUDGE.observe(JUDGE.start(0.0), Increment(0, 1.0, 1.0, 5.0, Arm(0, 0), Arm(95, 0), ()))
    risk = next(f for f in JUDGE.evidence(idle, epoch=1).findings if f.guard == "risk")
    assert "requests to the candidate" in risk.needed
