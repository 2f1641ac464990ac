"""Which effects wait for each other: those that travel in one lane keep their order, all others do not wait."""

import pytest

from policies import evidence, recording
from policies.effects import (
    Adopt,
    CheckPreview,
    HandBack,
    KeepCheckpoint,
    MoveAlias,
    Notify,
    ReportCommit,
    ReportDeployment,
    SendLineage,
    Settle,
    SetTraffic,
    StartWorkload,
    StopWorkload,
    TagVersion,
    TellChat,
    Wake,
    WriteComment,
    lane,
)
from policies.evidence import Verdict
from policies.notices import Notice, Turn
from policies.place import HERE
from policies.recording import Recording
from policies.spec.declaration import Keep

NOTICE = Notice(Turn.PROMOTED, 1.0, "rel-2", 0.0, "title", "text")


@pytest.mark.parametrize(
    ("effects", "where"),
    [
        (
            (SetTraffic("s", "wine/prod", 1, "b", (), "none"), HandBack("wine/prod", 1, HERE, "i")),
            "traffic:wine/prod",
        ),
        ((ReportCommit("git", "c0", "k", "success", "t", "x"),), "notify:git:c0"),
        (
            (ReportDeployment("git", "c0", "wine/prod", "rel-2", "k", "s", "t"),),
            "notify:git:deployment:wine/prod",
        ),
        ((WriteComment("git", "issue-1", "k", "x"),), "notify:git:issue-1"),
        ((TellChat("slack", "#ml", "rel-2"),), "chat:slack:#ml:rel-2"),
        ((Notify("mail", NOTICE),), "notify:mail:rel-2"),
        ((Notify("mail", NOTICE, "ann"),), "notify:mail:rel-2:ann"),
        (
            (MoveAlias("mlflow", "wine", "champion", "7"), TagVersion("mlflow", "wine", "7", ())),
            "notify:mlflow:wine",
        ),
        ((SendLineage("rel-2", "promoted", 1.0),), "lineage:rel-2"),
        ((KeepCheckpoint("s3", 1, "h", 1.0),), "archive:s3"),
        ((Wake(7.5),), "clock:rel-2:7.5"),
        ((StartWorkload("s", "v", "b"), StopWorkload("b"), Settle(("b", "c"), HERE)), "workload:b"),
        ((Adopt("s", "wine/prod", HERE), CheckPreview("s", "wine/prod", "v", "b", "u")), "work:rel-2"),
    ],
)
def test_effects_on_one_thing_travel_in_one_lane(effects, where):
    assert [lane(effect, "rel-2") for effect in effects] == [where] * len(effects)


def test_what_is_recorded_is_kept_exactly_and_as_code_before_could_read_it_where_nothing_is_sent():
    sent = Recording(True, True, "answer", "score", Keep.HASHED, 0.5, "requests.jsonl", 3.0)
    assert recording.from_json(recording.to_json(sent)) == sent
    told = Recording(True, True, "answer", "score", Keep.HASHED, 0.5)
    assert not {"requests", "rate"} & recording.to_json(told).keys()
    assert recording.from_json(recording.to_json(told)) == told


def test_the_most_severe_verdict_counts_and_nothing_at_all_is_undecided():
    assert evidence.worst([]) is Verdict.UNDECIDED
    ordered = [Verdict.HARM, Verdict.SUSPECT, Verdict.UNDECIDED, Verdict.CLEARED]
    for number, verdict in enumerate(ordered):
        assert evidence.worst(ordered[number:][::-1]) is verdict
