"""What a judged interval says of stable by itself is what a comparison of stable's own counters says."""

import math
import random

import pytest

from policies.guards.increment import Increment, difference
from service.observing.intervals import stable_alone
from service.ports.metrics import Counters, Sample

BOUNDS = (0.1, 1.0, math.inf)


def counters(chance: random.Random, before: Counters | None = None) -> Counters:
    """Beyond those of before; without durations sometimes."""
    buckets = [count for _, count in before.buckets] if before is not None and before.buckets else [0.0] * 3
    total = before.requests if before is not None else 0.0
    gained = sorted(float(chance.randint(0, 9)) for _ in BOUNDS)
    errors = (before.errors if before is not None else 0.0) + chance.choice((0.0, gained[-1]))
    timed = before is None or bool(before.buckets)
    timed = timed and (before is not None or chance.random() < 0.7)
    rows = tuple((bound, count + more) for bound, count, more in zip(BOUNDS, buckets, gained, strict=True))
    return Counters(total + gained[-1], errors, rows if timed else ())


@pytest.mark.parametrize("seed", range(40))
def test_it_is_that_of_its_own_counters(seed: int) -> None:
    chance = random.Random(seed)
    first = {name: counters(chance) for name in ("new", "old") if chance.random() < 0.8}
    second = {name: counters(chance, first.get(name)) for name in ("new", "old")}
    before, after = Sample(5.0, 1.0, tuple(first.items())), Sample(15.0, 1.0, tuple(second.items()))
    what = difference(before, after, candidate="new", stable="old", weight=10.0, sequence=7)
    own = difference(before, after, candidate="old", stable=None, weight=100.0, sequence=0)
    assert isinstance(what, Increment)
    found = stable_alone(what)
    assert found == own if second["old"].buckets else found is None


def test_one_without_stable_says_nothing_of_it() -> None:
    sample = [Sample(at, 1.0, (("new", Counters(at, 0.0)),)) for at in (1.0, 2.0)]
    what = difference(*sample, candidate="new", stable=None, weight=100.0, sequence=1)
    assert isinstance(what, Increment)
    assert stable_alone(what) is None
