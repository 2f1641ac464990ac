"""Pairs decide before any user sees the candidate: each test finds what it is for, and seldom anything else."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.evidence import Verdict
from policies.guards import fed, paired, state
from policies.guards.increment import Arm, Increment
from policies.guards.judge import Judge
from policies.guards.labelled import Labelled, Pairs
from policies.guards.paired import Classed, Paired, PairedState, Tally
from policies.spec.declaration import Environment, Guard, GuardKind, Shadow, Strategy

ERRORS = Guard("errors", GuardKind.ERRORS)
LATENCY = Guard("latency", GuardKind.LATENCY, worse_by=0.1)
ANSWERS = Guard("answers", GuardKind.ANSWERS, limit=0.02, flips=0.1)
SHADOW = Environment(strategy=Strategy.SHADOW, guards=(ERRORS, LATENCY, ANSWERS))


def news(sequence, *tallies, pairs=100.0, lost=0.0, classes=()):
    return Paired(sequence, float(sequence), pairs, lost, tallies, classes)


def told(judge, *found):
    known = judge.start(0.0)
    for what in found:
        known = judge.observe(known, what)
    return known, judge.evidence(known, epoch=1, at=known.at)


def finding(evidence, name):
    return next(one for one in evidence.findings if one.guard == name)


def good(sequence, n=1000.0):
    """Pairs as a version gives them that is alike."""
    return news(
        sequence,
        Tally("shadow errors", n, 0, 0, 0),
        Tally("shadow latency", n, n * 0.4, n * 0.6, 0),
        Tally("answers", n, n * 0.005),
        pairs=n,
        classes=(Classed("stays", n * 0.7, n * 0.004), Classed("leaves", n * 0.3, n * 0.003)),
    )


def test_a_version_that_is_alike_is_cleared_by_pairs_alone():
    judge = Judge.of(SHADOW)
    _, evidence = told(judge, *(good(n) for n in range(1, 4)))
    assert evidence.verdict is Verdict.UNDECIDED  # 3,000 pairs without an error leave more than 0.1 %
    _, evidence = told(judge, *(good(n) for n in range(1, 12)))
    assert {
        f.guard: f.verdict for f in evidence.findings if f.guard.startswith(("shadow", "answers", "fl"))
    } == {
        "shadow errors": Verdict.CLEARED,
        "shadow latency": Verdict.CLEARED,
        "answers": Verdict.CLEARED,
        "flips": Verdict.CLEARED,
    }
    assert evidence.verdict is Verdict.CLEARED
    assert evidence.allowed == 0  # which weight a canary may have is another question


@pytest.mark.parametrize(
    ("guard", "what"),
    [
        ("shadow errors", Tally("shadow errors", 300, 20, 0, 0)),
        ("shadow latency", Tally("shadow latency", 300, 250, 50, 0)),
        ("answers", Tally("answers", 300, 30)),
    ],
)
def test_a_version_that_is_worse_is_harm_by_the_test_that_is_for_it(guard, what):
    _, evidence = told(Judge.of(SHADOW), news(1, what, pairs=300))
    assert evidence.verdict is Verdict.HARM
    assert [f.guard for f in evidence.findings if f.verdict is Verdict.HARM] == [guard]


def test_a_class_that_flips_is_named_where_all_together_look_fine():
    rare = (Classed("stays", 2000, 2), Classed("leaves", 60, 30))
    _, evidence = told(Judge.of(SHADOW), news(1, Tally("answers", 2060, 32), pairs=2060, classes=rare))
    assert finding(evidence, "flips").verdict is Verdict.HARM
    assert "most do of leaves: 30 of 60" in finding(evidence, "flips").rule
    assert finding(evidence, "answers").verdict is not Verdict.HARM


def test_errors_that_both_versions_have_blame_nobody():
    _, evidence = told(Judge.of(SHADOW), news(1, Tally("shadow errors", 1000, 2, 2, 400), pairs=1000))
    assert finding(evidence, "shadow errors").verdict is Verdict.CLEARED


def test_pairs_that_are_missing_hold_whatever_the_others_say():
    judge = Judge.of(SHADOW)
    found = [good(n) for n in range(1, 12)]
    _, evidence = told(judge, *found, replace(good(12), lost=2000.0))
    assert finding(evidence, "pairs").verdict is Verdict.UNDECIDED
    assert evidence.verdict is Verdict.UNDECIDED
    assert dict(finding(evidence, "pairs").numbers)["lost"] == 2000
    _, nothing = told(judge)
    assert nothing.verdict is Verdict.UNDECIDED


def test_what_was_found_in_the_shadow_stays_found_while_users_come():
    judge = Judge.of(SHADOW)
    known, _ = told(judge, news(1, Tally("answers", 300, 30), pairs=300))
    known = judge.observe(known, Increment(2, 2.0, 1.0, 10.0, Arm(100, 0), Arm(900, 0)))
    assert judge.evidence(known, epoch=1).verdict is Verdict.HARM


def test_labels_are_asked_for_too_where_a_guard_is_on_them():
    right = Guard("right", GuardKind.LABELS, labels="warehouse.labels", drop=0.02)
    judge = Judge.of(replace(SHADOW, guards=(*SHADOW.guards, right)))
    found = [good(n) for n in range(1, 12)]
    _, evidence = told(judge, *found)
    assert evidence.verdict is Verdict.UNDECIDED
    _, evidence = told(judge, *found, Labelled(20, 20.0, "right", Pairs(1500, 20, 20, 80)))
    assert evidence.verdict is Verdict.CLEARED


def test_without_a_shadow_there_are_no_tests_on_pairs():
    assert Judge.of(replace(SHADOW, strategy=Strategy.CANARY)).plan.shadows == ()


def test_a_score_makes_a_finding_that_is_advice_alone():
    judge = Judge.of(replace(SHADOW, shadow=Shadow(score="scores.0")))
    assert [guard.name for guard in judge.plan.drifts] == ["scores"]


@pytest.mark.parametrize(
    "wrong",
    [
        news(1, Tally("answers", 10, 11)),
        news(1, Tally("answers", -1, 0)),
        news(1, Tally("answers", float("nan"), 0)),
        news(1, classes=(Classed("a", 1, 2),)),
        replace(news(1), at=float("inf")),
    ],
)
def test_counts_that_cannot_be_change_nothing(wrong):
    assert paired.wrong_with(wrong) is not None
    judge = Judge.of(SHADOW)
    known = judge.observe(judge.start(0.0), wrong)
    assert known == replace(judge.start(0.0), sequence=1)


# --- how often it is wrong ----------------------------------------------------------------------


@pytest.mark.parametrize("by", ["errors", "flips"])
def test_a_version_that_is_alike_is_seldom_found_harmful_however_often_one_looks(by):
    """200 shadows of 2,000 pairs, looked at after every 20: at a level of 1 % about 2 may be wrong."""
    dice, found = np.random.default_rng(5), 0
    for _ in range(200):
        one, worst = PairedState(), 0.0
        for _ in range(100):
            if by == "errors":
                only, theirs, both = dice.multinomial(20, [0.02, 0.02, 0.05, 0.91])[:3]
                one = paired.compared(one, Tally("", 20, only, theirs, both), 1.0)
            else:
                sizes = dice.multinomial(20, [0.6, 0.3, 0.1])
                classes = (Classed(str(k), n, dice.binomial(n, 0.1)) for k, n in enumerate(sizes) if n)
                one = paired.by_class(one, tuple(classes), 0.1)
            worst = max(worst, one.log_e)
        found += worst > np.log(100)
    assert found <= 4


def test_a_growth_that_is_tolerated_is_no_harm():
    dice, one = np.random.default_rng(6), PairedState()
    for _ in range(200):
        only, theirs, both = dice.multinomial(100, [0.021, 0.016, 0.004, 0.959])[:3]  # 2.5 % against 2 %
        one = paired.compared(one, Tally("", 100, only, theirs, both), 1.25)
    assert one.log_peak < np.log(100)


@pytest.mark.parametrize("guards", [(), (ERRORS,)], ids=["labels alone", "beside errors"])
def test_from_92_to_90_percent_is_found_within_1500_labels_in_most_shadows(guards):
    """92 % against 90 %, where each is wrong alone on 1.5 % and 3.5 % of requests; with the whole budget."""
    right = Guard("right", GuardKind.LABELS, labels="a.b", drop=0.0)
    judge = Judge.of(Environment(strategy=Strategy.SHADOW, guards=(*guards, right)))
    needed = []
    for seed in range(40):
        dice, known, labels = np.random.default_rng(seed), judge.start(0.0), 0
        while not known.harm and labels < 5000:
            counts = dice.multinomial(50, [0.035, 0.015, 0.065, 0.885])[:3].tolist()
            labels += 50
            known = judge.observe(known, Labelled(labels, labels / 10, "right", Pairs(50, *counts)))
        needed.append(labels)
    assert np.median(needed) <= 1500, needed


# --- as it is stored -----------------------------------------------------------------------------

counts = st.floats(0, 1e6)
any_paired = st.builds(
    Paired,
    st.integers(0, 100),
    counts,
    counts,
    counts,
    st.lists(
        st.builds(Tally, st.sampled_from(["answers", "shadow errors"]), counts, counts, counts, counts),
        max_size=3,
    ).map(tuple),
    st.lists(st.builds(Classed, st.text(max_size=5), counts, counts), max_size=3).map(tuple),
)


@given(any_paired)
def test_news_of_pairs_are_read_back_as_they_were(what):
    assert fed.from_json(json.loads(json.dumps(fed.to_json(what)))) == what


def test_a_state_is_read_back_bit_for_bit_and_stays_small():
    judge = Judge.of(SHADOW)
    classes = tuple(Classed(f"class {n}", 10.0 + n / 3, 1.0) for n in range(80))
    known, _ = told(judge, good(1), replace(good(2), classes=classes))
    again = state.from_json(json.loads(json.dumps(state.to_json(known))))
    assert again == known
    assert judge.evidence(again, epoch=1) == judge.evidence(known, epoch=1)
    assert len(known.shadows[-1].classed) == paired.MOST_CLASSES + 1
    assert len(json.dumps(state.to_json(known))) < 9_000
