"""True labels split by a segment: who is hurt is named, the stake is the guard's, and too few labels hold."""

import numpy as np
import pytest

from policies.evidence import Verdict
from policies.guards import fed, stakes
from policies.guards import state as states
from policies.guards.counted import Counted, Row
from policies.guards.increment import Arm, Increment
from policies.guards.judge import Judge
from policies.guards.labelled import Cohort, Labelled
from policies.spec.declaration import Environment, Guard, GuardKind, Strategy
from policies.spec.support import EMBEDDED
from service.segue_yaml import check

HOUR = 3600.0
SHARES = {"acme": 0.6, "beta": 0.4}
RIGHT = Guard("right", GuardKind.LABELS, labels="w.labels", within=HOUR, drop=0.01, segments=("tenant",))
JUDGE = Judge.of(Environment(guards=(RIGHT,)))


def hours(rates, *, seed=1, count=8, labels=500, weight=20.0, shares=SHARES, stable=0.08):
    """Each hour's labels, told an hour later: of all together, then by tenant; the router tells its weight."""
    dice, found = np.random.default_rng(seed), []
    for number in range(count):
        rows, ended = [], HOUR * (number + 1)
        for tenant, share in shares.items():
            mine, theirs = (int(dice.poisson(labels * share * n)) for n in (1, 4))
            bad = float(dice.binomial(mine, rates.get(tenant, stable)))
            other = Arm(float(theirs), float(dice.binomial(theirs, stable)))
            rows.append(Row(f"tenant={tenant}", Arm(float(mine), bad), other))
        counts = [sum(column) for column in zip(*(_counts(row) for row in rows), strict=True)]
        at, beside = ended + HOUR, Arm(800.0, 0.0) if weight < 100 else None
        found += [
            Increment(3 * number, at, 10.0, weight, Arm(200.0, 0.0), beside),
            Labelled(3 * number + 1, at, "right", None, (Cohort(ended, *counts),)),
            Counted(3 * number + 2, at, HOUR, weight, "right", tuple(rows)),
        ]
    return found


def _counts(row):
    return row.candidate.requests, row.candidate.errors, row.stable.requests, row.stable.errors


def judged(food):
    state = JUDGE.start(0.0)
    for what in food:
        state = JUDGE.observe(state, what)
        if state.harm:
            break
    return state


def finding(state, name):
    return next(one for one in JUDGE.evidence(state, epoch=1).findings if one.guard == name)


@pytest.mark.parametrize("weight", [20.0, 100.0], ids=["beside stable", "after all traffic moved"])
def test_the_tenant_that_is_hurt_is_named_though_all_together_are_as_good(weight):
    state = judged(hours({"acme": 0.02, "beta": 0.17}, weight=weight))
    assert state.harm == ("right in tenant=beta",)
    found = finding(state, "right in tenant=beta")
    assert (found.verdict, dict(found.numbers)["stable_labels"] > 0) == (Verdict.HARM, True)


def test_equal_versions_are_rolled_back_as_rarely_as_was_promised():
    assert sum(bool(judged(hours({}, seed=seed, count=12)).harm) for seed in range(40)) <= 1


def test_segments_bet_with_half_of_the_stake_that_the_guard_has():
    found = [one for one in stakes.stakes(JUDGE.plan, judged(hours({}))) if one.guard.startswith("right")]
    assert sum(one.weight for one in found) == pytest.approx(2.0)
    assert next(one.weight for one in found if one.guard == "right") == 1.0


def test_a_tiny_tenant_holds_and_says_how_many_labels_it_lacks():
    state = judged(hours({}, shares={"acme": 0.96, "tiny": 0.04}, count=2, labels=1_000))
    evidence = JUDGE.evidence(state, epoch=1)
    assert evidence.verdict is Verdict.UNDECIDED
    assert evidence.allowed <= 20
    assert (
        "more labels of the candidate's answers in tenant=tiny"
        in finding(state, "right in tenant=tiny").needed
    )


def test_without_a_label_that_says_its_tenant_the_weight_waits():
    state = judged([one for one in hours({}) if not isinstance(one, Counted)])
    evidence = JUDGE.evidence(state, epoch=1)
    assert evidence.allowed <= 20
    assert evidence.findings[-1].needed == "labels by segment for the guard right: none came yet"


def test_after_all_traffic_moved_a_tenant_that_is_not_certain_keeps_the_watch_going():
    state = judged(hours({}, count=1, labels=60, weight=100.0))
    assert finding(state, "right in tenant=beta").verdict is Verdict.UNDECIDED
    assert JUDGE.evidence(state, epoch=1).verdict is Verdict.UNDECIDED


def test_replay_from_stored_food_gives_the_same_bits():
    food = hours({"beta": 0.1})
    state = judged(food)
    assert judged([fed.from_json(fed.to_json(what)) for what in food]) == state
    assert states.from_json(states.to_json(state)) == state


def test_labels_of_copied_requests_are_refused_with_segments_and_others_are_not():
    text = (
        "name: w\nmodel: models:/w@challenger\nserve: mlflow\nstrategy: {}\n"
        "guards: {{right: {{labels: w.labels, drop: 1%, within: 1h, segments: tenant}}}}\n"
    )
    assert check(text.format("canary").encode(), "", EMBEDDED).mistakes == ()
    (mistake,) = check(text.format("shadow").encode(), "", EMBEDDED).mistakes
    assert mistake.path == "guards.right.segments"
    shadow = Judge.of(Environment(guards=(RIGHT,), strategy=Strategy.SHADOW))
    assert (shadow.plan.asked, shadow.plan.qualities[0].stake) == ((), 4.0)
