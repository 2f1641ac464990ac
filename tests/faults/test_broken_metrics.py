"""R10: whatever is wrong with the counters, no weight grows while nothing is known."""

import math
from dataclasses import replace

import pytest

from service.observer import Observer
from service.ports.metrics import Counters, NoData, Sample
from service.ports.outcomes import Retry
from tests.faults.harness import told
from tests.scenarios.conftest import World

pytestmark = pytest.mark.faults
FRESH = 16  # seconds after which what was told before says nothing any more
LONG = 40  # seconds, longer than any dwell
FEW = 60  # requests a second: evidence for the next weight takes its time


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.close()


def changed(sample, backend, **numbers):
    """The sample with other numbers for one backend."""
    return replace(
        sample,
        backends=tuple((n, replace(c, **numbers) if n == backend else c) for n, c in sample.backends),
    )


def times(factor):
    return lambda sample, new, _n: changed(
        sample,
        new,
        requests=dict(sample.backends)[new].requests * factor,
        buckets=tuple((bound, count * factor) for bound, count in dict(sample.backends)[new].buckets),
    )


def refuses(_sample, _new, _n):
    raise Retry("connection refused")


KINDS = {
    "no answer": lambda s, new, n: NoData("connection refused"),
    "an adapter that raises": refuses,
    "nothing is listed": lambda s, new, n: replace(s, backends=()),
    "the candidate is missing": lambda s, new, n: replace(
        s, backends=tuple(one for one in s.backends if one[0] != new)
    ),
    "only the candidate is listed": lambda s, new, n: replace(
        s, backends=tuple(one for one in s.backends if one[0] == new)
    ),
    "not a number": times(math.nan),
    "infinite": times(math.inf),
    "negative": times(-1.0),
    "more errors than requests": lambda s, new, n: changed(s, new, errors=1e9 * (n + 1)),
    "counters that go back": lambda s, new, n: times(1.0 / (n + 1))(s, new, n),
    "a counter that stands": lambda s, new, n: Sample(s.at, s.started, FROZEN.setdefault(new, s.backends)),
    "a router that restarts each time": lambda s, new, n: replace(s, started=s.at),
    "a time that is none": lambda s, new, n: replace(s, at=math.nan),
    "a time that stands": lambda s, new, n: replace(s, at=1.0),
    "a time an hour ago": lambda s, new, n: replace(s, at=s.at - 3600 * (n + 1)),
    "other buckets each time": lambda s, new, n: changed(s, new, buckets=((0.1 + n, 1e6), (math.inf, 1e6))),
    "no buckets": lambda s, new, n: changed(s, new, buckets=(), requests=float(n)),
}
FROZEN = {}


def play_broken(world, broken, monkeypatch):
    """A rollout on its way, then only broken answers for a while; its weight, the most of it later, and it."""
    world.live()
    world.serve(FEW)
    second = world.rollout()
    real, number = world.metrics.sample, iter(range(10_000))
    monkeypatch.setattr(world.metrics, "sample", lambda: broken(real(), second.backend, next(number)))
    world.play(FRESH)
    before, most = world.release(second.name).wanted, 0.0
    for _ in range(LONG):
        world.play(1)
        most = max(most, world.release(second.name).wanted)
    return before, most, world.release(second.name)


def test_whole_numbers_advance_the_same_rollout(world, monkeypatch):
    before, most, _ = play_broken(world, lambda sample, new, n: sample, monkeypatch)
    assert most > before


@pytest.mark.parametrize("kind", KINDS)
def test_broken_numbers_advance_nothing(world, kind, monkeypatch):
    FROZEN.clear()
    before, most, after = play_broken(world, KINDS[kind], monkeypatch)
    told(f"broken metrics ({kind})", weight=before, most_afterwards=most, phase=after.phase.value)
    assert before < 100
    assert most <= before
    assert after.phase.value != "promoted"


def test_broken_numbers_find_an_observer_that_takes_no_data_for_good_data(world, monkeypatch):
    real, counted = Observer._sample, []

    def hopeful(self, place):
        sample = real(self, place)
        if isinstance(sample, NoData):
            weights = world.weights()
            grown = tuple((name, grow(counts, weights[name])) for name, counts in counted[-1].backends)
            sample = Sample(self.clock(), counted[-1].started, grown)
        counted.append(sample)
        return sample

    def grow(counts, weight):
        new = FEW * weight / 100
        more = tuple((bound, count + new * (bound >= 0.01)) for bound, count in counts.buckets)
        return Counters(counts.requests + new, counts.errors, more)

    monkeypatch.setattr(Observer, "_sample", hopeful)
    before, most, _ = play_broken(world, KINDS["no answer"], monkeypatch)
    told("planted an observer that takes no data for good data", weight=before, most_afterwards=most)
    assert most > before
