"""Counters become increments, or gaps; a gap is never filled in."""

import json
import math
from dataclasses import dataclass, replace

import pytest

from policies.guards import increment
from policies.guards.increment import Arm, Gap, Increment, difference
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
