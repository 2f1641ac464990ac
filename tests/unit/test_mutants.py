"""The run of mutants sees: it changes a function for all who hold it, and tells what a test noticed."""

import pytest

from policies.guards.budget import threshold
from tests.mutants import targets
from tests.mutants.__main__ import interval, told
from tests.mutants.trying import ENDLESS, UNMADE, in_children, put_in

MUTANT = {
    "file": "policies/guards/budget.py",
    "function": "threshold",
    "source": "def threshold(stake_weight, total_weight, false_rollbacks):\n    return math.log(total_weight)\n",
    "diff": ["-    return math.log(total_weight / (false_rollbacks * stake_weight))"],
}


def changed():
    put_in(MUTANT)
    return threshold(1.0, 1.0, 0.01)


def endless():
    while True:
        pass


def test_a_mutant_is_there_for_who_imported_the_function_before_and_only_in_its_own_process():
    changes, ends = in_children([changed, endless], 2, [5.0, 0.0])
    assert changes == 0.0
    assert ends == ENDLESS
    assert threshold(1.0, 1.0, 0.01) == pytest.approx(4.605, abs=0.001)


def test_the_share_of_the_killed_has_wilsons_interval():
    assert interval(90, 100) == pytest.approx((0.8256, 0.9448), abs=0.0001)
    assert interval(0, 10)[0] == pytest.approx(0.0)


@pytest.mark.parametrize(("survivors", "good"), [(3, True), (4, False)])
def test_less_than_85_percent_is_not_enough_and_survivors_are_shown(capsys, survivors, good):
    results = [[]] * survivors + [["a test"]] * (19 - survivors) + [ENDLESS, UNMADE, None]
    assert told("guards", 100, [(MUTANT, result) for result in results]) is good
    said = capsys.readouterr().out
    assert said.count("survived: policies/guards/budget.py threshold") == survivors
    found = f"{20 - survivors} of 20 mutants killed, {(20 - survivors) / 20:.1%}"
    assert f"  policies/guards/budget.py: {found}" in said
    assert f"guards: {found}" in said
    assert "1 by time, drawn from 100" in said


def test_where_the_time_is_over_nothing_is_tried_and_that_is_not_good():
    assert in_children([changed], 2, [5.0], until=0.0) == [None]
    assert not told("guards", 100, [(MUTANT, None)])


def test_the_machine_is_what_it_imports_and_not_what_people_declare():
    machine = targets.GROUPS["rollout machine"]
    assert {"policies/rollout.py", "policies/split.py", "policies/recurrence.py"} <= {*machine}
    assert not any("/spec/" in file or "/guards/" in file for file in machine)


def test_all_that_it_names_is_there():
    assert all(
        (targets.ROOT / file).is_file()
        for files in (*targets.GROUPS.values(), targets.tests())
        for file in files
    )


def test_no_test_of_a_guard_is_forgotten():
    """But for those that play worlds, which take long, and this one."""
    aside = {"guards_bench", "mutants", "worlds"}
    found = {
        file.stem.removeprefix("test_")
        for file in (targets.ROOT / "tests/unit").glob("test_*.py")
        if "policies.guards" in file.read_text()
    }
    forgotten = found - aside - {*targets.TESTS}
    assert not forgotten, f"add them to TESTS in tests/mutants/targets.py: {sorted(forgotten)}"
