"""What a guard counted is told in words; no number is left out but those that the words stand for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.showing.counted import said

COMPARED = {"bad": 4.0, "requests": 78.0, "stable_bad": 0.0, "stable_requests": 1481.0}
AGAINST = {"evidence": 36.87, "harm_at": 26.67, "p_value": 0.02712}


@pytest.mark.parametrize(
    ("numbers", "interval", "told"),
    [
        (
            COMPARED | AGAINST,
            (2.828, 128.0),
            [
                "4 of 78 (5.13 %) bad; stable: 0 of 1,481 (0 %); 2.83 to 128 times as often",
                "evidence against it 36.9, harm at 26.7",
            ],
        ),
        (
            COMPARED | {"slower_than": 0.3} | AGAINST,
            None,
            [
                "4 of 78 (5.13 %) slower than 0.3 s; stable: 0 of 1,481 (0 %)",
                "evidence against it 36.9, harm at 26.7",
            ],
        ),
        (
            {
                "bad": 1.0,
                "requests": 400.0,
                "limit": 0.02,
                "at_most": 0.0117,
                "evidence": 0.2,
                "harm_at": 27.0,
            },
            (0.0, 0.0117),
            [
                "1 of 400 (0.25 %) bad, at most 1.17 % in truth; the limit is 2 %",
                "evidence against it 0.2, harm at 27",
            ],
        ),
        (
            {"wrong": 9.0, "labels": 90.0, "stable_wrong": 8.0, "stable_labels": 100.0, "waiting": 1200.0},
            (-0.02, 0.05),
            ["9 of 90 (10 %) wrong; stable: 8 of 100 (8 %); -2 % to 5 % of all more; 1,200 labels wait"],
        ),
        (
            {"failed": 4.0, "requests": 78.0, "excess_at_most": 0.2752, "allowed": 5.0},
            (0.0, 0.2752),
            ["4 of 78 (5.13 %) failed, at most 27.5 % more than stable's"],
        ),
        (
            {"requests": 72.0, "all_requests": 1441.0, "share": 0.04997},
            None,
            ["72 of 1,441 (5 %) reached the candidate"],
        ),
        (
            {"seconds_without_data": 0.0, "seconds_without_answer": 12.0, "restarts": 1.0},
            None,
            ["silent for 12 s, 1 restarts"],
        ),
        ({"requests": 0.0, "all_requests": 0.0, "share": 0.0}, None, ["0 of 0 reached the candidate"]),
        ({"checks": 7.0, "failed_checks": 2.0}, None, ["checks 7, failed checks 2"]),
        (
            COMPARED | {"burst": 1.5, "spread": 0.3},
            None,
            [
                "4 of 78 (5.13 %) bad; stable: 0 of 1,481 (0 %)",
                "noise reckoned with: bursts of 1.5, spread 0.3",
            ],
        ),
        (
            COMPARED | {"only_candidate": 3.0, "only_stable": 1.0},
            None,
            [
                "4 of 78 (5.13 %) bad; stable: 0 of 1,481 (0 %)",
                "3 of the candidate's alone, 1 of stable's alone",
            ],
        ),
        ({"pairs": 1200.0, "lost": 3.0}, None, ["1,200 pairs, 3 copies lost"]),
        ({"limit": 0.0125, "at_most": 0.00478}, None, ["at most 0.478 % in truth; the limit is 1.25 %"]),
        ({}, None, []),
    ],
)
def test_numbers_are_told_in_words(numbers, interval, told):
    assert said(numbers, interval) == told


EVERY = COMPARED | AGAINST | {
    "slower_than": 0.3, "limit": 0.02, "at_most": 0.01, "wrong": 9.0, "labels": 90.0, "stable_wrong": 8.0,
    "stable_labels": 100.0, "waiting": 1.0, "failed": 4.0, "excess_at_most": 0.2, "allowed": 5.0,
    "all_requests": 100.0, "share": 0.05, "seconds_without_data": 0.0, "seconds_without_answer": 1.0,
    "restarts": 1.0, "pairs": 5.0, "lost": 1.0, "only_candidate": 1.0, "only_stable": 1.0, "burst": 1.0,
    "spread": 0.1,
}  # fmt: skip


@given(st.sets(st.sampled_from(sorted(EVERY))), st.one_of(st.none(), st.just((0.0, 1.0))))
def test_whatever_numbers_a_finding_has_they_are_told(names, interval):
    """Findings of an older version may have fewer."""
    assert bool(said({name: EVERY[name] for name in names}, interval)) or names <= {"p_value"}
