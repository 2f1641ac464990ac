"""Error budgets: what holds releases, and since when."""

import math

import pytest

from policies import budgets
from policies.budgets import SILENT_SECONDS, Known
from policies.spec.declaration import Budget
from service import segue_yaml

BUDGET = Budget("left", least=0.1)
AT = 1_700_000_000.0


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (None, "of which nothing is known now"),
        (Known(1.0, AT - SILENT_SECONDS - 1, AT, "prom is away"), "nothing is known now: prom is away"),
        (Known(None, AT, AT), "has no series, or none with a number"),
        (
            Known(0.1, AT, AT),
            "spent since Tue 2023-11-14 22:13 UTC; it goes on once more than 0.1 of it is left",
        ),
        (Known(-2.5, AT, AT), "spent since"),
    ],
)
def test_what_is_spent_or_not_known_holds(known, said):
    held = budgets.held(BUDGET, known, AT)
    assert held.until is None
    assert held.why.startswith("the error budget `left`, ")
    assert said in held.why


def test_what_is_left_and_known_lately_holds_nothing():
    assert budgets.held(BUDGET, Known(0.11, AT - SILENT_SECONDS, AT), AT) is None


def test_of_several_series_the_least_counts_and_none_that_is_no_number():
    assert budgets.worst([0.5, -0.1, math.inf]) == -0.1
    assert budgets.worst([]) is None
    assert budgets.worst([1.0, math.nan]) is None


def test_since_when_is_that_of_the_first_answer_on_this_side():
    first = budgets.learned(BUDGET, None, 0.05, AT)
    second = budgets.learned(BUDGET, first, -1.0, AT + 30)
    assert (second.since, second.at) == (AT, AT + 30)
    assert budgets.learned(BUDGET, second, 0.5, AT + 60).since == AT + 60
    assert budgets.learned(BUDGET, second, None, AT + 60).since == AT


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{least: 10%}", "`budget` needs `query`"),
        ("{query: sum(left)}", "sum"),
        ("{query: left, least: -1%}", "least"),
    ],
)
def test_a_budget_that_says_too_little_or_computes_is_a_mistake(written, said):
    text = f"name: wine\nbuild: {{lock: requirements.lock}}\nserve: {{run: python serve.py}}\nbudget: {written}\n"
    (found,) = segue_yaml.check(text.encode(), "wine").mistakes
    assert said in f"{found.path}: {found.message}"
    assert found.line == 4
