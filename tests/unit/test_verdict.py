"""From a judge's state to its verdict, case by case: what holds the weight, where it ends, and who is blamed."""

import math
from dataclasses import replace

import pytest

from policies import ramp
from policies.evidence import Verdict
from policies.guards import slo, stakes
from policies.guards.findings import limits
from policies.guards.findings.standing import Allowance, Standing, capital, p_value
from policies.guards.judge import Judge
from policies.guards.plan import EMERGENCY, EMERGENCY_STAKE, History
from policies.guards.state import Counts
from policies.guards.verdict import STALE_AFTER
from policies.spec.declaration import Environment, Guard, GuardKind

CLEARED, UNDECIDED, SUSPECT, HARM = Verdict.CLEARED, Verdict.UNDECIDED, Verdict.SUSPECT, Verdict.HARM
GUARDS = (
    Guard("errors", GuardKind.ERRORS),
    Guard("alive", GuardKind.ALIVE),
    Guard("share", GuardKind.SHARE, tolerance=0.05),
)
RULES = Environment(guards=GUARDS, ladder=(1, 10, 50, 100), risk=0.01)
JUDGE = Judge.of(RULES, history=History(1e5, 1e3), warmup=60.0)
# Warm, at 10 %, and so often asked that all traffic is allowed.
STATE = replace(
    JUDGE.start(0.0), sequence=5, at=100.0, weight=10.0, warm=60.0, candidate=Counts(1e5, 1e3),
    stable=Counts(1e5, 1e3), split=(10.0, 100.0),
)  # fmt: skip


def found(at=100.0, judge=JUDGE, **changes):
    return judge.evidence(replace(STATE, **changes), epoch=3, at=at)


def needed(evidence, guard="risk"):
    return next(one.needed for one in evidence.findings if one.guard == guard)


def test_what_is_warm_and_was_asked_often_is_cleared_for_all_that_the_risk_allows():
    evidence = found()
    assert (evidence.verdict, evidence.allowed, evidence.share) == (CLEARED, 100.0, 10.0)
    assert (evidence.weight, evidence.epoch, evidence.sequence, evidence.current) == (10.0, 3, 5, True)
    assert found(split=(0.0, 0.0)).share is None
    assert found(sequence=-1).sequence == 0


@pytest.mark.parametrize(
    ("at", "changes", "current"),
    [
        (100.0 + STALE_AFTER, {}, True),
        (100.1 + STALE_AFTER, {}, False),
        (100.0 - STALE_AFTER, {}, True),
        (99.9 - STALE_AFTER, {}, False),
        (100.0, {"gap": "the router is away"}, False),
        (100.0, {"sequence": 0}, True),
        (100.0, {"sequence": -1}, False),
    ],
)
def test_numbers_are_of_now_for_so_long(at, changes, current):
    evidence = found(at, **changes)
    assert evidence.current is current
    assert (evidence.verdict, evidence.allowed) == ((CLEARED, 100.0) if current else (UNDECIDED, 10.0))
    if not current:
        assert needed(evidence) == f"numbers again: {changes.get('gap', 'none came lately')}"


@pytest.mark.parametrize(
    ("changes", "allowed", "waits"),
    [
        ({"weight": 0.0}, 0.0, "traffic on the candidate"),
        ({"warm": -1.0}, 10.0, "requests to the candidate"),
        ({"weight": 50.0, "warm": 59.0}, 50.0, "the end of the warm-up, in 1 s"),
        ({"weight": 99.0, "warm": 59.0}, 99.0, "the end of the warm-up, in 1 s"),
    ],
)
def test_what_speaks_against_a_larger_weight_is_said_and_holds_this_one(changes, allowed, waits):
    evidence = found(**changes)
    assert (evidence.verdict, evidence.allowed, needed(evidence)) == (UNDECIDED, allowed, waits)


def test_the_last_weight_alone_waits_for_the_end_of_the_warm_up():
    assert (found(warm=59.0).verdict, found(warm=59.0).allowed) == (CLEARED, 50.0)
    assert found(weight=50.0, warm=60.0).allowed == 100.0


def test_nothing_is_allowed_where_the_candidate_was_asked_for_nothing():
    assert found(candidate=Counts()).allowed == 0.0
    assert found(harm=("errors",)).verdict is HARM
    assert found(harm=("errors",)).allowed == 0.0


def test_what_allows_least_counts():
    slow = Guard("slow", GuardKind.LATENCY, slower_than=0.5)
    judge = Judge.of(replace(RULES, guards=(*GUARDS[:1], slow)))
    failed, late = STATE.comparisons[0], replace(STATE.comparisons[0], requests=50.0, bad=50.0)
    evidence = found(judge=judge, comparisons=(failed, late), hearts=(), shares=())
    assert (evidence.verdict, evidence.allowed) == (UNDECIDED, 0.0)


def test_alone_an_absolute_limit_clears_it_and_without_one_it_stays_where_it_is():
    kept = replace(slo.start(), requests=1e6, bad=1.0)
    evidence = found(together=False, limits=(kept,))
    assert (evidence.verdict, evidence.allowed) == (CLEARED, 100.0)
    assert (found(together=False).verdict, found(together=False).allowed) == (UNDECIDED, 10.0)
    assert "more requests without a failure" in needed(found(together=False), "slo")


@pytest.mark.parametrize(
    ("evidence", "verdict", "allowed"), [(9.9, CLEARED, 100.0), (10.1, SUSPECT, 10.0), (150.0, HARM, 0.0)]
)
def test_the_bets_hold_the_weight_from_suspicion_on(evidence, verdict, allowed):
    one = replace(STATE.comparisons[0], log_e=math.log(evidence), log_peak=math.log(evidence))
    judge = Judge.of(replace(RULES, guards=GUARDS[:1]))
    state = replace(STATE, comparisons=(one,), hearts=(), shares=())
    state = replace(state, harm=stakes.harm(judge.plan, state))
    told = judge.evidence(state, epoch=3, at=100.0)
    assert (told.verdict, told.allowed) == (verdict, allowed)


def staked(**changes):
    return {one.guard: one for one in stakes.stakes(JUDGE.plan, replace(STATE, **changes))}


def test_nothing_is_bet_before_the_end_of_a_warm_up_but_on_a_storm():
    high = {"log_e": 3.0, "log_peak": 4.0}
    bets = {
        "comparisons": (replace(STATE.comparisons[0], **high),),
        "limits": (replace(slo.start(), **high),),
        "storm": replace(STATE.storm, log_e=1.0, log_peak=2.0),
        "emergency": replace(slo.start(), log_e=0.5, log_peak=0.75),
    }
    cold, warm = staked(warm=59.9, **bets), staked(warm=60.0, **bets)
    assert (cold["errors"].log_e, cold["errors"].log_peak) == (0.0, 0.0)
    assert (warm["errors"].log_e, warm["errors"].log_peak) == (3.0, 4.0)
    assert (cold["slo"].log_e, warm["slo"].log_e) == (0.0, 3.0)
    for told in (cold, warm):
        storm = told[EMERGENCY]
        assert (storm.weight, storm.log_e, storm.log_peak) == (EMERGENCY_STAKE, 1.5, 2.75)
    always = {one.guard for one in stakes.stakes(replace(JUDGE.plan, warmup=0.0), STATE)}
    assert always == {"errors", "slo"}
    assert not stakes.cold(replace(JUDGE.plan, warmup=0.0), replace(STATE, warm=-1.0))


@pytest.mark.parametrize(
    ("theirs", "together", "counts"), [(10.1, True, False), (9.9, True, True), (10.1, False, True)]
)
def test_a_limit_that_stable_beside_it_breaks_too_blames_nobody(theirs, together, counts):
    mine = replace(slo.start(), log_e=5.0, log_peak=5.0)
    other = replace(slo.start(), log_e=math.log(theirs))
    found_ = staked(limits=(mine,), stable_limits=(other,), together=together)["slo"]
    assert (found_.log_e, found_.log_peak) == (5.0 if counts else 0.0, 5.0)
    assert stakes.breached(replace(STATE, stable_limits=(other,), together=together), 0) is not counts


def test_alone_a_limit_is_taken_from_what_stable_served_beside_it_where_there_is_no_other():
    plan = Judge.of(RULES).plan
    assert [one.limit for one in stakes.limits(plan, STATE)] == [None]
    (alone,) = stakes.limits(plan, replace(STATE, together=False))
    assert alone.limit == slo.limit_from_history(1e3, 1e5, 1.0)
    assert [one.limit for one in stakes.limits(plan, replace(STATE, together=False, stable=Counts()))] == [
        None
    ]
    (kept,) = stakes.limits(JUDGE.plan, replace(STATE, together=False, stable=Counts(1e5, 9e4)))
    assert kept == JUDGE.plan.limits[0]


def test_harm_is_named_once_and_stays():
    dead = replace(STATE.hearts[0], restarts=99)
    assert stakes.harm(JUDGE.plan, replace(STATE, hearts=(dead,))) == ("alive",)
    assert stakes.harm(JUDGE.plan, replace(STATE, hearts=(dead,), harm=("errors", "alive"))) == (
        "errors",
        "alive",
    )
    assert stakes.harm(JUDGE.plan, STATE) == ()


STANDING = Standing((), 10.0, current=True, top=100.0)


@pytest.mark.parametrize(
    ("weight", "current", "requests", "allowed", "goes_on"),
    [
        (10.0, True, 1.0, 10.1, True),
        (10.0, True, 1.0, 10.0, False),
        (10.0, False, 1.0, 50.0, False),
        (10.0, True, 0.0, 50.0, False),
        (100.0, True, 1.0, 100.0, True),
        (100.0, True, 1.0, 99.0, False),
    ],
)
def test_a_weight_may_grow_or_has_nothing_left_to_grow_to(weight, current, requests, allowed, goes_on):
    standing = replace(STANDING, weight=weight, current=current)
    assert standing.goes_on(Allowance(0.0, requests, None, 0.01, allowed)) is goes_on


def test_the_next_weight_is_the_smallest_above_this_one():
    assert STANDING.following((1.0, 10.0, 50.0, 100.0)) == 50.0
    assert replace(STANDING, weight=100.0).following((1.0, 10.0, 50.0, 100.0)) == 100.0


def test_evidence_is_shown_short_and_finite():
    assert capital(math.log(12.3456)) == 12.35
    assert capital(1e6) == capital(300.0)
    assert p_value(math.log(40)) == 0.025
    assert p_value(-2.0) == 1.0


@pytest.mark.parametrize(
    ("bad", "requests", "log_e", "current", "stable_bad", "verdict"),
    [
        (0.0, 1e5, 0.0, True, False, CLEARED),
        (0.0, 1e5, 0.0, False, False, UNDECIDED),
        (0.0, 1e5, 0.0, True, True, UNDECIDED),
        (0.0, 0.0, 0.0, True, False, UNDECIDED),
        (5e3, 1e5, 0.0, True, False, UNDECIDED),
        (0.0, 1e5, math.log(10), True, False, SUSPECT),
    ],
)
def test_a_limit_is_kept_where_what_may_still_be_true_is_below_it(
    bad, requests, log_e, current, stable_bad, verdict
):
    guard = replace(JUDGE.plan.limits[0], limit=0.02)
    one = replace(slo.start(), bad=bad, requests=requests, log_e=log_e)
    told = limits.of_limit(
        guard, one, replace(STANDING, current=current), 5.0, alone=True, stable_bad=stable_bad
    )
    assert told.verdict is verdict
    assert told.interval == ((0.0, ramp.upper_bound(bad, requests)) if requests else None)
    assert limits.of_limit(guard, one, STANDING, 5.0, alone=False, stable_bad=False) is None
    assert limits.of_limit(replace(guard, written=True), one, STANDING, 5.0, alone=False, stable_bad=False)
