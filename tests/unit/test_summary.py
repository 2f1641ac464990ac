"""A release in a table: what is behind it and to come, who approved, what gates and guards said, how it ended."""

from dataclasses import replace

import pytest

from policies.approvals import Approval
from policies.evidence import Evidence, Finding, Verdict
from policies.release import Cause, Phase, Release
from policies.spec.declaration import Approvals, Environment
from policies.strategy import Shadow, Shift, Watch
from policies.summary import rows
from service.adapters.hosts.github_checks import table
from service.ports.git import CommitState, CommitStatus

STEPS = (Shadow(60.0), Shift((10.0, 50.0, 100.0), 5.0, guarded=True), Watch(60.0, guarded=True))
RELEASE = Release(
    name="rel-7",
    number=7,
    model="wine",
    target="wine/production",
    environment=Environment(),
    version="v",
    backend="b",
    cause=Cause("push of 1f0c to main", "ann"),
    steps=STEPS,
    gates=("accuracy 0.93 >= 0.9: passed",),
)


def stages(**changes):
    return [(name, said) for part, name, said in rows(replace(RELEASE, **changes)) if part == "stage"]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"phase": Phase.PENDING}, ["to come"] * 5),
        ({"phase": Phase.SHADOWING}, ["now", *["to come"] * 4]),
        (
            {"phase": Phase.SHIFTING, "position": 1, "wanted": 50.0, "observed": 10.0, "peak": 50.0},
            ["done", "done", "now: 10 % of requests", "to come", "to come"],
        ),
        ({"phase": Phase.WATCHING, "position": 2, "peak": 100.0}, [*["done"] * 4, "now"]),
        ({"phase": Phase.PROMOTED, "position": 3, "peak": 100.0}, ["done"] * 5),
        (
            {"phase": Phase.ROLLED_BACK, "position": 1, "peak": 10.0},
            ["done", "done", "left out", "left out", "left out"],
        ),
        ({"phase": Phase.REFUSED}, ["left out"] * 5),
    ],
)
def test_stages_say_what_is_behind_now_and_to_come(changes, wanted):
    names = ["copies of requests", "10 %", "50 %", "100 %", "watched"]
    assert stages(**changes) == list(zip(names, wanted, strict=True))


def test_gates_approvals_guards_and_the_outcome_have_their_rows():
    found = Finding(
        "errors", Verdict.HARM, "5 % of the candidate's fail, 0.2 % of stable's", (), None, 812, ""
    )
    told = rows(
        replace(
            RELEASE,
            environment=Environment(approvals=Approvals(count=2)),
            approvals=(Approval("bob", "sha256:1", 1.0),),
            plan="sha256:1",
            evidence=Evidence(Verdict.HARM, (found,), 10.0, 1, 0.0, None, 1),
            phase=Phase.ROLLED_BACK,
            reason="errors: harm",
        )
    )
    assert told[0] == ("gate", "accuracy", "0.93 >= 0.9: passed")
    assert told[1] == ("approvals", "1 of 2", "bob")
    (guard,) = [row for row in told if row[0] == "guard"]
    assert guard[1] == "errors"
    assert guard[2].startswith("harm (5 % of the candidate's fail")
    assert told[-1] == ("outcome", "rolled back", "errors: harm")


def test_what_waits_says_for_what():
    assert rows(replace(RELEASE, phase=Phase.QUEUED, waits="rel-6, which is on its way"))[-1] == (
        "now",
        "queued",
        "rel-6, which is on its way",
    )


def test_a_table_shows_whatever_it_is_told_as_text():
    evil = "x | y\n| a | b |\n<img src=x onerror=alert(1)> @ann `c` [l](https://evil.example) \x1b[2J **b** </code>"
    status = CommitStatus("a" * 40, "segue/wine", CommitState.PENDING, evil, "", (("guard", evil, evil),))
    lines = table(status).splitlines()
    assert len(lines) == 5
    assert lines[2:4] == ["| part | name | what |", "| --- | --- | --- |"]
    assert [line.count("<") for line in lines] == [0, 0, 0, 0, 6]
    bare = lines[4].replace("<code>", "").replace("</code>", "").replace(r"\|", "")
    assert bare.count("|") == 4
    assert "://" not in table(status)
    assert "\x1b" not in table(status)


def test_a_table_has_room_at_github_however_much_there_is_to_say():
    rows = tuple(("guard", "&" * 500, "<" * 500) for _ in range(500))
    told = table(CommitStatus("a" * 40, "segue/wine", CommitState.PENDING, "goes on", "", rows))
    assert 30_000 < len(told) <= 60_000
    assert told.endswith("</code> |")
