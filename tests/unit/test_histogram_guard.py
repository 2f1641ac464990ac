"""Durations in buckets: what the guard finds, what it forgives, and that buckets of any kind can be compared."""

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.guards import factors, histogram, native
from policies.guards import state as states
from policies.guards.increment import Arm
from policies.guards.noise import PROVISIONAL, Noise

DEFAULT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # client libraries' usual ones
QUIET = Noise(1.0, 0.001, provisional=False)
SPREAD = math.log(3.2) / 2.326  # of log time: the 99th percentile is 3.2 times the median


def chances(below):
    """The share of requests in each bucket, from the share below each bound."""
    return np.diff([0.0, *map(below, DEFAULT), 1.0])


def lognormal(median, spread=SPREAD):
    return lambda bound: 0.5 * (1 + math.erf(math.log(bound / median) / spread / math.sqrt(2)))


USUAL = lognormal(0.1)
STABLE = chances(USUAL)
SLOWER = chances(lognormal(0.11))
TAIL = chances(lambda b: 0.97 * USUAL(b) + 0.03 * lognormal(0.64, 0.3)(b))  # the 99th percentile doubled


def until_harm(candidate, *, runs=60, seconds=150, noise=QUIET, seed=1, stable=lambda at: STABLE):
    """(share of runs blamed, median of the candidate's requests until then); 100 a second, one tenth hers."""
    dice = np.random.default_rng(seed)
    track = histogram.start_track((runs,), len(STABLE))
    blamed, seen = np.zeros(runs, bool), np.zeros(runs)
    places = factors.before(DEFAULT)
    for at in range(seconds):
        x = dice.poisson(10 * candidate(at), (runs, len(STABLE)))
        y = dice.poisson(90 * stable(at), (runs, len(STABLE)))
        track = histogram.advance(track, x, y, places=places, at=float(at), seconds=1.0, noise=noise)
        seen += np.where(blamed, 0, x.sum(axis=-1))
        blamed |= histogram.log_evidence(track) >= math.log(100)
    return blamed.mean(), np.median(seen)


@pytest.mark.parametrize(("slow", "most"), [(SLOWER, 600), (TAIL, 500)], ids=["ten percent", "tail"])
def test_a_slower_version_is_found_from_default_buckets(slow, most):
    found, requests = until_harm(lambda at: slow)
    assert found == 1
    assert requests <= most


def three_kinds(times):
    """From a cache, plain and large requests; between them there are buckets that hardly any falls in."""
    kinds = ((0.5, lognormal(0.012, 0.4)), (0.4, lognormal(0.09, 0.3)), (0.1, lognormal(0.7, 0.5)))
    return chances(lambda bound: sum(part * below(bound / times) for part, below in kinds))


def test_a_slowness_whose_shape_in_the_buckets_nobody_wrote_down_is_found_too():
    found, requests = until_harm(lambda at: three_kinds(1.25), stable=lambda at: three_kinds(1.0))
    assert found == 1
    assert requests <= 700  # what is written alone would take more than 1,500


def pooled(ratio, weight):
    """Isotonic regression by pooling neighbours that fall."""
    runs = []
    for value, mass in zip(ratio, weight, strict=True):
        runs.append((value, mass, 1))
        while len(runs) > 1 and runs[-2][0] > runs[-1][0]:
            (one, mine, n), (other, theirs, m) = runs[-2:]
            runs[-2:] = [((one * mine + other * theirs) / (mine + theirs), mine + theirs, n + m)]
    return [value for value, _, length in runs for _ in range(length)]


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 500)), min_size=2, max_size=12))
def test_what_is_learned_does_not_fall_and_has_the_mean_of_stables_past(rows):
    past, own = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    places = factors.before(tuple(float(bound) for bound in range(1, len(rows))))
    rho = np.exp(factors.factors(np.array([past, own]), places).logs[-1])
    chance = (past + 1 / len(rows)) / (past.sum() + 1)
    ratio = (own + factors.TRUST * chance) / chance / (own.sum() + factors.TRUST)
    assert rho == pytest.approx(pooled(ratio, chance), rel=1e-6)
    assert (np.diff(rho) >= -1e-12 * rho[1:]).all()
    assert (chance * rho).sum() == pytest.approx(1)


def test_a_state_of_older_code_goes_on_with_what_it_has():
    seen = fed([((40, 9, 1), (300, 30, 3), 1.0)] * 3)
    older = replace(seen, bets=(1.0,) * 24, block=(0.0,) * 24, information=(9.0,) * 6, own=())
    nothing = ((0, 0, 0), (80, 10, 0), 0.0)
    assert fed([nothing], state=older).log_e == pytest.approx(seen.log_e, abs=1e-9)
    assert fed([((0, 5, 5), (90, 9, 1), 1.0)] * 3, state=older).log_e > seen.log_e


def test_factors_are_made_anew_when_a_fifth_of_what_they_would_be_made_of_is_new():
    state, begun = histogram.start((9000, 900, 100)), []
    for look in range(400):
        before = state
        state = fed([((40, 9, 1), (300, 30, 3), 10.0)], state=before)
        if state.made == before.made:
            continue
        begun.append(look)
        assert state.made == before.past + (before.own or (0.0,) * 3)
        assert state.made_at == before.seconds
        kept = 2 ** ((before.made_at - before.seconds) / histogram.HALF_LIFE)
        stable = sum(before.past) - kept * sum(before.made[:3])
        own = sum(before.own) - kept * sum(before.made[3:])
        assert stable > 0.2 * sum(before.past) or own > 0.2 * (sum(before.own) + factors.TRUST)
    assert begun[0] == 0
    assert 0 < len([look for look in begun if look >= 100]) <= 8
    assert histogram.again(state).made == ()


def test_equal_versions_are_rarely_blamed_while_the_weight_climbs():
    """Amid a block of noise a change of weight alters what each request tells; no late bet may profit."""
    dice, runs = np.random.default_rng(5), 60
    track = histogram.start_track((runs,), len(STABLE))
    blamed, places = np.zeros(runs, bool), factors.before(DEFAULT)
    for at in range(240):
        share = (0.01, 0.2, 0.5, 0.75)[at // 60]
        x = dice.poisson(1000 * share * STABLE, (runs, len(STABLE)))
        y = dice.poisson(1000 * (1 - share) * STABLE, (runs, len(STABLE)))
        track = histogram.advance(track, x, y, places=places, at=float(at), seconds=1.0, noise=PROVISIONAL)
        blamed |= histogram.log_evidence(track) >= math.log(100)
    assert blamed.sum() <= 2


def test_equal_versions_are_rarely_blamed_while_both_become_slower():
    def both(at):
        return SLOWER if at > 60 else STABLE

    blamed, _ = until_harm(both, stable=both, runs=300, seconds=120, seed=2)
    assert blamed <= 0.015


def test_a_candidate_that_is_faster_is_not_blamed():
    blamed, _ = until_harm(lambda at: chances(lognormal(0.08)), seconds=60)
    assert blamed == 0


def test_without_history_ten_percent_may_be_the_luck_of_a_block():
    """Provisional noise: two equal versions may differ so much for five minutes."""
    blamed, _ = until_harm(lambda at: SLOWER, noise=PROVISIONAL, seconds=60)
    assert blamed < 0.2


def fed(rows, *, bounds=(0.1, 0.5), worse_by=0.0, state=None):
    state, at = state or histogram.start(), 0.0
    for candidate, stable, seconds in rows:
        at += seconds
        state = histogram.update(
            state,
            Arm(sum(candidate), 0.0, candidate),
            Arm(sum(stable), 0.0, stable),
            bounds=bounds,
            at=at,
            seconds=seconds,
            worse_by=worse_by,
            noise=PROVISIONAL,
        )
    return state


counts = st.tuples(*[st.integers(0, 60)] * 3)
rows = st.lists(st.tuples(counts, counts, st.floats(0, 400)), max_size=10)


@settings(max_examples=40)
@given(rows)
def test_replay_is_exact_through_json_at_every_step(scrapes):
    whole, stored, at = fed(scrapes), histogram.start(), 0.0
    for candidate, stable, seconds in scrapes:
        at += seconds
        kept = json.loads(
            json.dumps(
                {k: states.packed(v) if isinstance(v, tuple) else v for k, v in asdict(stored).items()}
            )
        )
        read = histogram.HistogramState(
            **{k: states.unpacked(v) if isinstance(v, str) else v for k, v in kept.items()}
        )
        factors._kept.cache_clear()  # as after a restart
        stored = histogram.update(
            read,
            Arm(sum(candidate), 0.0, candidate),
            Arm(sum(stable), 0.0, stable),
            bounds=(0.1, 0.5),
            at=at,
            seconds=seconds,
            worse_by=0.0,
            noise=PROVISIONAL,
        )
    assert stored == whole
    assert math.isfinite(whole.log_e)


def test_many_rollouts_at_once_give_the_bits_of_each_alone():
    dice = np.random.default_rng(5)
    runs, bounds = 70, (0.1, 0.5)
    much = np.arange(1, runs + 1)[:, None]  # so that not all need new factors at the same time
    x, y = dice.poisson(3 * much, (30, runs, 3)), dice.poisson(20 * much, (30, runs, 3))
    track = histogram.start_track((runs,), 3)
    for at in range(30):
        places = factors.before(bounds)
        track = histogram.advance(
            track, x[at], y[at], places=places, at=20.0 * at, seconds=20.0, noise=PROVISIONAL
        )
    for run in range(runs):
        state = histogram.start()
        for at in range(30):
            arms = [
                Arm(float(row.sum()), 0.0, tuple(row.astype(float).tolist()))
                for row in (x[at, run], y[at, run])
            ]
            state = histogram.update(
                state, *arms, bounds=bounds, at=20.0 * at, seconds=20.0, worse_by=0.0, noise=PROVISIONAL
            )
        assert state.bets == tuple(track.bets[run].tolist())
        assert [state.past, state.own] == [tuple(row) for row in track.counts[run].tolist()]


def test_an_interval_without_requests_on_one_side_says_nothing():
    seen = fed([((9, 1, 0), (300, 30, 3), 1.0)] * 2)
    for silent in (((0, 0, 0), (80, 10, 0), 0.0), ((5, 5, 5), (0, 0, 0), 0.0)):
        assert fed([silent], state=seen).log_e == seen.log_e


def test_nothing_is_bet_before_stable_was_seen_and_a_past_from_before_helps():
    slow = ((0, 0, 30), (30, 3, 0), 1.0)
    assert fed([slow]).log_e <= 1e-12
    assert fed([slow], state=histogram.start((3000, 300, 3))).log_e > math.log(100)


def test_other_buckets_than_before_keep_the_bets_and_begin_the_past_anew():
    seen = fed([((0, 5, 5), (90, 9, 1), 1.0)] * 3)
    after = fed([((1.0, 1.0), (50.0, 9.0), 0.0)], bounds=(0.3,), state=seen)
    assert after.past == (50.0, 9.0)
    assert after.log_e == seen.log_e


def test_what_people_read_are_requests_slower_than_a_bound_of_stables_own():
    state = fed([((50, 30, 20), (950, 40, 10), 1.0)] * 3)
    assert state.bound == 0.1
    assert (state.bad, state.requests) == (100, 200)
    assert (state.stable_bad, state.stable_requests) == (100, 2000)


@given(st.lists(st.floats(1e-4, 100), min_size=1, max_size=20, unique=True), st.floats(0, 5))
def test_a_tolerance_moves_requests_down_and_never_further_than_it_says(bounds, worse_by):
    bounds = sorted(bounds)
    where = histogram.moved(bounds, worse_by)
    assert all(new <= old for old, new in enumerate(where))
    assert where == sorted(where)
    assert histogram.moved(bounds, 0.0) == list(range(len(bounds) + 1))
    upper = [*bounds, math.inf]
    assert all(upper[new] >= low / (1 + worse_by) for low, new in zip([0.0, *bounds], where, strict=True))


def test_a_tolerated_slowness_is_forgiven_and_a_larger_one_is_not():
    bounds = tuple(0.05 * 1.2**i for i in range(12))
    base = np.random.default_rng(3).lognormal(math.log(0.12), 0.4, 40_000)

    def row(factor, size):
        found = np.bincount(np.searchsorted(bounds, base[:size] * factor), minlength=13)
        return tuple(found.astype(float).tolist())

    def judged(factor):
        return fed([(row(factor, 2000), row(1.0, 18_000), 60.0)] * 8, bounds=bounds, worse_by=0.25)

    assert judged(1.15).log_peak < math.log(2)
    assert judged(2.2).log_e > math.log(100)


# --- native histograms -----------------------------------------------------------------------


def exponential(schema, durations):
    """A native histogram of these durations, as a client library would keep it."""
    indexes = [math.ceil(math.log2(d) * 2**schema - 1e-9) for d in durations if d > 0]
    counts = tuple((index, float(indexes.count(index))) for index in sorted(set(indexes)))
    return native.Native(schema, float(sum(d <= 0 for d in durations)), counts)


times = st.lists(st.floats(0, 200), max_size=40)


@given(times, st.integers(0, 8), st.integers(0, 8))
def test_two_resolutions_are_brought_to_the_same_buckets_and_lose_nobody(durations, one, other):
    fine, coarse = native.alike(exponential(one, durations), exponential(other, durations))
    assert [bound for bound, _ in fine] == [bound for bound, _ in coarse]
    assert fine == coarse
    assert fine[-1] == (math.inf, len(durations))
    for bound, count in fine[:-1]:
        assert abs(count - sum(d <= bound for d in durations)) <= sum(
            abs(d / bound - 1) < 1e-6 for d in durations
        )


def test_a_querys_rows_say_what_lies_in_which_bucket():
    rows = [
        [3, "-0.001", "0.001", "2"],
        [0, "0.125", "0.25", "3"],
        [0, "0.25", "0.5", "4"],
        [0, "1", "2", "2"],
    ]
    assert native.of_rows(rows) == native.Native(0, 2, ((-2, 3), (-1, 4), (1, 2)))


@pytest.mark.parametrize(
    "found",
    [
        native.of_rows([[0, "1", "2", "nan"]]),
        native.of_rows([[0, "1", "2", "-1"]]),
        native.of_rows([[0, "0", "0.001", "nan"]]),
        native.of_rows([[0, "1", "2"]]),
        native.of_rows([[0, "1", "x", "2"]]),
        native.of_rows([[0, "2", "1", "2"]]),
        native.of_rows([[0, "1", "2", "2"], [0, "2", "3", "2"]]),
        native.of_rows([[0, "1", "1e300", "2"]]),
        native.of_rows([[0, "1", "2", "2"], [0, "2", "8", "2"]]),
        native.of_rows([[3, "-0.1", "0.1", "2"], [0, "1", "2", "2"]]),
        native.of_rows([[0, "-Inf", "0.005", "2"]]),
    ],
)
def test_what_is_no_native_histogram_is_said_and_never_counted(found):
    assert isinstance(found, str)
