"""A policy tried on history says what the judge would have said, and nothing that was not recorded."""

from dataclasses import replace

import pytest

from policies.guards.heartbeat import Alive
from policies.guards.increment import Gap
from policies.guards.trail import Recorded
from policies.spec.declaration import Environment, Guard, GuardKind
from service.rehearsing import intervals_csv, replays
from tests.unit.guard_worlds import ENVIRONMENT, World, intervals


def recorded(candidate, seconds=150):
    seen = intervals(World(stable=0.01, candidate=candidate, rate=200, weight=10), seconds, seed=3)
    return Recorded(None, 0.0, 0, tuple((one, Alive(0, answers=True)) for one in seen))


def test_a_bad_version_is_rolled_back_at_its_time_and_counts_end_there():
    found = replays.outcome(ENVIRONMENT, recorded(0.3))
    assert found["verdict"] == "harm"
    assert found["harm"]["guards"] == ["errors"]
    assert found["harm"]["after"] == found["intervals"] < 150
    assert found["requests"] == pytest.approx(20 * found["intervals"], rel=0.4)


def test_another_policy_comes_to_another_end():
    lenient = tuple(replace(g, worse_by=99.0) if g.name == "errors" else g for g in ENVIRONMENT.guards)
    assert replays.outcome(replace(ENVIRONMENT, guards=lenient), recorded(0.3))["harm"] is None


def test_nothing_recorded_is_undecided_and_no_pass():
    found = replays.outcome(ENVIRONMENT, Recorded(None, 0.0, 0, ()))
    assert (found["verdict"], found["harm"]) == ("undecided", None)


def test_stable_against_itself_is_told_with_an_interval_and_is_the_same_for_a_seed():
    def found(seed):
        return replays.wrong_rollbacks(ENVIRONMENT, recorded(0.3, 60), splits=5, share=0.1, seed=seed)

    assert found(1) == found(1)
    assert found(1)["rolled_back"] == 0
    assert found(1)["interval"][0] == 0
    assert found(1)["interval"][1] > 0


def test_a_policy_that_takes_back_what_is_the_same_as_stable_is_told_so():
    """Of stable one request in a hundred fails, and a limit without a guarantee allows one in five hundred."""
    policy = Environment(guards=(Guard("old", GuardKind.THRESHOLD, limit=0.002),))
    found = replays.wrong_rollbacks(policy, recorded(0.01, 320), splits=3, share=0.1, seed=1)
    assert (found["rolled_back"], found["splits"]) == (3, 3)
    assert found["interval"][0] > 0


def test_a_split_loses_no_request_and_no_failure():
    whole = recorded(0.3, 20)
    dice = replays.np.random.default_rng(1)
    for (before, _), (after, _) in zip(whole.seen, replays._split(whole, 0.2, dice), strict=True):
        assert after.candidate.requests + after.stable.requests == before.stable.requests
        assert after.candidate.errors + after.stable.errors == before.stable.errors


HEAD = "at,candidate_requests,candidate_errors,stable_requests,stable_errors\n"


def test_a_file_is_read_with_its_gap():
    rows = "".join(f"{at},10,1,90,2\n" for at in (10, 20, 30, 90, 100))
    found = intervals_csv.read(HEAD + rows)
    kinds = [type(what) is Gap for what, _ in found.seen]
    assert kinds == [False, False, False, True, False, False]
    assert [what.sequence for what, _ in found.seen] == list(range(6))
    assert found.seen[0][0].weight == 10
    assert {what.seconds for what, _ in found.seen if not isinstance(what, Gap)} == {10}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("at,candidate_requests\n1,2\n", "line 1: the columns candidate_errors"),
        (HEAD + "10,1,0,1,0\n", "fewer than two"),
        (HEAD + "10,1,0,1,0\n10,1,0,1,0\n", "line 3: `at` is not later"),
        (HEAD + "10,1,0,1,0\n20,many,0,1,0\n", "line 3: `candidate_requests` is 'many'"),
        (HEAD + "10,1,0,1,0\n20,1,2,1,0\n", "line 3: more errors than requests"),
        (HEAD + "10,1,0,1,0\n20,nan,0,1,0\n", "line 3: "),
        (HEAD + "10,1,0,1,0\n20,1\n", "line 3: `candidate_errors` is None"),
    ],
)
def test_a_file_that_holds_no_intervals_is_refused_with_the_line(text, said):
    with pytest.raises(intervals_csv.BadFile, match=said):
        intervals_csv.read(text)
