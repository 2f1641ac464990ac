"""Gates, as a table: which numbers of an evaluation pass, fail, or have nothing to be compared with."""

import math

import pytest

from policies.gates import judge
from policies.spec.declaration import Comparison, Gate

LEAST, MORE, MOST, LESS = Comparison.AT_LEAST, Comparison.MORE_THAN, Comparison.AT_MOST, Comparison.LESS_THAN
NO_WORSE, NO_HIGHER = Comparison.NO_WORSE, Comparison.NO_HIGHER


@pytest.mark.parametrize(
    ("comparison", "limit", "value", "passed"),
    [
        (LEAST, 0.9, 0.9, True),
        (LEAST, 0.9, 0.8999, False),
        (MORE, 0.9, 0.9, False),
        (MORE, 0.9, 0.9001, True),
        (MOST, 20.0, 20.0, True),
        (MOST, 20.0, 20.001, False),
        (LESS, 20.0, 20.0, False),
        (LESS, 20.0, 19.999, True),
        (LEAST, 0.9, math.nan, False),
        (MOST, 20.0, -math.inf, False),
        (MOST, 20.0, None, False),
    ],
)
def test_a_limit_of_its_own_is_held(comparison, limit, value, passed):
    found = judge((Gate("m", comparison, limit),), {} if value is None else {"m": value}, {"m": 0.0})
    assert (found.passed, found.unproven) == (passed, ())
    assert found.reason == ("" if passed else found.lines[0])


@pytest.mark.parametrize(
    ("comparison", "tolerated", "stable", "value", "passed"),
    [
        (NO_WORSE, 0.03, 0.93, 0.9, True),  # which is not exactly 0.93 - 0.03 in binary
        (NO_WORSE, 0.03, 0.93, 0.8999, False),
        (NO_WORSE, 0.0, 0.93, 0.93, True),
        (NO_HIGHER, 0.2, 0.1, 0.3, True),
        (NO_HIGHER, 0.2, 0.1, 0.3001, False),
        (NO_HIGHER, 0.2, math.nan, 0.1, False),
        (NO_WORSE, 0.03, math.inf, 0.9, False),
        (NO_WORSE, 0.03, None, 0.9, False),
    ],
)
def test_a_limit_beside_stable_is_held(comparison, tolerated, stable, value, passed):
    baseline = {} if stable is None else {"m": stable}
    assert judge((Gate("m", comparison, tolerated),), {"m": value}, baseline).passed is passed


def test_what_cannot_be_compared_on_a_first_release_does_not_stop_it_and_is_not_proven():
    found = judge((Gate("m", NO_WORSE, 0.1), Gate("n", LEAST, 1.0)), {"m": 0.5, "n": 2.0}, None)
    assert found.passed
    assert found.unproven == ("m is 0.5; no stable version to compare with",)
    assert found.lines == (*found.unproven, "n is 2, wanted >= 1")


def test_each_gate_has_its_line_and_what_failed_is_the_reason():
    rules = (Gate("a", LEAST, 1.0), Gate("b", LEAST, 1.0), Gate("c", NO_HIGHER, 0.5), Gate("d", MOST, 1.0))
    found = judge(rules, {"a": 2.0, "b": 0.5, "c": 3.0, "d": math.inf}, {"c": 2.0})
    assert not found.passed
    assert found.lines[0] == "a is 2, wanted >= 1"
    assert found.reason == "; ".join(found.lines[1:])
    assert found.lines[1:] == (
        "b is 0.5, wanted >= 1",
        f"c is 3, stable has 2, wanted {NO_HIGHER.value} 0.5",
        "d is inf, wanted <= 1",
    )
