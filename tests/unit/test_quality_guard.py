"""True labels and scores: what is found, what waits, and what must never follow from them."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.evidence import Verdict
from policies.guards import allowed, drift, fed, labelled, quality
from policies.guards import state as states
from policies.guards.drift import Scored
from policies.guards.increment import Gap
from policies.guards.judge import Judge
from policies.guards.labelled import Cohort, Labelled, Pairs
from policies.guards.plan import History
from policies.spec.declaration import Environment, Guard, GuardKind, Strategy
from tests.unit.guard_worlds import ENVIRONMENT, GUARDS, World, intervals, judged

HOUR = 3600.0
ACCURACY = Guard("accuracy", GuardKind.LABELS, labels="warehouse.labels", within=HOUR, drop=0.0)
SCORES = Guard("scores", GuardKind.DRIFT, query="model_score_bucket")
SHADOW = Environment(strategy=Strategy.SHADOW, guards=(ACCURACY,))


def paired(only_candidate, only_stable, *, runs, batches=100, drop=0.0, seed=1):
    """(share of runs with E >= 100, median of labelled pairs until then); 30 pairs every 3 seconds."""
    dice, found = np.random.default_rng(seed), []
    for _ in range(runs):
        state = quality.start(0.0)
        for batch in range(batches):
            c, s, both, _ = dice.multinomial(30, [only_candidate, only_stable, 0.065, 0.9])
            state = quality.hear_pairs(state, Pairs(30, c, s, both), at=3.0 * batch, drop=drop)
            if state.log_e >= math.log(100):
                break
        found.append(state.labels if state.log_e >= math.log(100) else math.inf)
    return np.mean(np.isfinite(found)), np.median(found)


def test_two_percent_less_accuracy_is_found_from_pairs():
    found, labels = paired(0.035, 0.015, runs=80)
    assert found > 0.9
    assert labels <= 1500


def test_versions_that_differ_as_often_either_way_are_not_blamed():
    found, _ = paired(0.05, 0.05, runs=150, batches=60)
    assert found <= 0.02


def test_a_loss_that_is_tolerated_is_not_blamed():
    found, _ = paired(0.025, 0.015, drop=0.02, runs=60, batches=60)
    assert found == 0


@given(st.floats(0, 0.3), st.floats(0, 0.3), st.floats(0, 0.2), st.floats(0.02, 0.98), st.integers(1, 9))
def test_no_bet_on_a_cohort_gains_while_the_loss_is_tolerated(p, more, drop, share, size):
    """The formula's promise, computed: expectation over all outcomes of a small cohort."""
    n = max(1, min(size, round(share * 10)))
    m = max(1, 10 - n)
    q = min(1.0, p + min(more, drop))  # the candidate's rate, at most `drop` above stable's

    def chance(count, of, rate):
        return math.comb(of, count) * rate**count * (1 - rate) ** (of - count)

    gains = np.zeros(len(quality.LIFTS))
    for x in range(n + 1):
        for y in range(m + 1):
            won = quality.cohort_gains(Cohort(0.0, n, x, m, y), drop)
            gains += chance(x, n, q) * chance(y, m, p) * np.exp(won)
    assert (gains <= 1 + 1e-9).all()


@given(st.floats(0, 0.3), st.floats(0, 0.3), st.floats(0, 0.2))
def test_no_bet_on_a_pair_gains_while_the_loss_is_tolerated(only_stable, extra, drop):
    only_candidate = min(only_stable + min(extra, drop), 1 - only_stable)
    same = max(0.0, 1 - only_stable - only_candidate)
    gains = (
        only_candidate * np.exp(quality.pair_gains(Pairs(1, 1, 0, 0), drop))
        + only_stable * np.exp(quality.pair_gains(Pairs(1, 0, 1, 0), drop))
        + same * np.exp(quality.pair_gains(Pairs(1, 0, 0, 0), drop))
    )
    assert (gains <= 1 + 1e-9).all()


def hours(count, wrong, *, seed=1):
    """Cohorts of one hour, 100 labels of the candidate and 900 of stable each."""
    dice = np.random.default_rng(seed)
    return tuple(
        Cohort(HOUR * (i + 1), 100, float(dice.binomial(100, wrong)), 900, float(dice.binomial(900, 0.08)))
        for i in range(count)
    )


def test_a_cohort_counts_once_and_only_when_its_time_for_labels_is_over():
    rows = hours(3, 0.08)
    state = quality.start(0.0)
    young = quality.hear_cohorts(state, rows, at=1.5 * HOUR, within=HOUR, drop=0.0, burst=1.0)
    assert (young.labels, young.waiting, young.ripe_at) == (0, 300, 2 * HOUR)
    assert young.log_e == 0
    ripe = quality.hear_cohorts(young, rows, at=3 * HOUR, within=HOUR, drop=0.0, burst=1.0)
    assert (ripe.labels, ripe.waiting, ripe.counted) == (200, 100, 2 * HOUR)
    again = quality.hear_cohorts(ripe, rows, at=3 * HOUR, within=HOUR, drop=0.0, burst=1.0)
    assert again == ripe


def test_a_label_that_comes_in_time_is_counted_to_its_cohort_and_a_later_one_not_at_all():
    late = Cohort(HOUR, 120, 20, 900, 70)
    early = replace(late, labels=60)
    state = quality.hear_cohorts(quality.start(0.0), (early,), at=HOUR, within=HOUR, drop=0.0, burst=1.0)
    state = quality.hear_cohorts(state, (late,), at=2 * HOUR, within=HOUR, drop=0.0, burst=1.0)
    assert state.labels == 120
    too_late = replace(late, labels=500, wrong=500)
    assert quality.hear_cohorts(state, (too_late,), at=3 * HOUR, within=HOUR, drop=0.0, burst=1.0) == state


def late(judge, state, rows, at):
    return judge.observe(state, Labelled(state.sequence + 1, at, "accuracy", cohorts=rows))


JUDGE = Judge.of(replace(ENVIRONMENT, guards=(*GUARDS, ACCURACY)), history=History(10_000, 3))


def test_worse_answers_are_harm_days_later_though_all_counters_are_well():
    good = judged(JUDGE, intervals(World(0.001, 0.001, 400, 5), 60, 1))
    state = good
    for day in range(1, 20):
        state = late(JUDGE, state, hours(40, 0.14), day * 2 * HOUR)
    assert state.harm == ("accuracy",)
    found = JUDGE.evidence(state, epoch=1)
    assert found.verdict is Verdict.HARM
    said = next(f for f in found.findings if f.guard == "accuracy")
    assert "wrong answers of the candidate" in said.rule
    assert said.interval[0] > 0


def test_without_labels_and_while_they_are_too_young_the_weight_is_held():
    good = judged(JUDGE, intervals(World(0.001, 0.001, 400, 5), 120, 1))
    for state in (good, late(JUDGE, good, hours(1, 0.0), 1.2 * HOUR)):
        found = JUDGE.evidence(state, epoch=1)
        assert found.verdict is Verdict.UNDECIDED
        assert found.allowed <= 5
        assert "labels" in next(f for f in found.findings if f.guard == "accuracy").needed
    young = JUDGE.evidence(late(JUDGE, good, hours(1, 0.0), 1.2 * HOUR), epoch=1)
    assert "100 labels came" in next(f for f in young.findings if f.guard == "accuracy").needed


def test_the_labels_that_are_asked_for_are_those_that_the_next_weight_takes():
    state = judged(JUDGE, intervals(World(0.001, 0.001, 400, 5), 120, 1))
    state = late(JUDGE, state, hours(1, 0.2), 30 * HOUR)
    found = JUDGE.evidence(state, epoch=1, at=state.at)
    assert found.allowed == 5, "they do not do for more than there is"
    needed = next(f for f in found.findings if f.guard == "accuracy").needed
    more = int(needed.split()[1])
    assert more > 1
    one = state.qualities[0]
    for extra, enough in ((more - 1, False), (more, True)):
        then = replace(state, qualities=(replace(one, labels=one.labels + extra),))
        assert (
            allowed.of_quality(JUDGE.plan, JUDGE.plan.qualities[0], then.qualities[0]).allowed > 5
        ) is enough


def test_labels_that_are_well_let_the_weight_grow():
    state = judged(JUDGE, intervals(World(0.001, 0.001, 400, 5), 120, 1))
    state = late(JUDGE, state, hours(30, 0.08), 40 * HOUR)
    found = JUDGE.evidence(state, epoch=1, at=state.at)
    assert found.verdict is Verdict.CLEARED
    assert found.allowed > 5


def test_news_of_labels_do_not_make_old_counters_new():
    state = judged(JUDGE, intervals(World(0.001, 0.001, 400, 5), 60, 1))
    state = JUDGE.observe(state, Gap(70, 61.0, "no answer", silent=True))
    after = late(JUDGE, state, hours(30, 0.08), 40 * HOUR)
    assert (after.gap, after.at) == ("no answer", 61.0)
    assert JUDGE.evidence(after, epoch=1).verdict is Verdict.UNDECIDED


def test_shadow_pairs_decide_before_any_user_sees_the_candidate():
    judge = Judge.of(SHADOW)

    def heard(only_candidate, count):
        state = judge.start(0.0)
        for number in range(count):
            pairs = Pairs(100, only_candidate, 1, 7)
            state = judge.observe(state, Labelled(number, 10.0 * number, "accuracy", pairs))
        return judge.evidence(state, epoch=1)

    assert heard(1, 0).verdict is Verdict.UNDECIDED
    assert heard(1, 2).verdict is Verdict.UNDECIDED
    assert heard(1, 100).verdict is Verdict.CLEARED
    assert heard(4, 40).verdict is Verdict.HARM


odd = st.one_of(st.floats(), st.floats(-5, 200), st.sampled_from([0.0, 1.0, 1e300]))
any_pairs = st.builds(Pairs, odd, odd, odd, odd)
any_cohort = st.builds(Cohort, odd, odd, odd, odd, odd)
bins = st.lists(odd, max_size=4).map(tuple)
any_news = st.builds(
    Labelled,
    st.integers(0, 9),
    odd,
    st.sampled_from(["accuracy", "other"]),
    st.none() | any_pairs,
    st.lists(any_cohort, max_size=3).map(tuple),
) | st.builds(Scored, st.integers(0, 9), odd, st.just("scores"), bins, bins)


@settings(max_examples=40)
@given(st.lists(any_news, max_size=6), st.sampled_from([Strategy.SHADOW, Strategy.CANARY]))
def test_absurd_labels_never_raise_never_clear_and_are_kept_exactly(rows, strategy):
    judge = Judge.of(Environment(strategy=strategy, guards=(ACCURACY, SCORES)))
    state = judge.start(0.0)
    for row in rows:
        before = states.from_json(json.loads(json.dumps(states.to_json(state), allow_nan=False)))
        assert before == state
        if not isinstance(row, Labelled) or labelled.wrong_with(row) is None:
            assert repr(fed.from_json(fed.to_json(row))) == repr(row)
        state = judge.observe(before, row)
        found = judge.evidence(state, epoch=1)
        if not any(one.labels for one in state.qualities):
            assert found.verdict is Verdict.UNDECIDED


def test_the_sum_of_shadow_and_late_labels_is_refused_where_it_cannot_be():
    assert labelled.wrong_with(Labelled(0, 0.0, "a", Pairs(10, 5, 5, 1))) == "more wrong answers than labels"
    assert labelled.wrong_with(Labelled(0, 0.0, "a", cohorts=(Cohort(0, 1, 2, 1, 0),)))
    assert labelled.wrong_with(Labelled(0, 0.0, "a", cohorts=(Cohort(0, 2, 1, 1, 0),))) is None


FULL = Judge.of(replace(ENVIRONMENT, guards=(*GUARDS, ACCURACY, SCORES)), history=History(10_000, 3))


def everything(seed):
    """Counters, a gap, labels and scores of one rollout, in their order."""
    rows = intervals(World(0.01, 0.02, 200, 10), 12, seed)
    rows[4] = Gap(4, 5.0, "the router's counters started again", silent=False)
    news = [Labelled(12, 2 * HOUR, "accuracy", cohorts=hours(2, 0.1, seed=seed))]
    news += [replace(row, sequence=13 + row.sequence) for row in scored(0.5, seconds=3, seed=seed)[1]]
    return [*rows, *news, *intervals(World(0.01, 0.02, 200, 10), 6, seed + 1, first=16)]


@settings(max_examples=10)
@given(st.integers(0, 50), st.integers(0, 21), st.lists(st.integers(0, 21), max_size=4))
def test_all_kinds_replay_to_the_same_bits_whatever_comes_twice_or_late(seed, cut, again):
    rows = everything(seed)
    whole = FULL.start(0.0)
    for row in rows:
        whole = FULL.observe(whole, row)
    state = FULL.start(0.0)
    for number, row in enumerate(rows):
        state = FULL.observe(state, fed.from_json(json.loads(json.dumps(fed.to_json(row)))))
        if number == cut:
            state = states.from_json(json.loads(json.dumps(states.to_json(state))))
            for old in again:
                state = FULL.observe(state, rows[min(old, number)])
    assert state == whole


@settings(max_examples=10)
@given(st.integers(0, 50), st.floats(-1e6, 1e6))
def test_a_step_of_the_clock_blames_nobody(seed, step):
    rows = intervals(World(0.01, 0.01, 200, 10), 20, seed)
    stepped = [*rows[:10], *(replace(row, at=row.at + step) for row in rows[10:])]
    plain, moved = judged(FULL, rows), judged(FULL, stepped)
    assert not moved.harm
    assert moved.candidate == plain.candidate


# --- drift -----------------------------------------------------------------------------------


def scored(shift, *, seconds=200, seed=1, judge=None):
    """Ten bins of a normal score, 10 of the candidate's and 90 of stable's each second."""
    edges = np.array([-math.inf, *np.linspace(-2, 2, 9), math.inf])
    below = [0.5 * (1 + math.erf(e / math.sqrt(2))) for e in edges]
    moved = [0.5 * (1 + math.erf((e - shift) / math.sqrt(2))) for e in edges]
    dice, state = np.random.default_rng(seed), drift.DriftState()
    rows = []
    for at in range(seconds):
        x, y = dice.multinomial(10, np.diff(moved)), dice.multinomial(90, np.diff(below))
        rows.append(Scored(at, float(at), "scores", tuple(map(float, x)), tuple(map(float, y))))
        state = drift.update(state, rows[-1])
    return state, rows


def test_a_shift_of_scores_is_seen_and_none_is_not():
    assert scored(0.5)[0].log_peak >= drift.ALARM
    assert drift.distance(scored(0.5)[0]) > 0.1
    quiet = [scored(0.0, seed=seed)[0] for seed in range(20)]
    assert not any(state.log_peak >= drift.ALARM for state in quiet)
    assert np.median([drift.distance(state) for state in quiet]) < 0.01


@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_drift_is_shown_and_nothing_follows_from_it(shift):
    plain = Judge.of(ENVIRONMENT)
    judge = Judge.of(replace(ENVIRONMENT, guards=(*GUARDS, SCORES)))
    counters = intervals(World(0.001, 0.001, 400, 5), 120, 1, first=500)
    state = judge.start(0.0)
    for row in scored(shift)[1]:
        state = judge.observe(state, row)
    found = judge.evidence(judged(judge, counters, state), epoch=1)
    without = plain.evidence(judged(plain, counters), epoch=1)
    assert (found.verdict, found.allowed) == (without.verdict, without.allowed)
    said = next(f for f in found.findings if f.guard == "scores")
    assert said.verdict is Verdict.UNDECIDED
    assert "advice only" in said.rule
    assert ("differently" in said.rule) is (shift > 0)
