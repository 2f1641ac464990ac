"""What each interval and each news changes in a judge's state, part by part."""

from dataclasses import replace

import pytest

from policies.guards.counted import Counted, Row
from policies.guards.drift import Scored
from policies.guards.heartbeat import Alive
from policies.guards.increment import Arm, Gap, Increment
from policies.guards.judge import Judge
from policies.guards.labelled import Cohort, Labelled, Pairs
from policies.guards.paired import Classed, Paired, Tally
from policies.guards.rate import EMPTY
from policies.spec.declaration import Environment, Guard, GuardKind, Shadow, Strategy

GUARDS = (
    Guard("errors", GuardKind.ERRORS),
    Guard("alive", GuardKind.ALIVE, no_data_for=60.0),
    Guard("share", GuardKind.SHARE, tolerance=0.05),
    Guard("plain", GuardKind.THRESHOLD, limit=0.1),
    Guard("plainly slow", GuardKind.THRESHOLD, limit=0.1, slower_than=0.5),
    Guard("lost", GuardKind.QUERY, query="lost_total", of="asked_total", worse_by=0.0),
    Guard("right", GuardKind.LABELS, labels="labels", drop=0.02, within=60.0),
    Guard("scores", GuardKind.DRIFT, query="s_bucket"),
)
JUDGE = Judge.of(Environment(guards=GUARDS, ladder=(10, 50, 100)), warmup=20.0)


def scrape(sequence, mine=10.0, theirs=90.0, weight=10.0, **changes):
    stable = None if theirs is None else Arm(theirs, 0.0)
    what = Increment(sequence, 10.0 * sequence, 10.0, weight, Arm(mine, 0.0), stable)
    return replace(what, **changes)


def watched(*what, judge=JUDGE, alive=None):
    state = judge.start(0.0)
    for one in what:
        state = judge.observe(state, one, alive)
    return state


def test_the_split_is_counted_since_the_weight_last_moved():
    state = watched(scrape(1, weight=0.0), scrape(2), scrape(3), scrape(4, 20.0))
    assert state.split == (30.0, 210.0)  # what came with the new weight holds requests of before
    assert (state.weight, state.sequence, state.at) == (10.0, 4, 40.0)
    moved = JUDGE.observe(state, scrape(5, weight=50.0))
    assert moved.split == (0.0, 0.0)
    assert JUDGE.observe(moved, scrape(6, 5.0, None, weight=50.0)).split == (5.0, 5.0)


def test_it_warms_up_from_its_first_request_on():
    state = watched(scrape(1, 0.0), scrape(2, 0.0))
    assert state.warm == -1.0
    state = JUDGE.observe(state, scrape(3))
    assert state.warm == 0.0
    assert JUDGE.observe(state, scrape(4, 0.0)).warm == 10.0


def test_stable_is_beside_it_where_it_has_traffic_of_its_own():
    assert watched(scrape(1)).together
    assert not watched(scrape(1, theirs=None)).together
    assert not watched(scrape(1, weight=100.0)).together
    assert watched(scrape(1, weight=99.0)).together


def test_what_was_seen_already_changes_nothing():
    state = watched(scrape(1), scrape(2))
    for again in (scrape(2, 999.0), scrape(1), Gap(2, 99.0, "why", silent=True)):
        assert JUDGE.observe(state, again) == state


def test_a_storm_is_bet_on_until_the_end_of_the_warm_up_and_a_pool_is_of_one_weight():
    cold = watched(scrape(1), scrape(2))
    assert (cold.warm, cold.comparisons[0].requests, cold.storm.requests) == (10.0, 20.0, 20.0)
    warm = JUDGE.observe(cold, scrape(3))
    assert (warm.warm, warm.comparisons[0].requests, warm.storm.requests) == (20.0, 30.0, 20.0)
    pool = replace(warm.comparisons[0], pool=(1.0, *warm.comparisons[0].pool[1:]))
    storm = replace(warm.storm, pool=pool.pool)
    assert (
        JUDGE.observe(replace(warm, comparisons=(pool,), storm=storm), scrape(4, weight=50.0)).storm.pool
        == EMPTY
    )
    kept = JUDGE.observe(replace(warm, storm=storm), scrape(4))
    assert kept.storm.pool == pool.pool


def test_requests_to_a_preview_are_no_users():
    state = watched(
        scrape(1, weight=0.0), scrape(2, weight=0.0), scrape(3, weight=0.0), scrape(4, weight=0.0)
    )
    assert (state.comparisons[0].requests, state.candidate.requests, state.thresholds[0].requests) == (
        0.0,
        0.0,
        0.0,
    )
    assert state.warm == 30.0


def test_a_plain_limit_counts_at_any_weight_from_the_first_request_on():
    slow = scrape(1, candidate=Arm(10.0, 2.0, (4.0, 6.0)), stable=Arm(90.0, 0.0, (90.0, 0.0)), bounds=(0.5,))
    state = watched(slow)
    assert [(one.bad, one.requests) for one in state.thresholds] == [(2.0, 10.0), (6.0, 10.0)]
    assert state.bounds == (0.5,)
    after = JUDGE.observe(state, scrape(2))
    assert [(one.bad, one.requests) for one in after.thresholds] == [(2.0, 20.0), (6.0, 10.0)]
    assert not after.bounds, "what was said before is no word of now"


def test_a_gap_is_a_reason_until_numbers_come_and_only_silence_is_against_its_life():
    state = watched(scrape(1))
    spoken = JUDGE.observe(state, Gap(2, 15.0, "the router began anew", silent=False))
    silent = JUDGE.observe(state, Gap(2, 15.0, "no numbers", silent=True))
    assert (spoken.gap, spoken.hearts[0].silent) == ("the router began anew", 0.0)
    assert (silent.gap, silent.hearts[0].silent) == ("no numbers", 5.0)
    assert (spoken.at, spoken.sequence, spoken.weight) == (15.0, 2, 10.0)
    assert JUDGE.observe(silent, scrape(3)).gap is None
    assert JUDGE.observe(silent, Gap(3, 5.0, "late", silent=False)).at == 15.0
    assert JUDGE.observe(state, scrape(2), Alive(answers=False)).hearts[0].unanswered == 10.0


NEWS = Counted(4, 40.0, 10.0, 10.0, "lost", (Row("", Arm(10.0, 1.0), Arm(90.0, 2.0)),))


def test_a_metric_source_is_heard_at_a_weight_and_warm_and_its_reasons_always():
    cold, warm = watched(scrape(1), scrape(2)), watched(scrape(1), scrape(2), scrape(3))
    heard = JUDGE.observe(warm, NEWS).asked[0]
    assert (heard.at, heard.part("").requests) == (40.0, 10.0)
    for state, what in ((cold, NEWS), (warm, replace(NEWS, weight=0.0)), (replace(warm, weight=0.0), NEWS)):
        assert JUDGE.observe(state, what) == replace(state, sequence=4)
    away = JUDGE.observe(cold, replace(NEWS, gap="away", rows=()))
    assert away.asked[0].gap == "away"
    assert away.drifts[0].gap is None
    assert JUDGE.observe(cold, replace(NEWS, guard="scores", gap="away", rows=())).drifts[0].gap == "away"
    assert JUDGE.observe(warm, replace(NEWS, guard="other")).asked == warm.asked


def test_labels_and_scores_are_for_the_guard_that_they_name():
    state = watched(scrape(1))
    labels = Labelled(2, 200.0, "right", None, (Cohort(20.0, 9.0, 1.0, 8.0, 2.0),))
    heard = JUDGE.observe(state, labels).qualities[0]
    assert (heard.labels, heard.wrong, heard.stable_labels, heard.stable_wrong) == (9.0, 1.0, 8.0, 2.0)
    scores = Scored(2, 20.0, "scores", (5.0, 3.0), (9.0, 1.0))
    assert JUDGE.observe(state, scores).drifts[0].candidate == (5.0, 3.0)
    strange = (
        replace(labels, guard="other"), replace(labels, at=float("nan")), replace(scores, guard="other"),
        replace(scores, stable=(1.0,)), replace(labels, cohorts=(), pairs=Pairs(9.0, 1.0, 1.0, 0.0)),
    )  # fmt: skip
    for what in strange[:4]:
        assert JUDGE.observe(state, what) == replace(state, sequence=2)
    # Pairs are of a shadow; this guard takes none.
    assert JUDGE.observe(state, strange[4]).qualities[0].labels == 0.0


SHADOW = Judge.of(
    Environment(
        strategy=Strategy.SHADOW,
        shadow=Shadow(seconds=9.0),
        guards=(
            Guard("errors", GuardKind.ERRORS, worse_by=0.5),
            Guard("latency", GuardKind.LATENCY, worse_by=0.5),
            Guard("late", GuardKind.LATENCY, worse_by=0.5, slower_than=0.1),
            Guard("answers", GuardKind.ANSWERS, limit=0.1, flips=0.2),
        ),
    )
)


def test_each_test_in_the_shadow_hears_of_its_own_pairs():
    names = [test.name for test in SHADOW.plan.shadows]
    tallies = tuple(
        Tally(name, 10.0 + nth, 1.0, 2.0, 3.0) for nth, name in enumerate(names) if name != "flips"
    )
    what = Paired(1, 5.0, 20.0, 4.0, tallies, (Classed("a", 9.0, 2.0),))
    state = watched(what, replace(what, sequence=2), judge=SHADOW)
    assert state.copies == (40.0, 8.0)
    assert dict(zip(names, (one.pairs for one in state.shadows), strict=True)) == {
        "shadow errors": 20.0, "shadow latency": 22.0, "shadow late": 24.0, "answers": 26.0, "flips": 18.0,
    }  # fmt: skip
    wrong = replace(what, sequence=3, lost=-1.0)
    assert SHADOW.observe(state, wrong) == replace(state, sequence=3)
    nothing = watched(replace(what, tallies=(), classes=()), judge=SHADOW)
    assert all(one.pairs == 0.0 for one in nothing.shadows)


@pytest.mark.parametrize(
    ("name", "growth"), [("shadow errors", 1.5), ("shadow late", 1.5), ("shadow latency", 1.0)]
)
def test_what_may_be_more_frequent_is_told_by_the_policy_unless_the_pair_was_compared_with_it(name, growth):
    tally = Tally(name, 300.0, 60.0, 40.0, 0.0)
    state = watched(Paired(1, 5.0, 300.0, 0.0, (tally,)), judge=SHADOW)
    one = next(s for test, s in zip(SHADOW.plan.shadows, state.shadows, strict=True) if test.name == name)
    assert (one.log_e > 0) is (growth == 1.0)
