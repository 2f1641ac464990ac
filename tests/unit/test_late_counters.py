"""Counters that a Prometheus tells late: what was counted before a weight moved is never taken for after it."""

from types import SimpleNamespace

from policies.guards.increment import Gap, Increment
from service.observing import intervals
from service.observing.judged import Judged
from service.ports.metrics import Counters, Sample


def sample(at, requests):
    counters = Counters(requests, 0.0, ((float("inf"), requests),))
    return Sample(at, 1.0, (("a", counters), ("b", counters)))


def interval(before):
    """What an interval is taken for that ends at 20, where the weight has stood since 10."""
    release = SimpleNamespace(wanted=5.0, observed=5.0, backend="b", only_watched=False)
    watched = SimpleNamespace(release=release, stable="a", moment=(1, 0, 5.0, True))
    known = Judged(
        name="rel-7",
        judge=None,
        history=None,
        noise={},
        started=(0.0, 0),
        state=SimpleNamespace(state=None, sequence=7),
        epoch=1,
        moment=watched.moment,
        moved=10.0,
    )
    return intervals.interval(watched, known, before, sample(20.0, 9.0), now=20.0)


def test_an_interval_that_began_before_the_weight_moved_says_nothing():
    found = interval(sample(9.9, 4.0))
    assert isinstance(found, Gap)
    assert (found.silent, found.reason) == (False, "it was counted before the weight moved")


def test_one_that_began_after_it_counts():
    found = interval(sample(10.0, 4.0))
    assert isinstance(found, Increment)
    assert (found.seconds, found.candidate.requests) == (10.0, 5.0)
