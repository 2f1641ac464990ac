"""The weight grows only as far as the risk budget permits, and never on nothing."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import ramp

LADDER = (1, 2, 3, 5, 7.5, 10, 15, 20, 25, 35, 50, 75, 100)


@pytest.mark.parametrize(("requests", "bound"), [(400, 0.0082), (4000, 0.00103)])
def test_clean_requests_bound_the_rate_by_the_closed_form(requests, bound):
    closed = (math.log(20) + 0.5 * math.log1p(requests / 500)) / requests
    assert ramp.upper_bound(0, requests) == pytest.approx(closed)
    assert closed == pytest.approx(bound, rel=0.02)


def test_the_bound_solves_its_equation():
    errors, requests, wrong = 17, 9000, 0.05
    rate = ramp.upper_bound(errors, requests, wrong)
    mixture = (
        0.5 * math.log(500)
        - math.lgamma(0.5)
        + math.lgamma(0.5 + errors)
        - (0.5 + errors) * math.log(500 + requests)
    )
    assert mixture - (errors * math.log(rate) - requests * rate) == pytest.approx(math.log(1 / wrong))
    assert rate > errors / requests


@given(st.floats(), st.floats())
def test_the_bound_never_raises_and_nonsense_is_not_knowledge(errors, requests):
    bound = ramp.upper_bound(errors, requests)
    assert 0 < bound <= 1
    if not (requests > 0 and 0 <= errors <= requests < math.inf):
        assert bound == 1


@given(st.integers(0, 200), st.integers(200, 10**7), st.integers(1, 10**6))
def test_more_clean_requests_lower_the_bound_and_more_errors_raise_it(errors, requests, more):
    bound = ramp.upper_bound(errors, requests)
    assert ramp.upper_bound(errors, requests + more) <= bound
    assert ramp.upper_bound(errors + 1, requests) >= bound


def test_nothing_known_allows_nothing_and_certainty_allows_all():
    assert ramp.allowed_weight(ramp.excess(0, 0, None), 0.0005, LADDER) == 0
    assert ramp.allowed_weight(ramp.excess(0, 10**6, None), 0.001, LADDER) == 100
    assert ramp.allowed_weight(0.0199, 0.001, LADDER) == 5


def test_risk_is_as_written_or_from_stables_own_rate():
    assert ramp.risk_of(None) == 0.001
    assert ramp.risk_of(0.01) == 0.005
    assert ramp.risk_of(0.01, 0.002) == 0.002


def test_the_requests_asked_for_are_just_enough():
    more = ramp.clean_requests_needed(1, 100, 0.001, 0.001, 10)
    assert more is not None
    assert 0.1 * ramp.excess(1, 100 + more, 0.001) <= 0.001 < 0.1 * ramp.excess(1, 99 + more, 0.001)
    assert ramp.clean_requests_needed(0, 10**6, None, 0.001, 10) == 0
    assert ramp.clean_requests_needed(0, 10, None, 0.0, 10) is None


@given(
    st.integers(0, 10**6),
    st.integers(0, 10**7),
    st.one_of(st.none(), st.floats(0, 0.5)),
    st.floats(1e-6, 0.5),
    st.sampled_from(LADDER),
)
def test_no_fewer_requests_would_be_enough(errors, requests, stable_rate, risk, weight):
    def is_enough(more):
        return weight / 100 * ramp.excess(errors, requests + more, stable_rate) <= risk

    more = ramp.clean_requests_needed(errors, requests, stable_rate, risk, weight)
    if more is None:
        assert not is_enough(5e8)
    else:
        assert is_enough(more)
        assert more == 0 or not is_enough(more - 1)


@pytest.mark.parametrize("errors", [-1.0, math.nan, math.inf])
def test_of_counts_that_are_none_no_number_of_requests_is_enough(errors):
    assert ramp.clean_requests_needed(errors, 100, None, 0.001, 10) is None
    assert ramp.clean_requests_needed(1, math.nan, None, 0.001, 10) is None
    assert ramp.clean_requests_needed(1, 100, None, math.nan, 10) is None


def test_the_bound_is_rarely_below_the_truth_at_any_time():
    """4000 runs of 80 looks: 3.5 % are ever wrong where 5 % are promised."""
    dice = np.random.default_rng(11)
    failures = dice.binomial(50, 0.01, (4000, 80)).cumsum(axis=1)
    too_few = [_too_few(50 * (tick + 1), 0.01) for tick in range(80)]
    assert (failures < np.array(too_few)).any(axis=1).mean() <= ramp.WRONG


def _too_few(requests, rate):
    """The least number of failures at which the bound is not below the true rate."""
    failures = 0
    while ramp.upper_bound(failures, requests) < rate:
        failures += 1
    return failures


@given(st.integers(0, 10_000), st.integers(1, 10**6))
def test_both_bounds_solve_the_same_equation_on_both_sides_of_the_rate(errors, requests):
    errors = min(errors, requests)
    low, high = ramp.bounds(errors, requests)
    assert high == ramp.upper_bound(errors, requests)
    assert 0 <= low <= errors / requests <= high <= 1
    if errors and high < 1:
        one, other = (requests * rate - errors * math.log(rate) for rate in (low, high))
        assert one == pytest.approx(other, rel=1e-9, abs=1e-6)


def test_bounds_of_nothing_are_everything():
    assert ramp.bounds(0, 0) == (0.0, 1.0)
    assert ramp.bounds(5, 3) == (0.0, 1.0)
    assert ramp.bounds(math.nan, 10) == (0.0, 1.0)
