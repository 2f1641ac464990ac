"""Bets as their formulas are written, product by product, and the edges of what is bet on at all."""

import math
from dataclasses import replace

import numpy as np
import pytest

from policies import ramp
from policies.guards import allowed, betting, fed, paired, quality, rate
from policies.guards.drift import Scored
from policies.guards.findings import shadow
from policies.guards.increment import Gap
from policies.guards.judge import Judge
from policies.guards.labelled import Cohort, Labelled, Pairs
from policies.guards.noise import Noise
from policies.guards.paired import MOST_CLASSES, OTHERS, Classed, Paired, PairedState, Tally
from policies.guards.plan import History
from policies.guards.state import Counts
from policies.spec.declaration import Environment, Guard, GuardKind

LIFTS = [2.0**octave for octave in range(-5, 5)]
MASS = [2 ** (-abs(octave) / 2) for octave in range(-5, 5)]


def allowances(plan, state):
    return allowed.allowances(plan, state, allowed.of_guards(plan, state))


def mixed(gains):
    """The mean of the alternatives' capital, that of twice as often with the most of it."""
    return sum(mass * gain for mass, gain in zip(MASS, gains, strict=True)) / sum(MASS)


def exp(value):
    return pytest.approx(math.exp(value))


@pytest.mark.parametrize("growth", [1.0, 1.5])
def test_pairs_are_bet_on_one_by_one(growth):
    """(1 + lam)^5 where it failed alone, (1 - lam g)^2 where stable did, (1 + lam (1 - g))^3 where both did."""
    found = paired.compared(PairedState(), Tally("errors", 100.0, 5.0, 2.0, 3.0), growth)
    bets = [lift / (2 + lift) / growth for lift in LIFTS]
    capital = mixed([(1 + b) ** 5 * (1 - b * growth) ** 2 * (1 + b * (1 - growth)) ** 3 for b in bets])
    assert exp(found.log_e) == capital
    assert (found.pairs, found.only_candidate, found.only_stable, found.both) == (100.0, 5.0, 2.0, 3.0)
    more = paired.compared(found, Tally("errors", 50.0, 0.0, 9.0, 1.0), growth)
    assert (more.pairs, more.only_candidate, more.only_stable, more.both) == (150.0, 5.0, 11.0, 4.0)
    assert more.log_e < more.log_peak == max(found.log_e, 0.0)


def test_a_share_of_pairs_is_bet_against_its_limit():
    """r^4 / (1 + p (r - 1))^50, for ratios r from 1 + 1/32 to 17."""
    found = paired.limited(PairedState(), Tally("answers", 50.0, 4.0), 0.02)
    assert exp(found.log_e) == mixed([(1 + lift) ** 4 / (1 + 0.02 * lift) ** 50 for lift in LIFTS])


def test_classes_have_their_weights_in_the_order_in_which_they_came():
    news = (Classed("stays", 40.0, 1.0), Classed("leaves", 10.0, 3.0))
    found = paired.by_class(PairedState(), news, 0.1)
    one, other = (math.exp(paired.against(c.flipped, c.pairs, 0.1)) for c in news)
    assert exp(found.log_e) == one / 2 + other / 6 + 1 / 3
    assert (found.pairs, found.only_candidate, found.names) == (50.0, 4.0, ("stays", "leaves"))
    more = paired.by_class(found, (Classed("leaves", 5.0, 1.0),), 0.1)
    assert more.classed == (Classed("stays", 40.0, 1.0), Classed("leaves", 15.0, 4.0))
    assert paired.by_class(PairedState(), (), 0.1).log_e == 0.0


def test_of_very_many_classes_those_that_come_late_are_one():
    first = tuple(Classed(f"class {number}", 2.0, 0.0) for number in range(MOST_CLASSES))
    found = paired.by_class(
        PairedState(), (*first, Classed("late", 3.0, 1.0), Classed("later", 4.0, 2.0)), 0.1
    )
    assert found.classed[-1] == Classed(OTHERS, 7.0, 3.0)
    assert len(found.names) == MOST_CLASSES + 1
    assert paired.by_class(found, (Classed("class 0", 1.0, 1.0),), 0.1).classed[0] == Classed(
        "class 0", 3.0, 1.0
    )


PAIRS = Paired(1, 5.0, 10.0, 0.0, (Tally("errors", 10.0, 4.0, 3.0, 3.0),), (Classed("a", 10.0, 10.0),))


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({}, None),
        ({"at": math.nan}, "a count of pairs is not a count"),
        ({"lost": -1.0}, "a count of pairs is not a count"),
        ({"pairs": math.inf}, "a count of pairs is not a count"),
        ({"tallies": (Tally("errors", 10.0, -1.0),)}, "a count of pairs is not a count"),
        ({"classes": (Classed("a", 10.0, math.nan),)}, "a count of pairs is not a count"),
        ({"tallies": (Tally("errors", 10.0, 4.0, 3.0, 3.5),)}, "more bad pairs than pairs"),
        ({"classes": (Classed("a", 10.0, 10.5),)}, "more other answers than pairs"),
    ],
)
def test_what_can_be_counts_of_pairs(changed, wrong):
    assert paired.wrong_with(replace(PAIRS, **changed)) == wrong


@pytest.mark.parametrize(
    "what",
    [
        PAIRS,
        Labelled(2, 6.0, "accuracy", Pairs(9.0, 1.0, 2.0, 3.0)),
        Labelled(3, 7.0, "accuracy", None, (Cohort(5.0, 4.0, 3.0, 2.0, 1.0),)),
        Scored(4, 8.0, "scores", (1.0, 2.0), (3.0, 4.0)),
        Gap(5, 9.0, "the router is away", silent=True),
    ],
)
def test_what_a_judge_is_fed_is_kept_exactly(what):
    assert fed.from_json(fed.to_json(what)) == what


@pytest.mark.parametrize("drop", [0.0, 0.05])
def test_labelled_pairs_are_bet_on_one_by_one(drop):
    """1 + lam (D - drop), of which four fifths are placed at once and the rest is kept for later."""
    found = quality.hear_pairs(quality.start(50.0), Pairs(20.0, 5.0, 2.0, 4.0), at=50.0, drop=drop)
    bets = [lift / (2 + lift) / (1 + drop) for lift in LIFTS]
    capital = mixed(
        [(1 + b * (1 - drop)) ** 5 * (1 - b * (1 + drop)) ** 2 * (1 - b * drop) ** 13 for b in bets]
    )
    assert exp(found.log_e) == 0.8 * capital + 0.2
    assert (found.wrong, found.stable_wrong, found.both_wrong) == (5.0, 2.0, 4.0)
    assert (found.labels, found.stable_labels, found.seconds) == (20.0, 20.0, 0.0)
    twice = quality.hear_pairs(found, Pairs(1.0, 0.0, 1.0, 0.0), at=60.0, drop=drop)
    assert (twice.wrong, twice.stable_wrong, twice.both_wrong) == (5.0, 3.0, 4.0)
    assert (twice.labels, twice.stable_labels, twice.at, twice.seconds) == (21.0, 21.0, 60.0, 10.0)
    assert twice.log_e < twice.log_peak == found.log_e
    assert quality.hear_pairs(twice, Pairs(0, 0, 0, 0), at=40.0, drop=drop).at == 60.0


@pytest.mark.parametrize("drop", [0.0, 0.05])
def test_a_cohort_is_bet_on_by_whose_the_wrong_answers_are(drop):
    """With w = 30 / 120 of the labels."""
    mine, theirs = 0.25, 0.75
    bets = [mine * theirs * lift / (1 + mine * lift) / (1 + drop * theirs) for lift in LIFTS]
    found = quality.cohort_gains(Cohort(100.0, 30.0, 6.0, 90.0, 9.0), drop)
    assert np.exp(found) == pytest.approx(
        [(1 + b * (4 - drop)) ** 6 * (1 - b * (4 / 3 + drop)) ** 9 * (1 - b * drop) ** 105 for b in bets]
    )
    for empty in (Cohort(100.0, 0.0, 0.0, 90.0, 9.0), Cohort(100.0, 30.0, 6.0, 0.0, 0.0)):
        assert not quality.cohort_gains(empty, drop).any()


def test_cohorts_count_once_when_they_are_ripe_and_in_their_order():
    cohorts = (
        Cohort(300.0, 7.0, 1.0, 9.0, 1.0),
        Cohort(100.0, 30.0, 6.0, 90.0, 9.0),
        Cohort(200.0, 5.0, 0.0, 8.0, 2.0),
    )
    given = {"within": 50.0, "drop": 0.0, "burst": 2.0}
    found = quality.hear_cohorts(quality.start(250.0), cohorts, at=250.0, **given)
    assert (found.counted, found.labels, found.wrong) == (200.0, 35.0, 6.0)
    assert (found.stable_labels, found.stable_wrong) == (98.0, 11.0)
    assert (found.waiting, found.ripe_at) == (7.0, 350.0)
    gains = sum(quality.cohort_gains(one, 0.0) for one in sorted(cohorts, key=lambda one: one.ended)[:2])
    assert exp(found.log_e) == 0.8 * mixed(np.exp(gains / 2)) + 0.2
    again = quality.hear_cohorts(found, cohorts, at=349.9, **given)
    assert (again.log_e, again.labels, again.waiting) == (found.log_e, 35.0, 7.0)
    last = quality.hear_cohorts(again, cohorts, at=350.0, **given)
    assert (last.counted, last.labels, last.waiting, last.ripe_at) == (300.0, 42.0, 0.0, 0.0)


def test_a_late_onset_is_joined_by_what_was_kept_for_it():
    """Half of what is kept is placed within half an hour."""
    assert betting.spent(np.array(0.0)) == pytest.approx(0.8)
    assert betting.spent(np.array(betting.ONSET)) == pytest.approx(0.9)
    assert betting.spent(np.array(betting.ONSET), 0.5) == pytest.approx(0.75)
    before, after = np.array(0.0), np.array(betting.ONSET)
    joined = betting.joined(np.log(np.array([0.8, 0.4])), before, after)
    assert np.exp(joined) == pytest.approx([0.9, 0.5])
    assert betting.log_evidence(betting.start(), before) == pytest.approx(0.0)
    assert np.exp(betting.log_evidence(betting.start(), after)) == pytest.approx(0.8 + 0.1)


NAMED = Guard("errors", GuardKind.ERRORS), Guard("slow", GuardKind.LATENCY, slower_than=0.5)
RISK = Environment(guards=NAMED, ladder=(1, 10, 50, 100), risk=0.01)
PAST = History(1000.0, 20.0)
LEARNED = {name: Noise(2.0, 0.1, provisional=False) for name in ("errors", "slow")}


def judged(environment=RISK, history=PAST, noise=None):
    judge = Judge.of(environment, history=history, noise=noise)
    return judge.plan, judge.start(0.0)


def told(bad, requests, rate_, risk):
    found = ramp.allowed_weight(ramp.excess(bad, requests, rate_), risk, (1.0, 10.0, 50.0, 100.0))
    return allowed.Allowance(bad, requests, rate_, risk, found if requests else 0.0)


@pytest.mark.parametrize(("seen", "stable_rate"), [(99.0, 0.02), (100.0, 0.05)])
def test_failures_are_held_against_stable_of_now_once_it_was_seen_enough(seen, stable_rate):
    plan, state = judged()
    state = replace(state, candidate=Counts(400.0, 2.0), stable=Counts(seen, 5.0))
    assert allowances(plan, state)[0] == told(2.0, 400.0, stable_rate, 0.01)
    plan, state = judged(history=None)
    state = replace(state, candidate=Counts(400.0, 2.0), stable=Counts(99.0, 5.0))
    assert allowances(plan, state)[0].stable_rate is None


def test_counts_are_thinned_by_a_burst_that_was_learned_and_by_no_other():
    plan, state = judged(noise=LEARNED)
    slow = replace(rate.start(), bad=8.0, requests=400.0, stable_bad=30.0, stable_requests=1000.0)
    state = replace(state, candidate=Counts(400.0, 4.0), comparisons=(rate.start(), slow))
    failed, late = allowances(plan, state)
    assert (failed.bad, failed.requests) == (2.0, 200.0)
    assert late == told(4.0, 200.0, 0.03, 0.015)  # half as many again as of stable's
    plain = judged()[0]
    assert allowances(plain, state)[1] == told(8.0, 400.0, 0.03, 0.015)
    little = replace(slow, stable_bad=3.0, stable_requests=99.0)
    assert allowed.of_durations(plain, plain.comparisons[1].noise, little).stable_rate is None
    assert allowed.of_comparison(plain, plain.comparisons[1], slow) == told(8.0, 400.0, 0.03, 0.015)
    ones = replace(rate.start(), bad=8.0, requests=400.0, stable_bad=30.0, stable_requests=1000.0)
    assert allowed.of_comparison(plan, plan.comparisons[0], ones) == told(4.0, 200.0, 0.03, 0.01)
    assert allowed.of_comparison(plain, plain.comparisons[0], ones) == told(8.0, 400.0, 0.03, 0.01)


def test_nothing_seen_allows_nothing():
    plan, state = judged()
    assert [one.allowed for one in allowances(plan, state)] == [0.0, 0.0]


@pytest.mark.parametrize(("drop", "risk"), [(0.02, 0.02), (None, 0.15)])
def test_wrong_answers_may_be_as_many_more_as_may_be_lost(drop, risk):
    right = Guard("right", GuardKind.LABELS, labels="labels", drop=drop, within=60.0)
    plan, state = judged(replace(RISK, guards=(*NAMED, right)), noise={"right": Noise(2.0, 0.1, False)})
    one = replace(
        state.qualities[0], wrong=50.0, labels=400.0, stable_wrong=20.0, stable_labels=100.0, both_wrong=10.0
    )
    state = replace(state, qualities=(one,))
    assert allowances(plan, state)[2] == told(25.0, 200.0, 0.2, risk)
    assert allowed.of_quality(plan, plan.qualities[0], replace(one, stable_labels=99.0)).stable_rate is None


@pytest.mark.parametrize(
    ("pairs", "lost", "fine"), [(90.0, 10.0, True), (90.0, 10.1, False), (0.0, 0.0, False), (0.0, 5.0, False)]
)
def test_nearly_all_requests_must_have_their_pairs(pairs, lost, fine):
    found = shadow.of_pairs((pairs, lost))
    assert (found.verdict.value == "cleared") is fine
    assert found.samples == pairs
