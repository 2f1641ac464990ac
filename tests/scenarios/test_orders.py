"""Alerts, other systems' events and signed hooks: each obeyed once, on the safe side, for what it is about."""

import base64
import io
import json
from datetime import UTC, datetime

import pytest
from rich.console import Console

from handlers import signing
from policies.release import Phase
from service.engine.housekeeping import DAY, EVERY_SECONDS
from service.ports.connections import Source
from service.showing import terminal
from tests.scenarios.conftest import SECRET, WINE

ALERTS = Source("alerts", "alertmanager", "", ("wine/*",))
HOOK = Source("ci", "hook", "", ("wine/*",))


@pytest.fixture
def world(world):
    with world.store.change() as change:
        change.save_source(ALERTS)
        change.save_source(HOOK)
    return world


def alert(world, *, mark="f1", action="hold", target="wine", status="firing", began=None, **more):
    at = datetime.fromtimestamp(world.clock.now if began is None else began, UTC).isoformat()
    labels = {"alertname": "ErrorBudget", "segue_target": target, "segue_action": action}
    return {"status": status, "labels": labels, "startsAt": at, "fingerprint": mark, **more}


def fire(world, *alerts, status="firing"):
    """Alertmanager notifies; the delivery's number."""
    body = json.dumps({"version": "4", "status": status, "alerts": list(alerts)})
    headers = {"Authorization": f"Bearer {SECRET.decode()}"}
    answer = world.intake.post("/hooks/alerts", data=body, headers=headers)
    assert answer.status_code == 202
    world.settle()
    return answer.json["delivery"]


def hooked(world, body, name):
    content, stamp = json.dumps(body).encode(), f"{world.clock.now:.0f}"
    headers = {
        "webhook-id": name,
        "webhook-timestamp": stamp,
        "webhook-signature": signing.sign(SECRET, f"{name}.{stamp}.".encode() + content),
    }
    answer = world.intake.post("/hooks/ci", data=content, headers=headers)
    assert answer.status_code == 202
    world.settle()


def commands(world):
    """What sources ordered, and the replies."""
    found = [e for e in world.store.record_of(limit=1000) if e.action == "command" and e.actor != "bob"]
    return [(entry.actor, entry.detail["verb"], entry.detail["reply"]) for entry in found]


def test_an_alert_holds_the_release_until_a_person_resumes(world):
    world.live()
    release = world.rollout()
    fired = alert(world, annotations={"summary": "errors"})
    fire(world, fired)
    assert world.release(release.name).paused
    (entry,) = [e for e in world.store.record_of(release.name) if e.action == "command"]
    assert (entry.actor, entry.detail["reason"]) == ("alerts", "alert ErrorBudget fires: errors")
    fire(world, {**fired, "status": "resolved"}, status="resolved")
    assert world.release(release.name).paused
    assert world.say("resume", release.name).ok
    assert not world.release(release.name).paused


def test_the_same_alert_again_and_again_is_obeyed_once(world):
    world.live()
    release = world.rollout()
    fired = alert(world)
    fire(world, fired)
    assert world.say("resume", release.name).ok
    number = fire(world, fired, alert(world, mark="f2", status="resolved"))
    assert not world.release(release.name).paused
    headers = {"Authorization": f"Bearer {world.people['bob']}"}
    told = world.web.get(f"/api/v1/events/{number}", headers=headers).json["event"]
    assert told["text"] == "0 orders; 1 known already; 1 resolved"
    world.clock.now += 1.0
    fire(world, alert(world))
    assert world.release(release.name).paused


@pytest.mark.every_store
def test_an_alert_takes_a_release_back_and_a_second_one_of_the_same_cause_goes_no_further(world):
    first = world.live()
    second = world.rollout()
    world.play(400, until=second.name)
    third = world.rollout({"serve.py": "3"})
    began = world.clock.now
    fire(world, alert(world, action="rollback"))
    assert world.release(third.name).phase is Phase.ABORTED
    fire(world, alert(world, action="rollback", mark="f2", began=began))
    assert world.weights()[second.backend] == 100
    assert world.target().stable.release == second.name
    assert "has taken wine/production back since" in commands(world)[-1][2]
    assert first.name != second.name


def test_an_alert_about_what_serves_brings_back_the_version_before_once(world):
    first = world.live()
    second = world.rollout()
    world.play(400, until=second.name)
    world.clock.now += 60
    began = world.clock.now
    fire(world, alert(world, action="rollback"))
    fire(world, alert(world, action="rollback", mark="f2", began=began))
    assert world.weights()[first.backend] == 100
    assert len(world.releases()) == 3


def test_an_alert_that_began_before_a_release_does_not_take_that_release_back(world):
    world.live()
    began = world.clock.now
    world.clock.now += 60
    release = world.rollout()
    fire(world, alert(world, action="rollback", began=began))
    assert world.release(release.name).phase is Phase.SHIFTING
    assert "began after what this is about" in commands(world)[-1][2]


def test_an_order_that_was_given_up_and_comes_back_does_nothing_to_what_came_since(world, monkeypatch):
    world.live()
    old = world.rollout()
    with monkeypatch.context() as patched:
        patched.setattr("handlers.alertmanager.VERSION", "5")
        number = fire(world, alert(world))
    assert not world.release(old.name).paused
    world.play(400, until=old.name)
    world.clock.now += 60
    release = world.rollout({"serve.py": "3"})
    assert world.say("replay-event", number).ok
    world.settle()
    assert not world.release(release.name).paused
    assert commands(world)[-1][2] == f"{release.name} began after this was told; nothing is done to it"


def test_a_cause_of_days_ago_and_targets_of_others_are_refused_and_the_rest_is_obeyed(world):
    world.live()
    release = world.rollout()
    number = fire(
        world,
        alert(world, target="beer", mark="f1"),
        alert(world, mark="f2", began=world.clock.now - 90_000),
        alert(world, mark="f3"),
    )
    assert world.release(release.name).paused
    headers = {"Authorization": f"Bearer {world.people['bob']}"}
    told = world.web.get(f"/api/v1/events/{number}", headers=headers).json["event"]
    assert told["text"].startswith("1 order; alerts may not act on beer/production")
    assert "more than a day" in told["text"]
    assert [command[1] for command in commands(world)] == ["pause"]


def test_a_signed_hook_starts_what_it_owns_once(world):
    world.live()
    hooked(world, {"model": "wine", "reason": "nightly"}, "one")
    hooked(world, {"model": "wine", "reason": "nightly"}, "one")
    assert len(world.releases()) == 2
    assert world.releases()[-1].cause.text == "ci started it"
    hooked(world, {"model": "beer"}, "two")
    assert len(world.releases()) == 2
    assert [command[1] for command in commands(world)] == ["start"]


def test_a_hook_that_asks_for_a_persons_decision_is_parked_with_the_reason(world):
    world.live()
    hooked(world, {"command": "promote", "target": "wine"}, "one")
    (dead,) = world.store.dead()
    assert "everything else is for people" in dead.error


def test_sources_that_cannot_be_asked_are_not_swept(world):
    world.clock.now += world.settings.sweep_seconds
    world.settle()
    assert world.store.dead() == []
    assert [work for work in world.store.work_of("alerts") if work.kind == "look"] == []


def test_an_alert_without_the_secret_is_refused_like_an_unknown_source(world):
    unsigned = world.intake.post("/hooks/alerts", data=b"{}")
    basic = base64.b64encode(b"segue:wrong").decode()
    wrong = world.intake.post("/hooks/alerts", data=b"{}", headers={"Authorization": f"Basic {basic}"})
    unknown = world.intake.post("/hooks/nobody", data=b"{}")
    assert unsigned.status_code == wrong.status_code == unknown.status_code == 401
    assert unsigned.json == wrong.json == unknown.json


def test_a_sender_of_cloudevents_that_asks_first_is_told_yes_for_any_source_alike(world):
    asked = {"WebHook-Request-Origin": "eventgrid.example", "WebHook-Request-Rate": "120"}
    known, unknown = (world.intake.options(f"/hooks/{name}", headers=asked) for name in ("ci", "nobody"))
    assert known.status_code == unknown.status_code == 200
    assert known.headers["WebHook-Allowed-Origin"] == unknown.headers["WebHook-Allowed-Origin"] == "*"
    assert known.headers["WebHook-Allowed-Rate"] == "*"


# --- alerts that fire when a release begins ------------------------------------------------------


def begin(world):
    """A second version that is pushed now, and everything that follows in some seconds."""
    world.push({"serve.py": "2"})
    world.settle()
    world.play(8)
    return world.releases()[-1]


@pytest.mark.parametrize("action", ["hold", "rollback"])
def test_an_alert_that_fires_already_holds_a_release_before_any_traffic_until_a_person_resumes(world, action):
    world.live()
    fire(world, alert(world, action="hold"))
    if action == "rollback":
        fire(world, alert(world, mark="f2", action="rollback"))
    release = begin(world)
    assert (release.phase, release.paused, release.wanted) == (Phase.CHECKING, True, 0.0)
    assert "fires, since before it began" in release.reason
    assert world.weights().get(release.backend, 0.0) == 0.0
    assert world.say("resume", release.name).ok
    world.play(60, until=release.name)
    assert world.release(release.name).phase is Phase.PROMOTED


def asked(world, path):
    """What the API tells a person."""
    headers = {"Authorization": f"Bearer {world.people['bob']}"}
    return world.web.get(f"/api/v1/{path}", headers=headers).json


def test_a_terminal_says_which_alert_held_a_release_and_why_it_was_ordered(world):
    world.live()
    fire(world, alert(world))
    release = begin(world)
    out = io.StringIO()
    Console(file=out, width=200).print(terminal.release(asked(world, f"releases/{release.name}")))
    assert "pause (alert ErrorBudget fires, since before it began)" in out.getvalue()
    orders = [event for event in asked(world, "events?source=alerts")["events"] if event["kind"] == "command"]
    assert [one["what"] for one in orders] == ["alerts: pause wine/production (alert ErrorBudget fires)"]


def test_a_first_release_is_held_as_well(world):
    fire(world, alert(world))
    world.push({"segue.yaml": WINE, "requirements.lock": "", "serve.py": "1"})
    world.settle()
    world.play(8)
    (release,) = world.releases()
    assert (release.phase, release.paused) == (Phase.CHECKING, True)
    assert world.weights() == {}


@pytest.mark.parametrize("how", ["resolved", "silent for a day", "of another target", "not its to hold"])
def test_an_alert_that_fires_no_more_or_elsewhere_holds_nothing(world, how):
    world.live()
    fired = alert(
        world, target="beer" if how == "not its to hold" else "wine/staging" if "another" in how else "wine"
    )
    fire(world, fired)
    if how == "resolved":
        fire(world, {**fired, "status": "resolved"}, status="resolved")
    if how == "silent for a day":
        world.clock.now += 86_400.0
    release = begin(world)
    assert (release.phase, release.paused) == (Phase.SHIFTING, False)


def test_what_was_resolved_does_not_fire_anew_when_it_is_told_late_and_what_began_since_does(world):
    world.live()
    old = alert(world)
    fire(world, old)
    fire(world, {**old, "status": "resolved"}, status="resolved")
    fire(world, old, alert(world, mark="f9", status="resolved"))
    release = begin(world)
    assert not release.paused
    world.say("abort", release.name)
    world.play(10, until=release.name)
    anew = alert(world)
    fire(world, anew)
    fire(world, {**old, "status": "resolved"}, status="resolved")
    world.push({"serve.py": "3"})
    world.settle()
    assert world.releases()[-1].paused


def test_rows_of_alerts_that_ended_are_removed_in_time_and_what_still_fires_is_not(world):
    world.live()
    old = alert(world)
    fire(world, old)
    fire(world, {**old, "status": "resolved"}, status="resolved")
    fire(world, going_on := alert(world, mark="f2"))
    world.clock.now += (world.settings.keep_days - 1) * DAY
    fire(world, going_on)  # as its sender does every few hours
    assert len(world.store.cursors("alerts")) == 2
    world.clock.now += DAY + 2 * EVERY_SECONDS
    world.settle()
    fire(world, going_on)
    (left,) = world.store.cursors("alerts")
    assert left.reference.endswith(" f2")
    assert begin(world).paused


def test_an_alert_that_fires_while_the_candidate_starts_holds_it_and_going_back_is_never_held(world):
    world.live()
    world.rollout()
    world.play(60, until=world.releases()[-1].name)
    assert world.releases()[-1].phase is Phase.PROMOTED
    fire(world, alert(world, mark="f3"))
    reply = world.say("rollback", "wine")
    assert reply.ok
    world.play(20, until=reply.release)
    assert world.release(reply.release).phase is Phase.PROMOTED
