"""Counters become increments, or gaps; a gap is never filled in."""

import json
import math
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.guards import increment
from policies.guards.increment import Arm, Gap, Increment, difference
from policies.guards.judge import Judge
from policies.guards.noise import Noise
from policies.spec.declaration import Environment, Guard, GuardKind
from service.ports.metrics import Counters, Sample

BEFORE = Sample(10.0, 1.0, (("new", Counters(5, 1, ((0.1, 4), (math.inf, 5)))), ("old", Counters(90, 2))))


def sample(at=11.0, started=1.0, **backends):
    return Sample(at, started, tuple(backends.items()))


def diff(after, before=BEFORE):
    return difference(before, after, candidate="new", stable="old", weight=10.0, sequence=7)


def test_two_readings_of_a_router_give_what_each_version_got():
    after = sample(new=Counters(8, 2, ((0.1, 6), (math.inf, 8))), old=Counters(120, 2))
    assert diff(after) == Increment(7, 11.0, 1.0, 10.0, Arm(3, 1, (2, 1)), Arm(30, 0), (0.1,))


def test_a_version_that_was_never_asked_has_zero_requests_and_its_first_counter_counts_from_zero():
    before = sample(at=10.0, old=Counters(90, 2))
    nothing = diff(sample(old=Counters(99, 2)), before)
    assert isinstance(nothing, Increment)
    assert nothing.candidate == Arm(0, 0)
    first = diff(sample(new=Counters(2, 1), old=Counters(99, 2)), before)
    assert isinstance(first, Increment)
    assert first.candidate == Arm(2, 1)


@pytest.mark.parametrize(
    ("after", "silent"),
    [
        (sample(started=2.0, new=Counters(8, 2), old=Counters(99, 2)), False),
        (sample(at=10.0, new=Counters(8, 2), old=Counters(99, 2)), False),
        (sample(new=Counters(8, 2)), True),
        (sample(new=Counters(4, 1), old=Counters(99, 2)), True),
        (sample(new=Counters(math.nan, 1), old=Counters(99, 2)), True),
        (sample(new=Counters(math.inf, 1), old=Counters(99, 2)), True),
        (sample(new=Counters(6, 4), old=Counters(99, 2)), True),
        (sample(new=Counters(8, 1, ((0.2, 6), (math.inf, 8))), old=Counters(99, 2)), True),
    ],
    ids=["restart", "order", "gone", "went back", "NaN", "infinite", "errors > requests", "buckets"],
)
def test_what_cannot_be_an_increment_is_a_gap_for_both_versions(after, silent):
    found = diff(after)
    assert isinstance(found, Gap)
    assert found.silent is silent
    assert found.reason


def test_the_first_reading_is_a_gap_but_not_silence():
    found = diff(BEFORE, None)
    assert isinstance(found, Gap)
    assert not found.silent


def test_increments_and_gaps_survive_json_to_the_last_bit():
    whole = Increment(7, 0.1 + 0.2, 1.0, 10.0, Arm(3, 1, (2, 1)), Arm(30, 0.1), (0.1,))
    for what in (whole, replace(whole, stable=None), Gap(1, 2.5, "why", silent=True)):
        assert increment.from_json(json.loads(json.dumps(increment.to_json(what)))) == what


def test_slow_requests_are_counted_at_a_bucket_bound_only():
    arm = Arm(10, 0, (7, 2, 1))
    assert increment.slower(arm, (0.1, 0.5), 0.5) == (1, 10)
    assert increment.slower(arm, (0.1, 0.5), 0.1) == (3, 10)
    assert increment.slower(arm, (0.1, 0.5), 0.2) is None


def test_the_usual_bound_is_the_one_that_about_a_twentieth_of_requests_exceed():
    assert increment.usual_bound((90, 8, 2), (0.1, 0.5)) == 0.1
    assert increment.usual_bound((80, 18, 2), (0.1, 0.5)) == 0.5
    assert increment.usual_bound((942, 54, 4), (0.1, 0.5)) == 0.1
    assert increment.usual_bound((10, 0, 0), (0.1, 0.5)) is None
    assert increment.usual_bound((0, 0, 10), (0.1, 0.5)) is None
    assert increment.usual_bound((), (0.1, 0.5)) is None


# --- whatever comes, in whatever order -------------------------------------------------------

TRUE = {"new": (12, 40), "old": (5, 200)}  # failed requests and requests a second
KNOWN = Judge.of(
    Environment(guards=(Guard("errors", GuardKind.ERRORS),)),
    noise={"errors": Noise(1.0, 0.001, provisional=False)},
)


@st.composite
def disturbed(draw):
    """Readings of a router each second, with restarts, lost and repeated readings, late ones, and clocks
    that step; and how many seconds there were."""
    readings, held, started, skew = [], dict.fromkeys(TRUE, 0), 1.0, 0.0
    seconds = draw(st.integers(3, 20))
    for number in range(seconds):
        skew += draw(st.sampled_from([0.0] * 8 + [-9.5, 9.5]))
        happens = draw(st.sampled_from([*["nothing"] * 8, "restart", "lost", "twice", "late"]))
        if happens == "restart":
            held, started = dict.fromkeys(TRUE, 0), float(number + 2)
        held = {name: seen + 1 for name, seen in held.items()}
        counters = {
            name: Counters(every * held[name], bad * held[name]) for name, (bad, every) in TRUE.items()
        }
        if happens != "lost":
            readings.append(sample(at=number + skew, started=started, **counters))
        if happens == "twice" or (happens == "late" and readings):
            readings.append(draw(st.sampled_from(readings)) if happens == "late" else readings[-1])
    return readings, seconds


def judged(intervals):
    state = KNOWN.start(0.0)
    for what in intervals:
        state = KNOWN.observe(state, what)
    return state


@settings(max_examples=60)
@given(disturbed())
def test_restarts_gaps_duplicates_disorder_and_clocks_never_make_a_version_look_worse_than_it_is(drawn):
    """All that is told has the true rates, and of no second more than there was; so the evidence is never
    above that of the same seconds undisturbed."""
    readings, seconds = drawn
    before, intervals = None, []
    for number, reading in enumerate(readings):
        intervals.append(
            difference(before, reading, candidate="new", stable="old", weight=10.0, sequence=number)
        )
        before = before if before is not None and increment.came_late(before, reading) else reading
    told = [what for what in intervals if isinstance(what, Increment)]
    for name, (bad, every) in TRUE.items():
        arms = [what.candidate if name == "new" else what.stable for what in told]
        assert all(arm.errors * every == arm.requests * bad for arm in arms)
        assert sum(arm.requests for arm in arms) <= every * seconds
    whole = [
        Increment(number, float(number), 1.0, 10.0, Arm(40, 12), Arm(200, 5)) for number in range(seconds)
    ]
    assert judged(intervals).comparisons[0].log_e <= judged(whole).comparisons[0].log_e + 0.01


def test_a_reading_of_before_that_comes_late_is_nothing_to_go_on_from():
    late = sample(at=9.0, new=Counters(4, 1), old=Counters(80, 2))
    assert increment.came_late(BEFORE, late)
    assert not increment.came_late(BEFORE, sample(at=9.0, new=Counters(6, 1), old=Counters(95, 2)))
    assert not increment.came_late(BEFORE, sample(at=9.0, started=2.0, new=Counters(1, 0)))


@dataclass(frozen=True)
class Other:
    """Any value of the right shape will do: guards do not know ports."""

    at: float
    started: float
    named: dict


def test_readings_are_taken_by_their_shape():
    found = diff(
        Other(11.0, 1.0, {"new": Counters(5, 1), "old": Counters(91, 2)}),
        Other(10.0, 1.0, {"new": Counters(5, 1), "old": Counters(90, 2)}),
    )
    assert isinstance(found, Increment)
