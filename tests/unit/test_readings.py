"""Counters of a metric source: what may be told from raw samples, and what is only a reason."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.guards import asking, readings
from policies.guards.asking import Moment
from policies.guards.counted import Counted
from policies.guards.drift import Scored
from policies.guards.readings import Series, Versions
from policies.spec.declaration import Guard, GuardKind

GUARD = Guard("lost", GuardKind.QUERY, query='lost_total{job="m"}', of="asked_total", worse_by=0.0)
VERSIONS = Versions("version", frozenset({"new"}), frozenset({"old"}))


def series(name, *points, **labels):
    return Series(name, tuple(sorted(({"job": "m", "version": "new"} | labels).items())), points)


def both(at, bad, every, stable_bad=0.0, stable=0.0, pod="1"):
    """One sample of each counter of both versions."""
    return [
        series("lost_total", (at, bad), pod=pod),
        series("asked_total", (at, every), pod=pod),
        series("lost_total", (at, stable_bad), pod=pod, version="old"),
        series("asked_total", (at, stable), pod=pod, version="old"),
    ]


def told(*looks, guard=GUARD, versions=VERSIONS, late=0.0, moved=0.0):
    """What a guard is told by looks at these series, each some seconds after its newest sample."""
    before, found = None, []
    for number, one in enumerate(looks):
        newest = max((at for part in one for at, _ in part.points if math.isfinite(at)), default=0.0)
        moment = Moment(newest + late, 10.0, moved, number)
        before, news = asking.look(guard, before, one, versions, moment)
        found.append(news)
    return found


def counts(what):
    assert isinstance(what, Counted)
    assert what.gap is None, what.gap
    return [(r.candidate.errors, r.candidate.requests, r.stable.errors, r.stable.requests) for r in what.rows]


def reason(what):
    assert isinstance(what, Counted)
    assert what.gap is not None, what
    return what.gap


def test_the_first_look_says_nothing_and_the_second_what_was_gained():
    first, second = told(both(10, 1, 100, 5, 900), both(20, 3, 150, 6, 1000))
    assert reason(first) == asking.FIRST
    assert counts(second) == [(2, 50, 1, 100)]
    assert (second.at, second.seconds) == (20, 10)


def test_no_newer_sample_is_no_news():
    assert told(both(10, 1, 100), both(10, 1, 100))[1] is None


def test_copies_are_added_up_after_each_was_compared_with_itself():
    """One copy began anew: the sum went up, and is no increment all the same."""
    looks = both(10, 1, 100) + both(10, 0, 50, pod="2"), both(20, 2, 400) + both(20, 0, 7, pod="2")
    assert "went back" in reason(told(*looks)[1])
    looks = both(10, 1, 100) + both(10, 0, 50, pod="2"), both(20, 2, 400) + both(20, 4, 70, pod="2")
    assert counts(told(*looks)[1]) == [(5, 320, 0, 0)]


def test_a_restart_between_two_samples_of_one_look_is_seen():
    after = [series("lost_total", (15.0, 2.0), (20.0, 9.0)), *both(20, 0, 200)[1:]]
    before = [series("lost_total", (10.0, 5.0)), *both(10, 0, 100)[1:]]
    assert "went back" in reason(told(before, after)[1])


def test_a_counter_that_appears_where_its_process_was_known_began_at_zero():
    before = [series("asked_total", (10.0, 100.0)), series("lost_total", (10.0, 0.0), code="a")]
    after = [
        series("asked_total", (20.0, 150.0)),
        series("lost_total", (20.0, 0.0), code="a"),
        series("lost_total", (20.0, 3.0), code="b"),
    ]
    assert counts(told(before, after)[1]) == [(3, 50, 0, 0)]


def test_of_a_new_process_only_what_came_after_its_first_sample_counts():
    before = both(10, 1, 100)
    after = [
        *both(20, 2, 120),
        series("lost_total", (15.0, 40.0), (20.0, 41.0), pod="2"),
        series("asked_total", (15.0, 500.0), (20.0, 510.0), pod="2"),
    ]
    assert counts(told(before, after)[1]) == [(2, 30, 0, 0)]


def test_a_counter_that_vanished_from_a_living_process_is_a_reason():
    before = [*both(10, 1, 100), series("lost_total", (10.0, 7.0), pod="1", code="x")]
    assert "is gone" in reason(told(before, both(20, 2, 120))[1])


def test_a_copy_that_ended_is_no_reason_and_its_last_counts_are_counted():
    before = both(10, 1, 100) + both(10, 0, 50, pod="2")
    ended = [
        series("lost_total", (10.0, 0.0), (11.0, 1.0), pod="2"),
        series("asked_total", (11.0, 60.0), pod="2"),
    ]
    after = [
        Series(one.name, one.labels, tuple((at, one.points[0][1]) for at in range(30, 131, 10)))
        for one in both(130, 2, 120)
    ]
    assert counts(told(before, after + ended)[1]) == [(2, 30, 0, 0)]


def test_each_look_is_cut_where_the_slower_series_is():
    before = both(10, 0, 100)
    after = [
        series("lost_total", (20.0, 2.0), pod="1"),
        series("asked_total", (20.0, 110.0), (25.0, 190.0), pod="1"),
    ]
    found = told(before, [*after, *both(25, 0, 0)[2:]])[1]
    assert counts(found)[0][:2] == (2, 10)


MANY = [series("lost_total", (20.0, 1.0), pod=str(n)) for n in range(readings.MOST_SERIES)]


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ([], "fits"),
        ([*both(20, 2, 120), both(20, 2, 120)[0]], "twice"),
        ([series("lost_total", (20.0, math.nan)), *both(20, 0, 120)[1:]], "no count"),
        ([series("lost_total", (20.0, -1.0)), *both(20, 0, 120)[1:]], "no count"),
        ([series("lost_total", (20.0, math.inf)), *both(20, 0, 120)[1:]], "no count"),
        ([series("lost_total", (20.0, 1.0), (20.0, 2.0)), *both(20, 0, 120)[1:]], "order of time"),
        ([series("lost_total", (20.0, 1.0), (15.0, 1.0)), *both(20, 0, 120)[1:]], "order of time"),
        ([series("lost_total"), *both(20, 0, 120)[1:]], "no sample"),
        ([*both(20, 0, 120), *MANY], "narrow it by its labels"),
        ([series("asked_total", (20.0, 5.0))], "nothing there fits lost_total"),
        ([series("lost_total", (20.0, 0.0)), series("asked_total", (20.0, 5.0), version="x")], "should"),
        (both(20, 90, 120), "more bad things"),
        (both(5, 1, 90), "earlier answer"),
    ],
)
def test_what_is_strange_is_a_reason_and_never_a_value(what, why):
    if why == "should":
        what, why = (
            [series(one.name, *one.points, version="x") for one in both(20, 1, 120)[:2]],
            "not new or old",
        )
    assert why in reason(told(both(10, 1, 100), what)[1])


def test_old_samples_and_those_from_the_future_say_nothing_of_now():
    assert "old" in reason(told(both(10, 1, 100), late=100.0)[0])
    assert "future" in reason(told(both(10, 1, 100), late=-60.0)[0])


def test_a_series_that_does_not_name_a_version_says_which_labels_it_has():
    nameless = Series("lost_total", (("job", "m"), ("model_version", "new")), ((10.0, 1.0),))
    found = reason(told([nameless, series("asked_total", (10.0, 1.0))])[0])
    assert "`version`" in found
    assert "model_version" in found


def test_an_interval_in_which_the_weight_moved_is_not_counted():
    assert "moved" in reason(told(both(10, 1, 100), both(20, 2, 120), moved=15.0)[1])


def test_segments_are_counted_beside_all_together():
    def look(at, factor):
        return [
            series(name, (at, float(n * factor)), country=country)
            for country, bad, every in (("tr", 5, 10), ("de", 0, 90))
            for name, n in (("lost_total", bad), ("asked_total", every))
        ]

    split = Guard("lost", GuardKind.QUERY, query="lost_total", of="asked_total", segments=("country",))
    rows = told(look(10, 1), look(20, 2), guard=split)[1].rows
    assert {r.segment: (r.candidate.errors, r.candidate.requests) for r in rows} == {
        "": (5, 100), "country=tr": (5, 10), "country=de": (0, 90),
    }  # fmt: skip


def test_very_many_values_are_folded_into_one_row():
    def look(at, factor):
        return [
            series(name, (at, float(factor * n)), user=f"u{number}")
            for number in range(600)
            for name, n in (("lost_total", 0), ("asked_total", number))
        ]

    split = Guard("lost", GuardKind.QUERY, query="lost_total", of="asked_total", segments=("user",))
    rows = told(look(10, 1), look(20, 2), guard=split)[1].rows
    assert len(rows) == readings.MOST_VALUES + 1
    assert sum(r.candidate.requests for r in rows[1:]) == rows[0].candidate.requests == sum(range(600))


def histogram(at, counts, **labels):
    return [
        series("s_bucket", (at, float(n)), le=bound, **labels)
        for bound, n in zip(("0.1", "1", "+Inf"), itertools.accumulate(counts), strict=False)
    ]


def test_the_buckets_of_a_histogram_are_counted_and_feed_drift():
    durations = Guard("slow", GuardKind.QUERY, query="s_bucket", worse_by=0.1)
    looks = [
        histogram(at, mine) + histogram(at, theirs, version="old")
        for at, mine, theirs in ((10, (1, 2, 3), (5, 5, 5)), (20, (2, 4, 6), (5, 5, 6)))
    ]
    what = told(*looks, guard=durations)[1]
    assert what.bounds == (0.1, 1.0)
    assert [row.candidate.buckets for row in what.rows] == [(1, 2, 3)]
    assert [row.stable.buckets for row in what.rows] == [(0, 0, 1)]
    scores = Guard("scores", GuardKind.DRIFT, query="s_bucket")
    found = told(*looks, guard=scores)[1]
    assert isinstance(found, Scored)
    assert (found.candidate, found.stable) == ((1, 2, 3), (0, 0, 1))


def test_versions_in_different_buckets_are_a_reason():
    durations = Guard("slow", GuardKind.QUERY, query="s_bucket", worse_by=0.1)
    other = [series("s_bucket", (at, at), le=le, version="old") for le in ("0.5", "+Inf") for at in (10.0,)]
    later = [series("s_bucket", (20.0, 20.0), le=le, version="old") for le in ("0.5", "+Inf")]
    found = told(histogram(10, (1, 2, 3)) + other, histogram(20, (2, 3, 4)) + later, guard=durations)[1]
    assert "different buckets" in reason(found)


# --- whatever comes, in whatever order -------------------------------------------------------

TRUE = {"new": (3, 40), "old": (1, 200)}  # bad things and things a look, in each process


@st.composite
def disturbed(draw):
    """Looks at two processes of each version's own, with restarts, gaps, duplicates and clocks that step."""
    looks, counts = [], {(v, pod): [0.0, 0.0] for v in TRUE for pod in "12"}
    skew, times = 0.0, draw(st.integers(3, 12))
    for number in range(times):
        at = 10.0 * (number + 1)
        skew += draw(st.sampled_from([0.0] * 8 + [-25.0, 25.0]))
        look = []
        for (version, pod), held in counts.items():
            held[0] += TRUE[version][0]
            held[1] += TRUE[version][1]
            if draw(st.integers(0, 15)) == 0:
                held[0], held[1] = float(TRUE[version][0]), float(TRUE[version][1])
            if draw(st.integers(0, 15)) == 0:
                continue  # not scraped
            look += [
                series("lost_total", (at + skew, held[0]), pod=version + pod, version=version),
                series("asked_total", (at + skew, held[1]), pod=version + pod, version=version),
            ]
        if look and draw(st.integers(0, 15)) == 0:
            look.append(look[0])
        looks.append(look)
        if draw(st.integers(0, 15)) == 0:
            looks.append(looks[draw(st.integers(0, number))])  # an answer that was late
    return looks, times


@settings(max_examples=200)
@given(disturbed())
def test_restarts_gaps_duplicates_and_clocks_never_make_a_version_look_worse_than_it_is(drawn):
    """A look may tell nothing. What it tells never has a rate above the true one of that version, and all
    looks together tell of no more things than there were: none counts twice, however late an answer came."""
    looks, times = drawn
    counted = {"new": 0.0, "old": 0.0}
    for what in told(*looks):
        if not isinstance(what, Counted) or what.gap is not None:
            continue
        row = what.rows[0]
        for name, arm in (("new", row.candidate), ("old", row.stable)):
            bad, every = TRUE[name]
            assert arm.errors * every == pytest.approx(arm.requests * bad)
            counted[name] += arm.requests
    for name, (_, every) in TRUE.items():
        assert counted[name] <= every * 2 * times


def test_an_answer_of_before_that_comes_late_is_a_reason_and_counts_nothing_again():
    """As of two servers that scrape alike, of which one is behind."""
    first, second, third = both(10, 0, 0), both(20, 3, 40, 1, 200), both(30, 6, 80, 2, 400)
    _, once, late, after = told(first, second, first, third)
    assert counts(once) == [(3, 40, 1, 200)]
    assert "earlier" in reason(late)
    assert counts(after) == [(3, 40, 1, 200)]


def test_a_late_answer_is_known_by_what_is_away_just_then():
    """The newest answer had nothing of the processes that the late one tells of: another scrape was missed."""
    looks = {at: both(at, 3 * at / 10, 4 * at) for at in (10.0, 20.0, 30.0, 50.0)}
    other = [series(name, (40.0, 0.0), pod="else", version="old") for name in ("lost_total", "asked_total")]
    _, once, again, away, late, after = told(
        looks[10.0], looks[20.0], looks[30.0], other, looks[20.0], looks[50.0]
    )
    assert counts(once) == counts(again) == [(3, 40, 0, 0)]
    assert counts(away) == [(0, 0, 0, 0)]
    assert "earlier" in reason(late)
    assert counts(after) == [(0, 0, 0, 0)]  # what it counted while it was away is not known


def test_a_clock_that_was_set_back_costs_one_look():
    _, once, back, after = told(both(100, 0, 0), both(110, 3, 40), both(60, 6, 80), both(70, 9, 120))
    assert counts(once) == counts(after) == [(3, 40, 0, 0)]
    assert "not in order of time" in reason(back)
