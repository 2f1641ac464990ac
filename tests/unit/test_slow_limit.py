"""An absolute limit on slow requests: beside stable, and after all traffic has moved; it shares the one budget."""

from dataclasses import replace

import numpy as np
import pytest

from policies.evidence import Verdict
from policies.guards import state as states
from policies.guards.increment import Arm
from policies.guards.judge import Judge
from policies.guards.noise import Noise
from policies.guards.plan import History
from policies.spec.declaration import Environment, Guard, GuardKind
from policies.spec.support import EMBEDDED
from service.segue_yaml import check
from service.worlds.many import Many
from service.worlds.traffic import Arms, Tick
from tests.unit.guard_worlds import BOUNDS, QUICK, World, intervals, judged

SLUGGISH = (0.5, 0.3, 0.17, 0.025, 0.005)  # a fifth of all requests take longer than 0.3 s
NAME = "latency slo"
COMPARED = Guard("latency", GuardKind.LATENCY, slower_than=0.3)
FAILURES = Guard("slo", GuardKind.SLO, limit=0.01)
QUIET = dict.fromkeys(("errors", "latency", "slo", NAME), Noise(1.0, 0.03, provisional=False))


def limited(limit=0.1, **more):
    guards = (Guard("errors", GuardKind.ERRORS), COMPARED, FAILURES)
    slow = Guard(NAME, GuardKind.SLO, limit=limit, slower_than=0.3)
    return Judge.of(Environment(guards=(*guards, slow)), noise=QUIET, **more)


def finding(judge, state):
    return next(one for one in judge.evidence(state, epoch=1).findings if one.guard == NAME)


def alone(slow, seconds=60, seed=1, first=0):
    return intervals(World(0, 0.001, 200, 100, slow=slow), seconds, seed, first)


def test_a_version_with_all_traffic_that_is_too_slow_is_found_though_nothing_fails():
    judge = limited()
    bad = judged(judge, alone(SLUGGISH))
    assert bad.harm == (NAME,)
    found = finding(judge, bad)
    assert found.verdict is Verdict.HARM
    assert found.rule == "at most 10 % of the candidate's requests may take longer than 0.3 s"


def test_a_version_that_keeps_the_limit_is_cleared_after_all_traffic_moved():
    judge = limited()
    state = judged(judge, alone(QUICK))
    assert judge.evidence(state, epoch=1).verdict is Verdict.CLEARED
    assert finding(judge, state).needed == "nothing: the limit is kept"


@pytest.mark.parametrize(("slow", "above"), [((0.6, 0.3, 0.08, 0.015, 0.005), False), (SLUGGISH, True)])
def test_of_many_rollouts_it_takes_back_the_bad_and_of_the_good_no_more_than_promised(slow, above):
    """Looked at each second; the good ones are at the very limit, the worst that they may be."""
    runs, dice = 300, np.random.default_rng(5)
    many, everyone = Many([limited()] * runs, BOUNDS), np.arange(runs)
    nobody = Arms(np.zeros(runs), np.zeros(runs), np.zeros((runs, len(slow))))
    for at in range(60):
        requests = dice.poisson(50, runs).astype(float)
        buckets = dice.multinomial(requests.astype(int), slow).astype(float)
        candidate = Arms(requests, dice.binomial(requests.astype(int), 0.002).astype(float), buckets)
        many.observe(everyone, Tick(at + 1.0, 1.0, candidate, nobody, np.zeros(runs)), np.full(runs, 100.0))
    taken_back = many.harmful(everyone).mean()
    assert taken_back > 0.99 if above else taken_back <= 0.01


def test_a_slow_version_beside_stable_is_found_by_the_written_limit_alone():
    tolerant = replace(COMPARED, worse_by=50.0)
    slow = Guard(NAME, GuardKind.SLO, limit=0.1, slower_than=0.3)
    judge = Judge.of(Environment(guards=(tolerant, slow)), noise=QUIET)
    assert judged(judge, intervals(World(0, 0, 400, 20, slow=SLUGGISH), 120, 1)).harm == (NAME,)


def test_a_limit_that_stable_breaks_too_holds_and_blames_nobody():
    judge = limited(limit=0.02)  # stable has 5 %
    state = judged(judge, intervals(World(0, 0, 400, 10), 120, 1))
    found = judge.evidence(state, epoch=1)
    assert not state.harm
    assert found.allowed <= 10
    assert finding(judge, state).needed == "stable is above this limit too: waits until it is not"


@pytest.mark.parametrize("stripped", [{"bounds": ()}, {"bounds": (0.1, 0.5, 1.2, 5.0)}])
def test_durations_that_stop_coming_never_clear_what_was_cleared_before(stripped):
    """The same requests go on to be counted, without buckets or by others."""
    judge = limited()
    state = judged(judge, alone(QUICK, 20))
    assert finding(judge, state).verdict is Verdict.CLEARED
    for one in alone(QUICK, 60, 2, first=20):
        counted = one.candidate if stripped["bounds"] else Arm(one.candidate.requests, one.candidate.errors)
        state = judge.observe(state, replace(one, candidate=counted, **stripped))
    found = finding(judge, state)
    assert found.verdict is Verdict.UNDECIDED
    assert found.needed.startswith("durations: the router told none by this bound")
    assert judge.evidence(state, epoch=1).verdict is Verdict.UNDECIDED
    assert not state.harm
    assert states.from_json(states.to_json(state)) == state


def test_beside_stable_the_weight_waits_for_durations_that_stopped_coming():
    judge = limited()
    rows = intervals(World(0, 0, 2000, 5), 60, 1)
    state = judged(judge, rows)
    assert judge.evidence(state, epoch=1).allowed > 5
    more = [
        replace(one, candidate=replace(one.candidate, buckets=()), stable=replace(one.stable, buckets=()))
        for one in intervals(World(0, 0, 2000, 5), 2, 2, first=60)
    ]
    state = judged(judge, [replace(one, bounds=()) for one in more], state)
    found = judge.evidence(state, epoch=1)
    assert (found.verdict, found.allowed) == (Verdict.UNDECIDED, 5)
    assert "durations for the guard latency" in found.findings[-1].needed


def test_a_limit_of_stables_history_is_for_when_all_traffic_moved():
    past = History(20_000, 2, tuple(20_000 * share for share in QUICK), BOUNDS)
    judge = limited(limit=None, history=past)
    limit = next(one.limit for one in judge.plan.limits if one.name == NAME)
    assert 0.1 < limit < 0.13  # twice what stable's 5 % may be
    beside = judged(judge, intervals(World(0, 0, 400, 10, slow=SLUGGISH), 3, 1))
    assert all(one.guard != NAME for one in judge.evidence(beside, epoch=1).findings)
    assert judged(judge, alone(SLUGGISH, 200)).harm == (NAME,)
    assert not judged(judge, alone(QUICK, 200)).harm


def test_without_a_history_it_is_what_stable_served_beside_the_candidate():
    judge = limited(limit=None)
    together = judged(judge, intervals(World(0, 0.0, 200, 50), 30, 1))
    assert (
        judge.evidence(judged(judge, alone(QUICK, 60, 2, 30), together), epoch=1).verdict is Verdict.CLEARED
    )
    assert judged(judge, alone((0.3, 0.2, 0.4, 0.08, 0.02), 60, 2, 30), together).harm == (NAME,)


def test_without_either_nothing_is_cleared():
    judge = limited(limit=None)
    assert finding(judge, judged(judge, alone(QUICK))).verdict is Verdict.UNDECIDED


FILE = "name: wine\nbuild: {{lock: requirements.lock}}\nserve: {{run: python s.py, port: 8080}}\n{}\n"


def read(text):
    return check(FILE.format(text).encode(), "", EMBEDDED)


def test_the_limit_is_a_guard_of_its_own_beside_the_comparison_and_failures_stay_limited():
    (model,) = read("guards: {latency: {slower_than: 250ms, slo: 5%, worse_by: 10%}}").models
    (one,) = model.environments
    slow = next(guard for guard in one.guards if guard.name == NAME)
    assert (slow.kind, slow.limit, slow.slower_than) == (GuardKind.SLO, 0.05, 0.25)
    limits = Judge.of(one).plan.limits
    assert [(limit.name, limit.slower_than, limit.stake) for limit in limits] == [
        ("slo", None, 0.25),
        (NAME, 0.25, 1.0),
    ]
    (model,) = read("guards: {slo: off, latency: {slower_than: 250ms, slo: 5%}}").models
    assert [one.slower_than for one in Judge.of(model.environments[0]).plan.limits] == [None, 0.25]


def test_with_a_switch_the_limit_is_what_latency_means():
    assert read("strategy: bluegreen\nguards: {latency: {slower_than: 250ms, slo: 5%}}").mistakes == ()
    assert len(read("strategy: bluegreen\nguards: {latency: {slower_than: 250ms}}").mistakes) == 1


@pytest.mark.parametrize(
    ("latency", "said"),
    [
        ("{slo: 5%}", "`slo` means something only with `slower_than`"),
        ("{slower_than: 120ms, slo: 5%}", "the router counts requests by these bounds only"),
        ("{slower_than: 250ms, slo: 60%}", "a share above 0% up to 50%"),
        ("{slower_than: 250ms, slo: 0%}", "is not above 0%"),
    ],
)
def test_a_limit_that_nothing_could_judge_is_named(latency, said):
    (mistake,) = read(f"guards: {{latency: {latency}}}").mistakes
    assert said in mistake.message
