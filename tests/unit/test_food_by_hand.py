"""What guards are fed, and what is learned from it, in numbers small enough to be worked out by hand."""

import math
from dataclasses import replace

import pytest

from policies.guards import asked, increment, learning, noise, rate, readings, stretch
from policies.guards.asked import MOST_WAITING, SEEN, STABLE, Asked, AskedState, How, Part
from policies.guards.counted import Counted, Row
from policies.guards.increment import Arm, Gap, Increment
from policies.guards.learning import learn
from policies.guards.noise import BLOCK, PROVISIONAL, Bunching, Moments, Pair
from policies.guards.readings import AHEAD, LATE, LEAST_OLD, MOST_SERIES, OLD, Cut, Gained, Series, Versions
from policies.guards.stretch import Stretch
from policies.spec.declaration import Guard, GuardKind, Split

# --- samples of counters ---------------------------------------------------------------------


def series(*points, pod="1", name="lost_total", **labels):
    return Series(name, tuple(sorted({"pod": pod, **labels}.items())), points)


def old(found):
    return isinstance(found, str) and "s old" in found


@pytest.mark.parametrize(
    ("points", "limit"),
    [
        (((100.0, 1.0),), OLD),
        (((80.0, 1.0), (90.0, 1.0), (100.0, 1.0)), LEAST_OLD),
        (((40.0, 1.0), (70.0, 1.0), (100.0, 1.0)), LATE * 30),
        (((69.0, 1.0), (70.0, 1.0), (100.0, 1.0)), LATE * 15.5),
    ],
)
def test_a_sample_is_old_after_some_of_its_usual_steps(points, limit):
    assert readings.cut([series(*points)], 100.0 + limit).at == 100.0
    assert old(readings.cut([series(*points)], 100.0 + limit + 0.1))


def test_it_is_cut_where_all_that_live_have_come_and_what_ended_is_not_waited_for():
    newest = series((90.0, 5.0), (100.0, 7.0), pod="1")
    behind = series((60.0, 2.0), (70.0, 3.0), pod="2")
    found = readings.cut([newest, behind], 100.0)
    assert (found.at, found.values) == (70.0, {behind.key: 3.0})
    assert found.processes == {(("pod", "2"),)}
    ended = series((59.9, 2.0), (69.9, 3.0), pod="2")
    found = readings.cut([newest, ended], 100.0)
    assert (found.at, found.values) == (100.0, {newest.key: 7.0})


def test_a_clock_may_be_a_little_before_ours():
    assert readings.cut([series((100.0 + AHEAD, 1.0))], 100.0).at == 100.0 + AHEAD
    assert "in the future" in readings.cut([series((100.1 + AHEAD, 1.0))], 100.0)


def test_so_many_series_are_read():
    many = [series((100.0, 1.0), pod=str(number)) for number in range(MOST_SERIES)]
    assert readings.cut(many, 100.0).at == 100.0
    assert "narrow it" in readings.cut([*many, series((100.0, 1.0), pod="x")], 100.0)


KEY, OTHER = series().key, series(pod="2").key


@pytest.mark.parametrize(
    ("at", "value", "late"), [(9.0, 4.0, True), (9.0, 5.0, False), (10.0, 4.0, False), (11.0, 4.0, False)]
)
def test_an_answer_of_before_has_an_earlier_time_and_counted_less(at, value, late):
    before = Cut(10.0, {KEY: 5.0}, frozenset())
    assert readings.came_late(before, Cut(at, {KEY: value, OTHER: 1.0}, frozenset())) is late


def test_what_was_gained_is_counted_from_cut_to_cut():
    before = readings.cut([series((10.0, 5.0))], 10.0)
    later = [series((10.0, 5.0), (15.0, 6.0), (20.0, 9.0), (25.0, 30.0))]
    assert readings.gained(before, later, Cut(20.0, {}, frozenset())) == Gained(
        20.0, 10.0, ((later[0], 4.0),)
    )
    assert "order of time" in readings.gained(before, later, before)
    quiet = [series((10.0, 5.0), (30.0, 7.0))]
    assert readings.gained(before, quiet, Cut(20.0, {}, frozenset())).counts == ((quiet[0], 0.0),)


VERSIONS = Versions("version", frozenset({"new"}), frozenset({"old"}))


def counts(*pairs):
    return Gained(
        20.0, 10.0, tuple((series(version=version, pod=version, tier=tier), n) for version, tier, n in pairs)
    )


def test_bad_and_good_things_are_told_apart_and_nobody_elses_are_counted():
    every = counts(("new", "a", 10.0), ("old", "a", 30.0), ("new", "b", 4.0), ("older", "a", 99.0))
    some = counts(("new", "a", 3.0), ("old", "a", 6.0), ("older", "a", 50.0))
    assert readings.rows(some, every, VERSIONS, ("tier",)) == (
        Row("", Arm(14.0, 3.0), Arm(30.0, 6.0)),
        Row("tier=a", Arm(10.0, 3.0), Arm(30.0, 6.0)),
        Row("tier=b", Arm(4.0, 0.0), Arm(0.0, 0.0)),
    )
    assert readings.rows(some, every, VERSIONS, (), good=True) == (Row("", Arm(14.0, 11.0), Arm(30.0, 24.0)),)
    none = counts(("new", "b", 0.0))
    assert readings.rows(none, none, VERSIONS, ("tier",)) == (Row("", Arm(0.0, 0.0), Arm(0.0, 0.0)),)
    assert readings.rows(every, some, VERSIONS, ()).startswith("more bad things than things: is `of`")
    assert "in tier=b" not in readings.rows(every, some, VERSIONS, ("tier",))
    assert readings.rows(every, some, VERSIONS, (), good=True).startswith("more good things than things: is")
    mine, theirs = (
        counts(("new", "a", 3.0), ("old", "a", 31.0)),
        counts(("new", "a", 11.0), ("old", "a", 6.0)),
    )
    assert "more bad things" in readings.rows(mine, every, VERSIONS, ())
    assert "more bad things" in readings.rows(theirs, counts(("new", "a", 10.0)), VERSIONS, ())


# --- what a version served by itself ---------------------------------------------------------

ERRORS, LATENCY = Guard("errors", GuardKind.ERRORS), Guard("latency", GuardKind.LATENCY)
FINE = Bunching(100.0, 100.0)


def block(number, errors, **changes):
    """A block that stands for itself, of a thousand requests."""
    known = Stretch(BLOCK * number, BLOCK, 1000.0, errors, failed=FINE)
    return replace(known, **changes)


def beside(one, other):
    return Pair(0.0, one.errors, one.requests, other.errors, other.requests).moment()


def row_of(number):
    return [block(n, 10.0 + 3 * (n % 5) + 7 * (n % 3)) for n in range(number)]


def test_each_block_is_held_beside_that_of_half_an_hour_later():
    rows = row_of(36)
    blocks = {n: beside(rows[n], rows[n + 6]) for n in range(30)}
    bunching = Bunching(3600.0, 3600.0)
    expected = noise.of(Moments(bunching, blocks))
    assert not expected.provisional
    assert learn([ERRORS], alone=[rows])["errors"] == expected


def test_a_block_of_which_little_was_seen_or_in_other_buckets_is_held_beside_nothing():
    rows = row_of(40)
    rows[3] = replace(rows[3], seconds=0.8 * BLOCK - 1)
    rows[4] = replace(rows[4], seconds=0.8 * BLOCK)
    rows[5] = replace(rows[5], bounds=(0.5,))
    blocks = {n: beside(rows[n], rows[n + 6]) for n in range(34) if n not in {3, 5}}
    expected = noise.of(Moments(Bunching(3900.0, 3900.0), blocks))
    assert learn([ERRORS], alone=[rows])["errors"] == expected


def test_of_many_blocks_the_strangest_are_left_out_and_the_rest_stands_for_all():
    rows = row_of(learning.MANY + 6)
    rows[7], rows[20] = replace(rows[7], errors=90.0), replace(rows[20], errors=200.0)
    every = {n: beside(rows[n], rows[n + 6]) for n in range(learning.MANY)}
    # Two in forty: what each of the two is beside is as strange again, once, and the larger scores go.
    strangest = sorted(every, key=lambda n: -(every[n][0] ** 2) / every[n][1])[:2]
    larger = 1 / math.sqrt(0.759)
    kept = {n: (score * larger, told) for n, (score, told) in every.items() if n not in strangest}
    known = Moments(Bunching(100.0 * len(rows), 100.0 * len(rows)), kept)
    assert learn([ERRORS], alone=[rows])["errors"].spread == pytest.approx(noise.of(known).spread)


def test_versions_that_served_alone_are_learned_from_together_and_an_interval_with_both_first():
    one, other = (
        row_of(30),
        [replace(row, at=row.at + 40 * BLOCK, errors=2 * row.errors) for row in row_of(30)],
    )
    blocks = {n: beside(one[n], one[n + 6]) for n in range(24)}
    blocks |= {n + 40: beside(other[n], other[n + 6]) for n in range(24)}
    both = Increment(1, 2 * BLOCK + 1, 5.0, 50.0, Arm(100.0, 4.0), Arm(300.0, 8.0))
    mine = Pair(0.0, 4.0, 100.0, 8.0, 300.0).moment()
    bunching = Bunching().plus(*mine).with_(Bunching(6000.0, 6000.0))
    expected = noise.of(Moments(bunching, {**blocks, 2: mine}))
    assert learn([ERRORS], [both], [one, other])["errors"] == expected
    assert learn([ERRORS], [Gap(1, 3.0, "why", silent=True), both], [one, other])["errors"] == expected


def timed(number, slow):
    return block(
        number, 5.0, buckets=(900.0, 100.0 - slow, slow), bounds=(0.1, 0.5), slow=Bunching(50.0, 50.0)
    )


def test_slow_is_what_a_twentieth_of_all_requests_exceeded():
    rows = [timed(n, 40.0 + 9 * (n % 4)) for n in range(36)]
    slow = [Pair(0.0, rows[n].buckets[2], 1000.0, rows[n + 6].buckets[2], 1000.0).moment() for n in range(30)]
    expected = noise.of(Moments(Bunching(1800.0, 1800.0), dict(enumerate(slow))))
    assert learn([LATENCY], alone=[rows])["latency"] == expected
    tenth = replace(LATENCY, slower_than=0.1)
    late = [Pair(0.0, 100.0, 1000.0, 100.0, 1000.0).moment() for n in range(30)]
    assert learn([tenth], alone=[rows])["latency"] == noise.of(
        Moments(Bunching(1800.0, 1800.0), dict(enumerate(late)))
    )
    assert learn([LATENCY], alone=[row_of(36)])["latency"] == PROVISIONAL


def test_where_both_versions_were_seen_slow_is_by_both_of_them_in_the_newest_buckets():
    """Of 1,000 requests in them 55 are beyond the second bound, 250 beyond the first."""
    mine, theirs = Arm(500.0, 0.0, (300.0, 175.0, 25.0)), Arm(500.0, 0.0, (450.0, 20.0, 30.0))
    rows = [Increment(n, BLOCK * n, 10.0, 50.0, mine, theirs, (0.1, 0.5)) for n in range(1, 31)]
    older = replace(rows[0], at=0.0, bounds=(0.2, 0.7), candidate=Arm(9e3, 0.0, (0.0, 450.0, 8550.0)))
    pair = Pair(0.0, 25.0, 500.0, 30.0, 500.0).moment()
    bunching = Bunching()
    for _ in rows:
        bunching = bunching.plus(*pair)
    expected = noise.of(Moments(bunching, dict.fromkeys(range(1, 31), pair)))
    assert not expected.provisional
    assert learn([LATENCY], [older, *rows])["latency"] == expected


def test_the_newest_buckets_are_pooled_and_no_others():
    other = timed(9, 1.0)
    rows = [replace(other, bounds=(0.2, 0.5)), timed(1, 40.0), timed(2, 60.0)]
    assert stretch.pooled(rows) == ((1800.0, 100.0, 100.0), (0.1, 0.5))
    assert stretch.pooled([*rows, row_of(1)[0]]) == ((1800.0, 100.0, 100.0), (0.1, 0.5))
    assert stretch.pooled([]) == ((), ())


@pytest.mark.parametrize(
    ("buckets", "bound"),
    [
        ((90.0, 5.0, 5.0), 0.5),
        ((60.0, 35.0, 5.0), 0.5),
        ((96.0, 3.0, 1.0), 0.1),
        ((95.0, 5.0, 0.0), 0.1),
        ((50.0, 50.0, 0.0), 0.1),
        ((49.0, 51.0, 0.0), None),
        ((0.0, 0.0, 9.0), None),
        ((9.0, 0.0, 0.0), None),
    ],
)
def test_the_bound_to_watch_is_by_ratio_nearest_to_a_twentieth(buckets, bound):
    assert increment.usual_bound(buckets, (0.1, 0.5)) == bound


# --- segments --------------------------------------------------------------------------------

EACH = Asked("lost", How.RATE, labels=("tier", "country"), split=Split(most=2, least=0.1), stake=3.0)


def news(*rows, sequence=1):
    told = tuple(Row(name, Arm(mine, 0.0), Arm(theirs, 0.0)) for name, mine, theirs in rows)
    return Counted(sequence, 10.0 * sequence, 10.0, 50.0, "lost", told)


def heard(*looks, guard=EACH):
    state = AskedState()
    for what in looks:
        state = asked.update(guard, state, what, together=True, at=0.0)
    return state


def names(state):
    return [part.name for part in state.parts]


def test_half_of_the_stake_is_the_wholes_and_the_rest_is_dealt_over_the_places():
    assert (EACH.together, EACH.place) == (1.5, 1.5 / (2 * 3))
    alone = replace(EACH, whole=False)
    assert (alone.together, alone.place) == (0.0, 3.0 / (2 * 3))
    plain = replace(EACH, labels=())
    assert (plain.together, plain.place) == (3.0, 0.0)


def test_a_value_has_a_place_from_enough_requests_of_both_versions_on():
    few = SEEN / 2
    assert names(heard(news(("tier=a", few, few)))) == ["tier=a"]
    assert names(heard(news(("tier=a", few, few - 1)))) == ["tier=(others)"]
    # A tenth of its label's requests, whatever other labels have.
    large = ("tier=a", 500.0, 400.0)
    assert names(heard(news(large, ("tier=b", 50.0, 50.0), ("country=x", 5e3, 5e3)))) == [
        "tier=a",
        "tier=b",
        "country=x",
    ]
    assert names(heard(news(large, ("tier=b", 50.0, 49.0)))) == ["tier=a", "tier=(others)"]


def test_the_largest_get_the_places_and_what_came_first_keeps_its_own():
    first = news(("tier=a", 100.0, 100.0), ("tier=b", 300.0, 100.0), ("tier=c", 200.0, 100.0))
    state = heard(first)
    assert names(state) == ["tier=b", "tier=c", "tier=(others)"]
    rest = state.part("tier=(others)")
    assert (rest.requests, rest.stable_requests) == (100.0, 100.0)
    later = heard(first, news(("tier=a", 5e3, 5e3), sequence=2))
    assert names(later) == ["tier=b", "tier=c", "tier=(others)"]
    assert later.share("tier=a") == pytest.approx(10_200 / 10_900)
    assert later.share("tier=(others)") == pytest.approx(10_200 / 10_900)
    assert later.share("tier=b") == pytest.approx(400 / 10_900)
    assert later.share("country=x") == 0.0


def test_the_others_are_added_up_and_foreign_labels_are_not_looked_at():
    state = heard(news(("", 90.0, 90.0), ("tier=x", 2.0, 3.0), ("tier=y", 4.0, 5.0), ("city=z", 50.0, 50.0)))
    assert names(state) == ["", "tier=(others)"]
    rest = state.part("tier=(others)")
    assert (rest.requests, rest.stable_requests) == (6.0, 8.0)
    apart = heard(news(("", 90.0, 90.0), ("tier=x", 2.0, 3.0)), guard=replace(EACH, whole=False))
    assert names(apart) == ["tier=(others)"]


def test_so_many_values_are_remembered_the_largest_of_them():
    many = [(f"tier={number:03}", 1.0 + number / 1e3, 1.0) for number in range(MOST_WAITING + 5)]
    kept = dict(heard(news(*many)).seen)
    assert len(kept) == MOST_WAITING
    assert "tier=004" not in kept
    assert "tier=005" in kept


def test_nothing_is_compared_while_one_version_is_alone_and_a_reason_stands_until_the_next_news():
    what = news(("", 90.0, 90.0))
    state = asked.update(EACH, AskedState(), what, together=False, at=0.0)
    assert (state.parts, state.at) == ((), 10.0)
    away = asked.update(EACH, state, replace(what, gap="away"), together=True, at=0.0)
    assert (away.gap, away.at) == ("away", 10.0)
    assert asked.update(EACH, away, what, together=True, at=0.0).gap is None


def test_the_stakes_of_a_guard_add_up_to_its_own_and_a_limit_that_stable_breaks_blames_nobody():
    bets = rate.start()
    high = replace(bets, log_e=2.0, log_peak=3.0)
    state = AskedState((Part("", high), Part("tier=a", bets), Part(STABLE, high)))
    found = asked.stakes(EACH, state, blameless=False)
    assert [(one.guard, one.weight) for one in found] == [
        ("lost", 1.5), ("lost in tier=a", 0.25), ("lost in (free places)", pytest.approx(1.25)),
    ]  # fmt: skip
    assert (found[0].log_e, found[0].log_peak) == (2.0, 3.0)
    assert asked.stakes(EACH, state, blameless=True)[0].log_e == 0.0
    alone = asked.stakes(replace(EACH, labels=()), AskedState((Part("", high),)), blameless=False)
    assert [(one.guard, one.weight) for one in alone] == [("lost", 3.0)]
