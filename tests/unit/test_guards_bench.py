"""What Segue's guards are held against in the benchmark: the others' rules, and the arithmetic of intervals."""

import math

import numpy as np
import pytest

from bench.guards import fixed, kayenta, numbers, targets, thresholds, worlds
from bench.guards.running import Cell, all_of
from policies.guards.judge import Judge
from policies.guards.plan import History
from service.worlds.panels import OneByOne
from service.worlds.traffic import Traffic, World

BOUNDS = worlds.DEFAULT_BUCKETS


def test_kayenta_sees_a_shift_and_not_its_absence():
    one, same = np.random.default_rng(1).normal(10, 1, (2, 60))
    assert not kayenta.high(one, same)
    assert kayenta.high(one + 6, same)
    assert not kayenta.high(one - 6, same), "only a rise counts"
    assert not kayenta.high(np.append(one, np.nan), np.append(same, np.nan)), "what is no number is left out"


def test_kayenta_passes_rare_errors_however_many_times_more():
    """The minutes tie at zero, so the shift is estimated as none: spinnaker issue 6278."""
    canary = np.zeros(60)
    canary[::6] = 0.7
    baseline = np.zeros(60)
    baseline[3] = 0.1
    assert canary.mean() > 50 * baseline.mean()
    assert not kayenta.high(canary, baseline)


def test_kayenta_is_asked_over_all_that_was_seen_so_far():
    dice = np.random.default_rng(2)
    canary, baseline = dice.normal(10, 1, (2, 1, 60))
    canary[0, 20:] += 8
    assert kayenta.first_failure(canary[:, :20], baseline[:, :20], every=10) is None
    assert kayenta.first_failure(canary, baseline, every=10) in {40, 50, 60}


def test_a_quantile_is_read_from_buckets_as_prometheus_reads_it():
    buckets = np.array([[0.0, 50, 30, 10, 5, 0, 5, 0, 0, 0, 0, 0], [0.0] * 12, [0.0] * 11 + [3.0]])
    found = thresholds.quantile(buckets, BOUNDS)
    assert found[0] == pytest.approx(0.25 + 0.25 * 4 / 5), (
        "the 99th of 100 is the fourth of five in 0.25 to 0.5"
    )
    assert math.isnan(found[1])
    assert found[2] == 10.0


def test_limits_count_an_answer_without_requests_as_bad():
    said = thresholds.bad(
        np.array([100.0, 100, 100, 0]), np.array([1.0, 2, 0, 0]), np.array([0.4, 0.4, 0.6, math.nan])
    )
    assert said.tolist() == [False, True, True, True]


def test_intervals_are_the_known_ones():
    share = numbers.share(10, 1000)
    assert (share[0], share[1], share[2]) == pytest.approx(
        (0.01, 0.00544, 0.01831), abs=1e-5
    )  # Wilson (1927)
    assert numbers.share(0, 100)[2] == pytest.approx(0.0370, abs=1e-4)
    assert numbers.median(np.arange(101.0)) == (50.0, 40.0, 61.0)
    assert numbers.count(numbers.median(np.array([1.0, np.inf, np.inf]))) == "-"


def test_segue_in_the_benchmark_is_production_s_judge_seeing_the_same_requests():
    case = worlds.Case("broken", World(100, 0.001, worse=40))
    got = fixed.run(case, 5, 3, BOUNDS)[fixed.OURS]
    judge = Judge.of(fixed.ENVIRONMENT, history=History(360_000, 360))
    plain, everyone, weights = OneByOne([judge] * 5, BOUNDS), np.arange(5), np.full(5, fixed.WEIGHT)
    traffic = Traffic(case.world, 5, 3, bounds=BOUNDS, horizon=worlds.HORIZON)
    caught, requests = np.full(5, np.inf), np.zeros(5)
    while np.isinf(caught).any():
        tick = traffic.step(everyone, weights, fixed.EVERY)
        plain.observe(everyone, tick, weights)
        requests += np.where(np.isinf(caught), tick.candidate.requests, 0.0)
        caught = np.where(plain.harmful(everyone), np.minimum(caught, tick.at), caught)
    assert got.at.tolist() == caught.tolist()
    assert got.requests.tolist() == requests.tolist()


def test_a_look_each_second_finds_before_the_next_look_of_ten():
    case = worlds.Case("broken", World(100, 0.001, worse=40))
    often = fixed.often(case, 5, 3, BOUNDS)[fixed.OURS_LEARNED]
    seldom = fixed.run(case, 5, 3, BOUNDS)[fixed.OURS_LEARNED]
    assert np.isfinite(often.at).all()
    assert (often.at % fixed.EVERY != 0).any(), "between two looks of ten seconds"
    assert often.at.mean() < seldom.at.mean()
    # Ten requests of the candidate a second come until then, of which one in 25 fails.
    assert often.requests == pytest.approx(10 * often.at, rel=0.5)
    assert (often.failed > 0).all()
    assert (often.failed < often.requests).all()


class Sum(int):
    def plus(self, other):
        return Sum(self + other)


def _one(runs, seed):
    return {"count": Sum(runs), "seeds": Sum(seed)}


def test_each_cell_gets_a_batch_however_little_time_there_is():
    cells = [Cell(("a", "first"), _one, 10, 100), Cell(("a", "second"), _one, 20, 100)]
    short = all_of(cells, seconds=0, seed=5, jobs=1, told=lambda _: None)
    assert {key: int(what["count"]) for key, what in short.items()} == {
        ("a", "first"): 10,
        ("a", "second"): 20,
    }
    whole = all_of(cells, seconds=60, seed=5, jobs=2, told=lambda _: None)
    assert {int(what["count"]) for what in whole.values()} == {100}


def test_a_good_version_that_is_often_rolled_back_is_certain_and_one_by_chance_is_not():
    never = np.full(40, np.inf)
    often, once = never.copy(), never.copy()
    often[:13], once[:2] = 60.0, 60.0
    for at, certain in ((never, False), (once, False), (often, True)):
        line = targets._rolled_back("good", at, 0.01, promised=True)
        assert (line.certain, line.reached) == (certain, not np.isfinite(at).any())
