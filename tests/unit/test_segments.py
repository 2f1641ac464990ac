"""Guards split by a label: who is hurt is named, all segments share one budget, and too few requests hold."""

import json
import math

import numpy as np
import pytest

from policies.evidence import Verdict
from policies.guards import asked, fed
from policies.guards import state as states
from policies.guards.counted import Counted, Row
from policies.guards.increment import Arm, Increment
from policies.guards.judge import Judge
from policies.spec.declaration import Comparison, Environment, Guard, GuardKind, Split

SHARES = {"de": 0.5, "fr": 0.3, "us": 0.15, "tr": 0.05}
ERRORS = Guard("errors", GuardKind.ERRORS, segments=("country",))
LOST = Guard("lost", GuardKind.QUERY, query="lost_total", of="asked_total", segments=("country",))


def environment(*guards, **more):
    return Environment(guards=guards, **more)


def looks(rates, *, seed, count=60, rate=1000.0, weight=10.0, guard="errors", shares=SHARES, stable=0.01):
    """What a judge is fed for so many looks of 10 s: the router's interval, then rows by country.

    `rates`: the candidate's share of bad things by country; else that of stable.
    """
    dice, found = np.random.default_rng(seed), []
    for number in range(count):
        rows, at = [], 10.0 * (number + 1)
        for country, share in shares.items():
            mine, theirs = (
                int(dice.poisson(10 * rate * share * part)) for part in (weight / 100, 1 - weight / 100)
            )
            bad = int(dice.binomial(mine, rates.get(country, stable)))
            rows.append(
                Row(f"country={country}", Arm(mine, bad), Arm(theirs, int(dice.binomial(theirs, stable))))
            )
        whole = Row("", *(arm(rows, side) for side in ("candidate", "stable")))
        found += [
            Increment(2 * number, at, 10.0, weight, whole.candidate, whole.stable),
            Counted(2 * number + 1, at, 10.0, weight, guard, (whole, *rows)),
        ]
    return found


def arm(rows, side):
    return Arm(sum(getattr(r, side).requests for r in rows), sum(getattr(r, side).errors for r in rows))


def judged(judge, food, stop=True):
    state = judge.start(0.0)
    for what in food:
        state = judge.observe(state, what)
        if state.harm and stop:
            break
    return state


def findings(judge, state):
    return {one.guard: one for one in judge.evidence(state, epoch=1).findings}


def test_the_segment_that_is_hurt_is_named():
    judge = Judge.of(environment(ERRORS))
    state = judged(judge, looks({"tr": 0.3}, seed=1))
    assert state.harm == ("errors in country=tr",)
    found = findings(judge, state)["errors in country=tr"]
    assert found.verdict is Verdict.HARM
    assert "in country=tr" in found.rule
    numbers = dict(found.numbers)
    assert numbers["evidence"] >= numbers["harm_at"] or numbers["p_value"] <= 1 / numbers["harm_at"]


def test_harm_that_all_together_show_first_is_still_told_where_it_is():
    judge = Judge.of(environment(ERRORS))
    state = judged(judge, looks({"us": 0.06}, seed=1, rate=3000))
    assert state.harm[0] == "errors" or "errors in country=us" in state.harm
    assert "errors in country=us" in state.harm


@pytest.mark.parametrize("failed", [3, 4, 5])
def test_a_segment_of_few_requests_is_named_once_all_together_show_harm(failed):
    """Nine countries in ten are fine, and the tenth has had fewer requests than a bet waits for."""
    judge = Judge.of(environment(ERRORS))
    state = judge.start(0.0)
    for number in range(6):
        each = Increment(number, number + 1.0, 1.0, 5.0, Arm(6, 1), Arm(114, 0))
        state = judge.observe(state, each)
    assert state.harm == ("errors",)
    rows = [Row(f"country=c{n}", Arm(3, 0), Arm(57, 0)) for n in range(9)]
    rows.append(Row("country=pt", Arm(failed, failed), Arm(57, 0)))
    whole = Row("", *(arm(rows, side) for side in ("candidate", "stable")))
    state = judge.observe(state, Counted(6, 6.0, 5.0, 5.0, "errors", (whole, *rows)))
    assert state.harm == ("errors", "errors in country=pt")


def test_no_segment_is_named_where_all_fail_alike_and_little():
    """Two failures in each of ten: harm of the whole, and of no country by itself."""
    judge = Judge.of(environment(ERRORS))
    state = judge.start(0.0)
    for number in range(5):
        state = judge.observe(state, Increment(number, number + 1.0, 1.0, 5.0, Arm(60, 4), Arm(1140, 0)))
    assert state.harm == ("errors",)
    rows = [Row(f"country=c{n}", Arm(30, 2), Arm(570, 0)) for n in range(10)]
    whole = Row("", *(arm(rows, side) for side in ("candidate", "stable")))
    state = judge.observe(state, Counted(5, 5.0, 5.0, 5.0, "errors", (whole, *rows)))
    assert state.harm == ("errors",)


def test_the_whole_alone_would_have_seen_it_much_later():
    """A twentieth of the requests, ten times as bad: a third more failures in all."""
    food = looks({"tr": 0.1}, seed=2, count=200)
    split, whole = Judge.of(environment(ERRORS)), Judge.of(environment(Guard("errors", GuardKind.ERRORS)))
    found = judged(split, food)
    assert found.harm == ("errors in country=tr",)
    plain = judged(whole, [what for what in food if isinstance(what, Increment)])
    assert not plain.harm or plain.at > found.at * 1.5


@pytest.mark.parametrize("guard", [ERRORS, LOST], ids=["errors", "query"])
def test_equal_versions_are_rolled_back_as_rarely_as_without_segments(guard):
    """12 segments, 30 looks, 40 runs; the budget is 5 % for all of them together."""
    shares = {f"c{n}": 1 / 12 for n in range(12)}
    judge = Judge.of(environment(guard, false_rollbacks=0.05))
    wrong = sum(
        bool(judged(judge, looks({}, seed=100 + n, count=30, guard=guard.name, shares=shares)).harm)
        for n in range(40)
    )
    assert wrong <= 4


def test_the_stakes_are_the_guards_whatever_segments_come():
    judge, whole = Judge.of(environment(ERRORS)), Judge.of(environment(Guard("errors", GuardKind.ERRORS)))
    half = whole.plan.comparisons[0].stake / 2
    plan = judge.plan.asked[0]
    for seen in ({}, {"a": 1.0}, {f"c{n}": 1 / 40 for n in range(40)}):
        state = judged(judge, looks({}, seed=3, count=20, shares=seen) if seen else [])
        stakes = asked.stakes(plan, state.asked[0], blameless=False)
        assert math.isclose(sum(s.weight for s in stakes), half)
    assert math.isclose(judge.plan.comparisons[0].stake, half)


def test_values_without_a_place_are_judged_together():
    shares = {f"c{n:02}": 1 / 30 for n in range(30)}
    judge = Judge.of(
        environment(Guard("errors", GuardKind.ERRORS, segments=("country",), split=Split(most=4)))
    )
    rates = dict.fromkeys(shares, 0.01) | {f"c{n:02}": 0.2 for n in range(20, 30)}
    state = judged(judge, looks(rates, seed=4, count=80, shares=shares), stop=False)
    names = [part.name for part in state.asked[0].parts]
    assert len(names) == 5
    assert "country=(others)" in names
    assert "errors in country=(others)" in state.harm


def test_a_name_that_comes_once_has_no_place():
    """A label that is different in each request, such as a user's id."""
    food = [
        Counted(n, float(n + 1), 1.0, 10.0, "errors", (
            Row("", Arm(5, 0), Arm(50, 0)), Row(f"country=id{n}", Arm(5, 0), Arm(14, 0)),
        )) for n in range(50)
    ]  # fmt: skip
    judge = Judge.of(environment(ERRORS))
    first = Increment(-1 + 0, 0.5, 1.0, 10.0, Arm(5, 0), Arm(50, 0))
    state = judge.observe(judge.start(0.0, sequence=-2), first)
    for what in food:
        state = judge.observe(state, what)
    assert [part.name for part in state.asked[0].parts] == ["country=(others)"]


def test_a_segment_that_comes_later_gets_a_free_place_and_is_found():
    early = looks({}, seed=5, count=20, shares={"de": 0.6, "fr": 0.4})
    late = looks({"nz": 0.08}, seed=6, count=60, shares={"de": 0.5, "fr": 0.45, "nz": 0.05})
    judge = Judge.of(environment(ERRORS))
    state = judged(judge, early, stop=False)
    for number, what in enumerate(late):
        moved = {"sequence": 1000 + number, "at": what.at + 1000}
        state = judge.observe(state, type(what)(**{f: getattr(what, f) for f in what.__slots__} | moved))
        if state.harm:
            break
    assert state.harm == ("errors in country=nz",)


def test_a_tiny_segment_holds_and_says_how_many_requests_it_lacks():
    shares = {"de": 0.97, "tr": 0.03}
    judge = Judge.of(environment(ERRORS, risk=0.05))
    state = judged(judge, looks({}, seed=7, count=10, rate=100, weight=50.0, shares=shares))
    found = judge.evidence(state, epoch=1)
    assert found.verdict is Verdict.UNDECIDED
    assert found.allowed <= 50
    tiny = findings(judge, state)["errors in country=tr"]
    assert tiny.verdict is Verdict.UNDECIDED
    assert "more requests to the candidate in country=tr" in tiny.needed
    assert "errors in country=tr" in findings(judge, state)["risk"].needed
    plain = Judge.of(environment(Guard("errors", GuardKind.ERRORS), risk=0.05))
    food = looks({}, seed=7, count=10, rate=100, weight=50.0, shares=shares)
    assert plain.evidence(judged(plain, [f for f in food if isinstance(f, Increment)]), epoch=1).allowed > 50


def test_what_is_smaller_than_least_holds_nothing():
    shares = {"de": 0.97, "tr": 0.03}
    split = Guard("errors", GuardKind.ERRORS, segments=("country",), split=Split(least=0.05))
    judge = Judge.of(environment(split, risk=0.05))
    state = judged(judge, looks({}, seed=7, count=10, rate=100, weight=50.0, shares=shares))
    assert judge.evidence(state, epoch=1).allowed > 50


def test_segments_hold_while_their_numbers_are_missing():
    judge = Judge.of(environment(ERRORS, risk=0.05))
    food = looks({}, seed=8, count=60)
    state = judged(judge, food)
    assert judge.evidence(state, epoch=1).verdict is Verdict.CLEARED
    state = judge.observe(state, Counted(10_000, state.at, 0.0, 10.0, "errors", gap="no answer"))
    found = judge.evidence(state, epoch=1)
    assert found.verdict is Verdict.UNDECIDED
    assert found.allowed <= 10
    assert "no answer" in findings(judge, state)["risk"].needed


def test_replay_from_stored_food_gives_the_same_bits():
    judge = Judge.of(environment(ERRORS, LOST))
    food = looks({"tr": 0.02}, seed=9, count=30)
    stored = [fed.from_json(json.loads(json.dumps(fed.to_json(what)))) for what in food]
    assert stored == food
    whole, state = judged(judge, food), judged(judge, food[:31])
    state = states.from_json(json.loads(json.dumps(states.to_json(state))))
    for what in food[31:]:
        state = judge.observe(state, what)
    assert state == whole


def query(**more):
    return Guard("lost", GuardKind.QUERY, query="lost_total", of="asked_total", **more)


@pytest.mark.parametrize(
    ("guard", "rate", "harm"),
    [
        (query(worse_by=0.0), 0.03, True),
        (query(worse_by=4.0), 0.03, False),
        (query(drop=0.0), 0.03, True),
        (query(drop=0.05), 0.03, False),
        (query(limit=0.02, comparison=Comparison.AT_MOST), 0.05, True),
        (query(limit=0.98, comparison=Comparison.AT_LEAST), 0.05, True),
        (query(limit=0.1, comparison=Comparison.AT_MOST), 0.03, False),
    ],
)
def test_a_query_is_judged_by_what_its_guard_asks(guard, rate, harm):
    judge = Judge.of(environment(guard))
    rates = dict.fromkeys(SHARES, rate)
    food = looks(rates, seed=10, count=60, guard="lost")
    quiet = [
        Increment(w.sequence, w.at, w.seconds, w.weight, Arm(w.candidate.requests, 0), Arm(w.stable.requests, 0))
        if isinstance(w, Increment) else w for w in food
    ]  # fmt: skip
    state = judged(judge, quiet)
    assert state.harm == (("lost",) if harm else ())
    if not harm:
        assert findings(judge, state)["lost"].verdict is Verdict.CLEARED


def test_a_limit_that_stable_breaks_too_blames_nobody():
    judge = Judge.of(environment(query(limit=0.02, comparison=Comparison.AT_MOST)))
    food = looks(dict.fromkeys(SHARES, 0.2), seed=11, guard="lost", stable=0.2)
    state = judged(judge, [w for w in food if isinstance(w, Counted) or w.sequence == 0])
    assert not state.harm
    assert "stable is above" in findings(judge, state)["lost"].needed


def test_a_query_that_never_told_anything_holds_the_weight():
    judge = Judge.of(environment(query(worse_by=0.0), risk=0.05))
    state = judged(judge, [w for w in looks({}, seed=12, count=60) if isinstance(w, Increment)])
    found = judge.evidence(state, epoch=1)
    assert found.verdict is Verdict.UNDECIDED
    assert "none came yet" in findings(judge, state)["risk"].needed
