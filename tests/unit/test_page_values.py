"""What the page makes of releases, findings and panels, before any of it is HTML."""

import json
import math
from dataclasses import replace

import pytest

from policies.evidence import Evidence, Finding, Verdict
from policies.place import Place
from policies.release import Cause, Phase, Release, Serving, Target
from policies.roles import OWNER, Rights, grant
from policies.spec.declaration import Approvals, Environment
from policies.strategy import Shadow, Shift, Watch
from service.engine import actions, seen, served
from service.identity.callers import Caller
from service.obeying import back, naming
from service.pages import chart, journey, lineage, standing, words
from service.pages.frame import FOLDER
from service.showing import drawing
from service.showing.panel import Axis, Band, Level, Line, Moment, Panel, Tone
from service.store.record import Entry

STEPS = (Shift((5.0, 25.0, 100.0), 3.0, guarded=True), Watch(600.0, guarded=True))
RELEASE = Release(
    "rel-2", 2, "wine", "wine/production", Environment(), "v2", "wine-v2", Cause("push", "ann"), steps=STEPS
)
ANN, BOB = (Caller(name, OWNER, (f"token:{name}",)) for name in ("ann", "bob"))


def marks(release):
    return [f"{stop.mark.value}: {stop.words}" for stop in journey.stops(release)]


# --- the way ---------------------------------------------------------------------------------


def test_what_is_behind_it_is_done_and_what_is_ahead_is_next():
    assert marks(replace(RELEASE, phase=Phase.SHIFTING, wanted=25.0, observed=5.0, peak=5.0)) == [
        "done: built, evaluated", "done: started", "done: checked", "done: 5 %", "now: 25 %", "next: 100 %",
        "next: watched 10 min", "next: promoted",
    ]  # fmt: skip


def test_a_shadow_is_a_stop_before_any_traffic():
    shadow = replace(RELEASE, steps=(Shadow(600.0), *STEPS))
    assert marks(replace(shadow, phase=Phase.SHADOWING))[2:5] == [
        "done: checked", "now: copies 10 min", "next: 5 %",
    ]  # fmt: skip
    evidence = Evidence(Verdict.HARM, (), 0.0, 1, 0.0, None, 1)
    ended = replace(shadow, phase=Phase.ROLLED_BACK, epoch=3, evidence=evidence)
    assert "ended: copies 10 min" in marks(ended)


def test_an_approval_is_a_stop_where_one_is_asked_for():
    asked = replace(RELEASE, environment=Environment(approvals=Approvals(count=1)), phase=Phase.APPROVAL)
    assert marks(asked)[:3] == ["done: built, evaluated", "now: approved", "next: started"]


def test_copies_and_a_share_that_is_held_back_are_stops():
    steps = (
        Shadow(60.0),
        Shift((5.0, 95.0), 3.0, guarded=True),
        STEPS[1],
        Shift((100.0,), 0.0, guarded=True),
    )
    release = replace(RELEASE, steps=steps, phase=Phase.SHADOWING)
    assert marks(release)[3:5] == ["now: copies 60 s", "next: 5 %"]
    last = marks(replace(release, phase=Phase.SHIFTING, wanted=100.0))
    assert last[-3:] == ["done: watched 10 min", "now: 100 %", "next: promoted"]


def test_a_promoted_release_has_done_everything():
    assert all(one.startswith("done") for one in marks(replace(RELEASE, phase=Phase.PROMOTED)))


@pytest.mark.parametrize(
    ("ended", "at", "last"),
    [
        ({"phase": Phase.ROLLED_BACK, "peak": 25.0}, "25 %", "rolled back"),
        ({"phase": Phase.RESTORING, "peak": 5.0}, "5 %", "restoring"),
        ({"phase": Phase.REFUSED}, "built, evaluated", "refused"),
        ({"phase": Phase.FAILED}, "built, evaluated", "failed"),
        ({"phase": Phase.FAILED, "epoch": 3, "plan": "sha256:1"}, "started", "failed"),
    ],
)
def test_what_ended_otherwise_shows_where(ended, at, last):
    found = marks(replace(RELEASE, **ended))
    assert [one for one in found if one.startswith("ended")] == [f"ended: {at}", f"ended: {last}"]
    assert not any(one.startswith(("now", "next")) for one in found)


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("batch", [False, True])
def test_every_phase_has_a_way(phase, batch):
    for release in (RELEASE, replace(RELEASE, steps=(), batch=batch)):
        assert journey.stops(replace(release, phase=phase))


# --- guards ----------------------------------------------------------------------------------


def rows(**numbers):
    found = Finding("errors", Verdict.UNDECIDED, "rule", tuple(numbers.items()), None, 10, "more")
    return standing.rows(Evidence(Verdict.UNDECIDED, (found,), 5.0, 1, 5.0, 5.0, 1))[0]


def test_evidence_stands_on_a_log_scale_that_ends_where_it_means_harm():
    gauges = [rows(evidence=e, harm_at=100.0).gauge for e in (0.0, 0.1, 1.0, 10.0, 100.0, 1e300)]
    assert [one.at for one in gauges] == [0.0, 0.0, 33.3, 66.7, 100.0, 100.0]
    assert gauges[0].hold == 66.7
    assert gauges[3].says == "10, rolled back at 100"


@pytest.mark.parametrize(
    ("needed", "told"),
    [("6 more", "to change this: 6 more"), ("nothing: it answers", "it answers"), ("", "")],
)
def test_a_guard_says_what_would_change_it_or_why_nothing_need(needed, told):
    found = Finding("alive", Verdict.CLEARED, "rule", (), None, 10, needed)
    assert standing.rows(Evidence(Verdict.CLEARED, (found,), 5.0, 1, 5.0, 5.0, 1))[0].needed == told


def test_what_bets_on_nothing_has_no_scale_and_what_counts_nothing_no_rate():
    found = rows(seconds_without_data=3.0)
    assert (found.gauge, found.rates) == (None, ())
    assert found.counted == ("seconds without data 3",)


def test_rates_are_told_with_what_they_may_really_be():
    new, before = rows(bad=4.0, requests=78.0, stable_bad=0.0, stable_requests=1484.0).rates
    assert new.says.startswith("5.13 % of 78, between ")
    assert new.low < new.at < new.high == 100.0
    assert before.at == 0.0
    assert before.high < new.high


# --- pictures --------------------------------------------------------------------------------

PANEL = Panel(
    "t",
    "says",
    Axis("x", 0.0, 10.0),
    Axis("y", 0.1, 1000.0, log=True, ticks=((1.0, "1"), (100.0, "100"))),
    (Line("a", ((0.0, 1.0), (10.0, 1000.0)), Tone.ALL),),
    (Band(((0.0, 0.5, 2.0), (10.0, 1.0, 4.0)), Tone.CANDIDATE),),
    (Level("harm", 100.0, Tone.HARM, beyond=True),),
    (Moment("here", 5.0, Tone.HARM),),
    ((2.0, 3.0),),
)


def test_a_panel_becomes_the_numbers_that_the_browser_draws():
    drawn = chart.of(PANEL)
    axis = {"ticks": None, "percent": False, "seconds": False}
    assert drawn.numbers == {
        "x": axis | {"low": 0.0, "high": 10.0, "log": False},
        "y": axis | {"low": 0.1, "high": 1000.0, "log": True, "ticks": [[1.0, "1"], [100.0, "100"]]},
        "lines": [
            {"words": "a", "tone": "all", "stepped": False, "thin": False, "filled": False}
            | {"points": [[0.0, 10.0], [1.0, 1000.0]]}
        ],
        "bands": [{"tone": "candidate", "points": [[0.0, 10.0], [0.5, 1.0], [2.0, 4.0]]}],
        "levels": [{"words": "harm", "y": 100.0, "tone": "harm", "beyond": True}],
        "moments": [{"words": "here", "x": 5.0, "tone": "harm"}],
        "spans": [[2.0, 3.0]],
    }
    assert drawn.legend == (("all", "a"),)


def test_a_picture_is_a_table_for_who_cannot_see_it():
    lines = (
        Line("a", ((0.0, 0.5), (10.0, 0.25)), Tone.ALL),
        Line("", ((5.0, 0.001),), Tone.STABLE),
    )
    drawn = chart.of(Panel("t", "s", Axis("took", seconds=True), Axis("share", percent=True), lines))
    assert drawn.columns == ("took", "a", "share")
    assert drawn.rows == (("0 ms", "50 %", "-"), ("5 s", "50 %", "0.1 %"), ("10 s", "25 %", "0.1 %"))


@pytest.mark.parametrize("points", [(), ((1.0, 1.0),), ((1.0, 0.0), (1.0, 0.0))])
def test_a_panel_with_nearly_nothing_in_it_is_drawn(points):
    panel = Panel(
        "t",
        "s",
        Axis("x"),
        Axis("y", percent=True),
        (Line("", points, Tone.STABLE, stepped=True, filled=True),),
    )
    drawn = chart.of(panel)
    assert drawn.numbers["y"]["high"] > drawn.numbers["y"]["low"]
    assert len(drawn.rows) == len({x for x, _ in points})


def test_what_is_no_number_is_sent_as_one():
    points = ((0.0, math.nan), (1.0, math.inf), (2.0, -1.0), (3.0, 2.0))
    drawn = chart.of(Panel("t", "s", Axis("x"), Axis("y", 0.5, log=True), (Line("", points, Tone.ALL),)))
    assert drawn.numbers["lines"][0]["points"][1] == [0.5, 1e300, 0.5, 2.0]
    assert drawn.numbers["y"]["high"] == pytest.approx(2.1)
    json.dumps(drawn.numbers, allow_nan=False)


def test_a_long_line_is_thinned_and_keeps_its_end():
    points = tuple((float(n), float(n % 7)) for n in range(10_000))
    drawn = chart.of(Panel("t", "s", Axis("x"), Axis("y"), (Line("", points, Tone.ALL),)))
    xs, ys = drawn.numbers["lines"][0]["points"]
    assert len(xs) == len(ys) <= chart.POINTS + 1
    assert (xs[-1], ys[-1]) == points[-1]
    assert len(drawn.rows) <= chart.ROWS + 1
    assert drawn.rows[-1][0] == "9,999"


def test_the_page_has_the_colours_of_reports():
    style = (FOLDER / "static" / "page.css").read_text()
    light, dark = style.split("prefers-color-scheme: dark")[:2]
    for tone in (
        t for t in Tone if t is not Tone.MUTED
    ):  # words in it must be read on the page's ground, too
        assert f"--{tone.value}: {drawing.LIGHT[tone]}" in light
        assert f"--{tone.value}: {drawing.DARK[tone]}" in dark


# --- buttons ---------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("paused", [False, True])
def test_only_what_the_engine_would_do_is_offered(phase, paused):
    release = replace(RELEASE, phase=phase, paused=paused, plan="sha256:" + "1" * 64)
    for action in actions.of_release(release, BOB):
        if action.verb == "retry":
            assert phase in back.RETRIABLE
        elif action.verb == "abort":
            assert not release.final
        else:
            assert phase in naming.MIDDLE[action.verb]


def test_who_may_not_approve_is_told_so():
    asked = replace(RELEASE, phase=Phase.APPROVAL, plan="sha256:" + "1" * 64)
    approve = actions.of_release(asked, ANN)[0]
    assert "author" in approve.why_not
    assert actions.of_release(asked, BOB)[0].why_not == ""


def test_who_has_no_role_for_it_is_offered_nothing_and_told_why_they_cannot_approve():
    asked = replace(RELEASE, phase=Phase.APPROVAL, plan="sha256:" + "1" * 64)
    viewer = Caller("eve", Rights((grant("viewer", "wine"),)), ("token:eve",))
    (approve,) = actions.of_release(asked, viewer)
    assert approve.why_not == "needs the role approver or admin on wine/production"
    operator = Caller("eve", Rights((grant("operator", "wine"),)), ("token:eve",))
    assert [one.verb for one in actions.of_release(asked, operator)] == ["approve", "reject", "abort"]
    assert actions.of_release(replace(asked, phase=Phase.SHIFTING), viewer) == ()
    serving = Serving("rel-1", 1, "v", "i", "b", "u", 0.0)
    both = Target("wine/production", stable=replace(serving, release="rel-2"), previous=serving)
    assert actions.of_target(both, viewer.rights) == ()


def test_what_was_seen_changes_with_what_matters_and_with_nothing_else():
    shown = replace(RELEASE, phase=Phase.SHIFTING, wanted=25.0)
    assert seen.of_release(shown) == seen.of_release(replace(shown, observed=25.0, evidence_at=9.0))
    others = [replace(shown, wanted=100.0), replace(shown, paused=True), replace(shown, phase=Phase.WATCHING)]
    assert len({seen.of_release(one) for one in (shown, *others)}) == 4


def test_a_target_can_go_back_only_where_there_is_something_to_go_back_to():
    serving = Serving("rel-1", 1, "v", "i", "b", "u", 0.0)
    assert actions.of_target(Target("wine/production", stable=serving), OWNER) == ()
    both = Target("wine/production", stable=replace(serving, release="rel-2"), previous=serving)
    (back,) = actions.of_target(both, OWNER)
    assert back.seen == "serving rel-2"
    assert "rel-1" in back.about


def test_what_was_taken_over_can_be_handed_back_by_admins_while_nothing_is_on_its_way():
    serving = Serving("rel-1", 1, "v", "i", "b", "u", 0.0)
    taken = Target("wine/production", stable=serving, place=Place("prod", "ml", deployment="wine"))
    (back,) = actions.of_target(taken, OWNER)
    assert (back.verb, back.seen) == ("hand-back", "serving rel-1")
    assert "ml/wine" in back.about
    operator = Rights((grant("operator", "wine"),))
    assert actions.of_target(taken, operator) == ()
    assert [one.verb for one in actions.of_target(replace(taken, holder="rel-2"), OWNER)] == ["rollback"]
    watched = replace(taken.place, stable="a", candidate="b")
    assert actions.of_target(replace(taken, place=watched), OWNER) == ()


def test_rules_are_overridden_by_admins_alone_with_a_reason_and_the_plan_that_was_seen():
    plan = "sha256:" + "1" * 64
    for phase in naming.MIDDLE["override"]:
        shown = replace(RELEASE, phase=phase, plan=plan)
        last = actions.of_release(shown, ANN)[-1]
        assert (last.verb, last.digest, last.seen) == ("override", plan, seen.of_release(shown))
        assert last.explained
        assert last.harsh
        operator = Caller("eve", Rights((grant("operator", "wine"), grant("approver", "wine"))), ("token:e",))
        assert "override" not in [one.verb for one in actions.of_release(shown, operator)]
        assert "override" not in [one.verb for one in actions.as_things_stand(shown)], "a chat takes none"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(1, "just now"), (42, "42 s ago"), (90, "2 min ago"), (7200, "2 h ago"), (90_000, "1 d ago")],
)
def test_times_are_told_in_the_largest_unit(seconds, told):
    assert words.ago(1000.0, 1000.0 + seconds) == told


# --- lineage ---------------------------------------------------------------------------------


def entries(*told):
    """A record, newest first, of (action, observed share or None), a second apart."""
    found = [
        Entry(float(number), "rel-2", "segue", action, {} if share is None else {"observed": share})
        for number, (action, share) in enumerate(told)
    ]
    return found[::-1]


WAY = entries(("began", None), ("shifting", 0.0), ("shifting", 5.0), ("shifting", 25.0))


def whole(release, since=None, until=None):
    return served.Served(release, None, since=since, until=until)


def test_what_traffic_a_version_had_is_told_from_its_record():
    shown = replace(RELEASE, phase=Phase.ROLLED_BACK, peak=25.0, ended=9.0)
    assert lineage.served(shown, WAY, None, None) == lineage.Served(2.0, 25.0)
    cut = lineage.served(shown, WAY[:-1], None, None)
    assert cut.some is None, "the record is cut: it may have been earlier"
    assert lineage.served(replace(shown, peak=0.0), [], None, None) == lineage.Served(None, 0.0)


def test_what_was_promoted_served_until_the_next_was_or_until_it_was_handed_back():
    shown = replace(RELEASE, phase=Phase.PROMOTED, peak=100.0, ended=9.0)
    told = lineage.served(shown, WAY, whole(shown, 9.0), None)
    assert told == lineage.Served(2.0, 100.0, 9.0)
    after = replace(RELEASE, name="rel-7", ended=20.0)
    told = lineage.served(shown, WAY, whole(shown, 9.0, 20.0), after)
    assert told == lineage.Served(2.0, 100.0, 9.0, 20.0, "rel-7")
    back = lineage.served(shown, WAY, whole(shown, 9.0, 15.0), after)
    assert back == lineage.Served(2.0, 100.0, 9.0, 15.0), "rel-7 came when nothing of ours served"


def test_a_batch_that_was_promoted_serves_nobody():
    shown = replace(RELEASE, phase=Phase.PROMOTED, peak=0.0, ended=9.0)
    assert lineage.served(shown, [], whole(shown), None) == lineage.Served(None, 0.0)
