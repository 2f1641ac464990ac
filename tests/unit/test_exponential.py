"""Native histograms that would be taken for something that they are not: each is a reason, and never a count."""

import pytest

from service.adapters.counters.exponential import Exponential
from service.ports.outcomes import Refused

SECOND = [0, "0.5", "1", "3"]
LONG = [0, "64", "128", "4"]


def series(*samples):
    """What is read of copies, each with one sample."""
    rows = [((("pod", str(n)),), {"histograms": [[10.0, one]]}) for n, one in enumerate(samples)]
    return Exponential().series("took_seconds_bucket", rows)


def newest(found):
    return {dict(one.labels)["le"]: one.points[-1][1] for one in found}


def test_something_observed_that_is_no_number_is_a_reason():
    assert newest(series({"count": "3", "buckets": [SECOND]}))["+Inf"] == 3
    with pytest.raises(Refused, match="add up"):
        series({"count": "4", "buckets": [SECOND]})
    with pytest.raises(Refused, match="add up"):
        series({"count": "NaN", "buckets": [SECOND]})


def test_one_of_milliseconds_is_a_reason_and_a_copy_that_hangs_is_counted():
    with pytest.raises(Refused, match="longer than 64 s"):
        series({"count": "7", "buckets": [SECOND, LONG]})
    hangs, others = {"count": "4", "buckets": [LONG]}, {"count": "6", "buckets": [SECOND] * 2}
    assert {one.points[-1][1] for one in series(hangs, others) if dict(one.labels)["le"] == "+Inf"} == {4, 6}


def test_one_that_has_counted_nothing_is_there_with_zeros_and_none_is_no_answer():
    assert series() == ()
    assert set(newest(series({"count": "0"})).values()) == {0}
