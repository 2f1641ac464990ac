"""The limits of the guards that are plain rules, and what is no count: exactly where each begins."""

import math
from dataclasses import replace

import pytest

from policies.guards import budget, counted, drift, fixed, heartbeat, increment, labelled, share, threshold
from policies.guards.budget import Stake
from policies.guards.counted import MOST_ROWS, Counted, Row
from policies.guards.drift import MOST_BINS, DriftState, Scored
from policies.guards.heartbeat import Alive, Cause
from policies.guards.increment import ABSURD, Arm, Gap, Increment
from policies.guards.labelled import Cohort, Labelled, Pairs
from policies.guards.noise import PROVISIONAL, Noise
from policies.guards.plan import History
from policies.guards.threshold import ThresholdState

WELL = Alive(answers=True)


def look(state, at, alive=WELL, *, silent=False, limit=60.0):
    return heartbeat.update(state, alive, at=at, silent=silent, no_data_for=limit)


def test_silence_is_harm_from_its_limit_on_and_counts_in_one_stretch():
    state = heartbeat.start(0.0)
    for at in (15.0, 30.0, 45.0, 59.0):
        state = look(state, at, silent=True)
    assert heartbeat.cause(state, no_data_for=60, restarts=0) is None
    assert heartbeat.cause(look(state, 60.0, silent=True), no_data_for=60, restarts=0) is Cause.SILENT
    assert look(state, 60.0).silent == 0.0


def test_one_look_adds_at_most_a_quarter_of_the_limit_and_a_clock_set_back_nothing():
    state = look(heartbeat.start(100.0), 116.0, silent=True)
    assert (state.at, state.silent) == (116.0, 15.0)
    back = look(state, 50.0, silent=True)
    assert (back.at, back.silent) == (116.0, 15.0)
    assert look(back, 118.0, silent=True).silent == 17.0


def test_who_does_not_answer_is_dead_from_the_limit_on_and_who_was_not_asked_is_not():
    state = heartbeat.start(0.0)
    for at in (15.0, 30.0, 45.0, 60.0):
        state = look(state, at, Alive(answers=False))
    assert (state.unanswered, state.silent) == (60.0, 0.0)
    assert heartbeat.cause(state, no_data_for=60, restarts=0) is Cause.UNANSWERED
    assert heartbeat.cause(look(state, 61.0, Alive()), no_data_for=60, restarts=0) is None


def test_more_restarts_than_allowed_are_harm_and_those_of_before_are_none_of_them():
    state = look(heartbeat.start(0.0, restarts=3), 1.0, Alive(restarts=5))
    assert state.restarts == 2
    assert heartbeat.cause(state, no_data_for=60, restarts=2) is None
    assert heartbeat.cause(state, no_data_for=60, restarts=1) is Cause.RESTARTS
    assert heartbeat.start(7.0).known == 0


def check(state, bad, requests, at):
    return threshold.update(state, bad=bad, requests=requests, limit=0.1, at=at)


def test_a_minute_of_a_plain_limit_begins_with_its_first_request_and_fails_above_the_limit():
    state = check(ThresholdState(), 0, 0, 5.0)
    assert state == ThresholdState()
    state = check(state, 1, 10, 10.0)
    assert (state.opened, state.bad, state.requests) == (10.0, 1, 10)
    open_ = check(state, 1, 9.5, 69.9)
    assert (open_.opened, open_.checks) == (10.0, 0)
    assert check(open_, 0, 0.5, 70.0) == ThresholdState(checks=1, failed=0, last_failed=False)
    assert check(open_, 0, 0.4, 70.0) == ThresholdState(checks=1, failed=1, last_failed=True)
    # A minute that had requests ends with one that has none, too.
    assert check(open_, 0, 0, 71.0).checks == 1


def test_checks_add_up_over_minutes():
    state = ThresholdState(checks=3, failed=2, last_failed=True)
    state = check(check(state, 9, 10, 0.0), 0, 0, 30.0)
    assert (state.checks, state.failed, state.last_failed) == (3, 2, True)
    assert check(state, 0, 1, 60.0) == ThresholdState(checks=4, failed=3, last_failed=True)


@pytest.mark.parametrize(
    ("weight", "margin"), [(50.0, 0.05), (5.0, 0.025), (95.0, 0.025), (10.0, 0.05), (99.0, 0.005)]
)
def test_the_share_may_miss_by_the_tolerance_and_by_half_of_the_smaller_side(weight, margin):
    assert share.margin(weight, 0.05) == pytest.approx(margin)


def split(state, weight, requests=10.0, stable=90.0):
    return share.update(
        state, requests=requests, stable_requests=stable, weight=weight, tolerance=0.05, at=9.0, seconds=5.0
    )


def test_the_first_interval_at_a_weight_and_all_at_none_or_all_are_not_tested():
    assert split(share.start(10.0), 50.0) == share.start(50.0)
    for weight in (0.0, 100.0):
        assert split(share.start(weight), weight) == share.start(weight)
    counted_ = split(split(share.start(10.0), 10.0), 10.0)
    assert (counted_.requests, counted_.total) == (20.0, 200.0)
    assert share.alarmed(replace(counted_, log_e=math.log(1000)))
    assert not share.alarmed(replace(counted_, log_e=math.log(999)))


def test_all_guards_together_have_the_weighted_mean_of_what_each_has():
    found = budget.combine([Stake("a", 3.0, math.log(8), 0.0), Stake("b", 1.0, math.log(16), 0.0)], 0.01)
    assert found.log_e == pytest.approx(math.log(10))
    assert budget.threshold(1.0, 4.0, 0.01) == pytest.approx(math.log(400))


@pytest.mark.parametrize(
    ("evidence", "suspect", "harm"),
    [(9.9, False, False), (10.1, True, False), (99.0, True, False), (101.0, True, True)],
)
def test_suspicion_begins_at_ten_and_harm_at_one_in_the_chance_of_it(evidence, suspect, harm):
    log_e = math.log(evidence)
    found = budget.combine([Stake("a", 1.0, log_e, log_e)], 0.01)
    assert (found.suspect, found.harm, found.culprits) == (suspect, harm, ("a",) if harm else ())


def test_who_is_named_is_who_reached_the_bound_by_a_peak_of_its_own():
    high = math.log(500)
    stakes = [Stake("now", 1.0, high, high), Stake("before", 1.0, 0.0, high), Stake("calm", 2.0, 0.0, 0.0)]
    assert budget.combine(stakes, 0.01).culprits == ("now", "before")
    assert budget.combine(stakes[1:], 0.01).culprits == ()


NOISE = {"errors": Noise(2.0, 0.3, False, 900.0, True), "slow": Noise(1.0, 0.1, False)}


def test_what_a_judge_is_told_when_it_starts_is_kept_exactly():
    history = History(100.0, 3.0, (60.0, 40.0), (0.5,))
    row = fixed.to_json(history, {**NOISE, "new": PROVISIONAL})
    assert row == {
        "history": [100.0, 3.0, [60.0, 40.0], [0.5]],
        "noise": {"errors": [2.0, 0.3, 900.0], "slow": [1.0, 0.1, 300.0]},
        "calm": ["errors"],
    }
    assert fixed.from_json(row) == (history, NOISE)
    bare = fixed.to_json(History(7.0, 1.0), {})
    assert bare == {"history": [7.0, 1.0], "noise": {}, "calm": []}
    assert fixed.from_json(bare) == (History(7.0, 1.0), {})
    assert fixed.from_json(fixed.to_json(None, NOISE)) == (None, NOISE)


def test_what_older_code_kept_has_no_noise_or_none_that_is_calm():
    assert fixed.from_json({"history": None}) == (None, {})
    older = {"history": None, "noise": {"errors": [2.0, 0.3, 900.0]}}
    assert fixed.from_json(older) == (None, {"errors": Noise(2.0, 0.3, False, 900.0, False)})


@pytest.mark.parametrize(
    ("arm", "wrong"),
    [
        (Arm(5, 5, (5,)), None),
        (Arm(0, 0), None),
        (Arm(ABSURD, 0), None),
        (Arm(2 * ABSURD, 0), "more requests than can be"),
        (Arm(5, 0, (2 * ABSURD,)), "more requests than can be"),
        (Arm(5, 6), "more errors than requests"),
        (Arm(5, -1), "a counter went back"),
        (Arm(-1, 0), "a counter went back"),
        (Arm(5, 0, (-1,)), "a counter went back"),
        (Arm(math.nan, 0), "a counter is not a number"),
        (Arm(5, math.inf), "a counter is not a number"),
        (Arm(5, 0, (math.nan,)), "a counter is not a number"),
    ],
)
def test_what_can_be_a_count_of_requests(arm, wrong):
    assert increment.wrong_with(arm) == wrong


SCRAPE = Increment(3, 50.0, 5.0, 10.0, Arm(5, 1, (4, 1)), Arm(9, 1, (8, 1)), (0.5,))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"candidate": Arm(5, 6)}, "more errors than requests"),
        ({"stable": Arm(5, 6)}, "more errors than requests"),
        ({"candidate": Arm(5, 1, (4,))}, "the buckets do not fit their bounds"),
        ({"stable": Arm(5, 1, (4, 1, 0))}, "the buckets do not fit their bounds"),
        ({"seconds": -1.0}, "the interval's length is not a length"),
        ({"seconds": math.nan}, "the interval's length is not a length"),
        ({"seconds": 2 * ABSURD}, "the interval's length is not a length"),
        ({"weight": -1.0}, "the weight is not a percentage"),
        ({"weight": 101.0}, "the weight is not a percentage"),
    ],
)
def test_an_increment_that_cannot_be_is_a_silent_gap(changed, reason):
    assert increment.checked(replace(SCRAPE, **changed)) == Gap(3, 50.0, reason, silent=True)


@pytest.mark.parametrize(
    "changed",
    [{}, {"weight": 0.0}, {"weight": 100.0}, {"seconds": 0.0}, {"stable": None}, {"candidate": Arm(0, 0)}],
)
def test_an_increment_that_can_be_is_itself(changed):
    assert increment.checked(replace(SCRAPE, **changed)) == replace(SCRAPE, **changed)


def test_what_has_no_time_is_of_none():
    wrong = Gap(3, 0.0, "the interval's time is not a time", silent=True)
    assert increment.checked(replace(SCRAPE, at=math.nan)) == wrong
    assert increment.checked(Gap(3, math.inf, "why", silent=False)) == Gap(3, 0.0, "why", silent=False)
    assert increment.checked(Gap(3, 7.0, "why", silent=False)) == Gap(3, 7.0, "why", silent=False)


COHORT, TALLY = Cohort(40.0, 10.0, 10.0, 9.0, 9.0), Pairs(10.0, 2.0, 3.0, 5.0)


@pytest.mark.parametrize(
    ("cohorts", "pairs", "wrong"),
    [
        ((COHORT,), None, None),
        ((), TALLY, None),
        ((COHORT,), TALLY, None),
        ((replace(COHORT, ended=-5.0),), None, None),
        ((replace(COHORT, wrong=11.0),), None, "more wrong answers than labels"),
        ((replace(COHORT, stable_wrong=9.5),), None, "more wrong answers than labels"),
        ((COHORT, replace(COHORT, labels=-1.0)), None, "a count of labels is not a count"),
        ((replace(COHORT, stable_labels=2 * ABSURD),), None, "a count of labels is not a count"),
        ((replace(COHORT, ended=math.nan),), None, "a count of labels is not a number"),
        ((), replace(TALLY, both_wrong=5.5), "more wrong answers than labels"),
        ((), replace(TALLY, pairs=-1.0), "a count of labels is not a count"),
        ((COHORT,), replace(TALLY, only_stable=-1.0), "a count of labels is not a count"),
        ((), replace(TALLY, only_candidate=math.inf), "a count of labels is not a number"),
    ],
)
def test_what_can_be_counts_of_labels(cohorts, pairs, wrong):
    assert labelled.wrong_with(Labelled(1, 50.0, "accuracy", pairs, cohorts)) == wrong


def test_labels_without_a_time_are_none():
    assert labelled.wrong_with(Labelled(1, math.nan, "accuracy")) == "the time of the labels is not a time"


ROW = Row("", Arm(5, 1), Arm(9, 1))
NEWS = Counted(1, 50.0, 5.0, 10.0, "clicks", (ROW, Row("country=tr", Arm(2, 0), Arm(3, 0))))


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({}, None),
        ({"weight": 0.0}, None),
        ({"weight": 100.0}, None),
        ({"gap": "the server is away", "rows": ()}, "the server is away"),
        ({"at": math.nan}, "an interval's time, length or weight is none"),
        ({"seconds": 0.0}, "an interval's time, length or weight is none"),
        ({"seconds": math.inf}, "an interval's time, length or weight is none"),
        ({"weight": -1.0}, "an interval's time, length or weight is none"),
        ({"weight": 101.0}, "an interval's time, length or weight is none"),
        ({"rows": ()}, "there are 0 rows; 1 to 2000 can be judged"),
        ({"rows": (ROW, ROW)}, "a segment comes twice"),
        ({"rows": (Row("", Arm(5, 6), Arm(9, 1)),)}, "more errors than requests"),
        ({"rows": (ROW, Row("b", Arm(5, 1), Arm(9, -1)))}, "a counter went back"),
    ],
)
def test_what_can_be_counted_of_a_metric_source(changed, wrong):
    assert counted.wrong_with_it(replace(NEWS, **changed)) == wrong


def test_so_many_rows_can_be_judged():
    rows = tuple(Row(f"user={number}", Arm(1, 0), Arm(1, 0)) for number in range(MOST_ROWS))
    assert counted.wrong_with_it(replace(NEWS, rows=rows)) is None
    assert "2001 rows" in counted.wrong_with_it(replace(NEWS, rows=(*rows, ROW)))
    assert counted.others("country=tr") == "country=(others)"


SCORES = Scored(1, 50.0, "scores", (5.0, 3.0), (9.0, 1.0))


@pytest.mark.parametrize(
    ("changed", "right"),
    [
        ({}, True),
        ({"candidate": (5.0,)}, False),
        ({"candidate": (5.0,), "stable": (5.0,)}, False),
        ({"candidate": (1.0,) * MOST_BINS, "stable": (1.0,) * MOST_BINS}, True),
        ({"candidate": (1.0,) * (MOST_BINS + 1), "stable": (1.0,) * (MOST_BINS + 1)}, False),
        ({"at": math.inf}, False),
        ({"stable": (9.0, -1.0)}, False),
        ({"candidate": (5.0, math.nan)}, False),
        ({"candidate": (ABSURD, 0.0)}, True),
        ({"candidate": (2 * ABSURD, 0.0)}, False),
    ],
)
def test_what_can_be_counts_of_scores(changed, right):
    assert (drift.wrong_with(replace(SCORES, **changed)) is None) is right


def test_scores_are_bet_on_by_what_was_counted_before():
    """The first interval only tells; by the second one, the candidate's 30 of 40 beside stable's 10 of 40 have
    been drawn to what is common, a half, by 30 pseudo-counts: 45/70 and 25/70."""
    first = drift.update(DriftState(), replace(SCORES, candidate=(30.0, 10.0), stable=(10.0, 30.0)))
    assert (first.candidate, first.stable, first.log_e) == ((30.0, 10.0), (10.0, 30.0), 0.0)
    after = drift.update(first, replace(SCORES, candidate=(2.0, 0.0), stable=(0.0, 6.0)))
    likelier, rarer = 45 / 25 - 1, 25 / 45 - 1  # with a quarter of the requests
    gain = 2 * math.log(45 / 25) - 2 * math.log1p(likelier / 4) - 6 * math.log1p(rarer / 4)
    assert after.log_e == pytest.approx(gain)
    assert after.log_peak == pytest.approx(max(gain, 0.0))
    fell = drift.update(after, replace(SCORES, candidate=(0.0, 4.0), stable=(4.0, 0.0)))
    assert fell.log_e < fell.log_peak == after.log_peak


def test_scores_of_one_version_alone_are_counted_and_bet_on_by_nothing():
    known = drift.update(DriftState(), SCORES)
    for news in ({"candidate": (0.0, 0.0)}, {"stable": (0.0, 0.0)}):
        assert drift.update(known, replace(SCORES, **news)).log_e == 0.0
    assert drift.update(
        known, replace(SCORES, candidate=(1.0, 1.0, 1.0), stable=(1.0, 1.0, 1.0))
    ) == DriftState((1.0, 1.0, 1.0), (1.0, 1.0, 1.0))


def test_the_distance_of_scores_is_without_what_chance_makes_of_it():
    assert drift.distance(DriftState()) == 0.0
    assert drift.distance(DriftState((5.0, 5.0), (0.0, 0.0))) == 0.0
    assert drift.distance(DriftState((5.0, 5.0), (5.0, 5.0))) == 0.0
    # Shares of 30.5 / 41 and 10.5 / 41, the one way and the other; and one bin more than nothing, of 40 each.
    by_hand = 2 * (20 / 41) * math.log(30.5 / 10.5) - (1 / 40 + 1 / 40)
    assert drift.distance(DriftState((30.0, 10.0), (10.0, 30.0))) == pytest.approx(by_hand)
