"""What came in and what became of it can be seen, and what was given up has a way back."""

import json

import pytest

from handlers import signing
from service.ports.outcomes import Refused
from tests.scenarios.conftest import MAIN, SECRET, WINE

FILES = {"segue.yaml": WINE, "requirements.lock": ""}


def shown(world, path="events"):
    answer = world.web.get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {world.people['bob']}"})
    assert answer.status_code == 200, answer.text
    return answer.json


def of_kind(world, kind, path="events"):
    return [event for event in shown(world, path)["events"] if event["kind"] == kind]


def test_a_delivery_leads_to_an_event_that_leads_to_a_release(world):
    world.push(FILES)
    (waiting,) = shown(world)["events"]
    assert (waiting["id"], waiting["source"], waiting["state"]) == ("1", "git", "stored")
    world.settle()
    (delivery,) = of_kind(world, "delivery")
    (event,) = of_kind(world, "event")
    assert (delivery["state"], delivery["text"]) == ("done", "the source was asked: 1 change")
    assert delivery["led"] == [event["id"]]
    assert event["what"].startswith("refs/heads/main is now ")
    assert (event["state"], event["text"], event["led"]) == ("done", "started rel-1", ["rel-1"])


def test_a_delivery_about_nothing_new_says_so_and_handling_it_again_starts_nothing(world):
    commit = world.push(FILES)
    world.settle()
    world.hook("git", {"ref": MAIN, "before": "0" * 40, "after": commit})
    world.settle()
    assert of_kind(world, "delivery")[0]["text"] == "the source was asked: nothing new"
    reply = world.say("replay-event", "1")
    assert reply.ok
    assert shown(world, "events/1")["event"]["text"] == "the source was asked: nothing new"
    assert len(world.releases()) == 1


def test_an_old_delivery_handled_again_finds_what_the_source_says_now(world):
    world.push(FILES)
    world.settle()
    world.push({"serve.py": "2"}, told=False)
    assert len(world.releases()) == 1
    assert world.say("replay-event", "1").ok
    world.settle()
    assert [release.cause.commit for release in world.releases()][-1] == world.git.refs()[MAIN]
    assert len(world.releases()) == 2


def test_what_nobody_can_read_is_found_with_its_reason_and_comes_back_when_it_can(world, monkeypatch):
    world.hook("git", "no object")
    world.settle()
    (dead,) = shown(world, "events?failed=1")["events"]
    assert dead["state"] == "dead"
    assert "an entry of `changes` is not an object" in dead["text"]
    assert dead["delivery"] == 1
    assert shown(world, "events/1")["event"]["state"] == "dead"
    monkeypatch.setattr("handlers.bare_hook.parse", lambda *_: ())
    assert world.say("replay-event", "1").ok
    assert shown(world, "events?failed=1")["events"] == []
    assert shown(world, "events/1")["event"]["text"] == "nothing in it concerns Segue"


def test_what_nobody_can_mend_is_dismissed_with_a_reason_and_leaves_the_dead(world):
    world.hook("git", "no object")
    world.settle()
    (dead,) = shown(world, "events?failed=1")["events"]
    refused = world.say("dismiss-event", dead["id"])
    assert not refused.ok
    assert "say why" in refused.text
    assert [one["id"] for one in shown(world, "events?failed=1")["events"]] == [dead["id"]]
    assert world.say("dismiss-event", dead["id"], reason="a test page").ok
    assert shown(world, "events?failed=1")["events"] == []
    assert world.store.dead() == []
    for name in ("1", dead["id"]):
        event = shown(world, f"events/{name}")["event"]
        assert event["state"] == "dismissed"
        assert event["text"].startswith("dismissed by bob: a test page (it was given up: ")
    told = [e.detail for e in world.store.record_of(limit=1000) if e.detail.get("verb") == "dismiss-event"]
    assert told[-1]["reason"] == "a test page"
    assert not world.say("dismiss-event", dead["id"], reason="twice").ok


def test_a_delivery_is_dismissed_by_its_number_and_may_still_be_handled_again(world, monkeypatch):
    world.hook("git", "no object")
    world.settle()
    assert world.say("dismiss-event", "1", reason="seen").ok
    assert shown(world, "events?failed=1")["events"] == []
    monkeypatch.setattr("handlers.bare_hook.parse", lambda *_: ())
    assert world.say("replay-event", "1").ok
    assert shown(world, "events/1")["event"]["state"] == "done"


@pytest.mark.parametrize("name", ["1", "work-1", "99", "work-9999", "x", "²"])
def test_what_was_not_given_up_is_not_dismissed(world, name):
    world.push(FILES)
    world.settle()
    reply = world.say("dismiss-event", name, reason="why not")
    assert not reply.ok
    assert "was not given up" in reply.text
    assert world.releases()


def test_a_change_that_was_given_up_comes_back_only_while_nothing_newer_was_seen(world, monkeypatch):
    def refuse(*_arguments):
        raise Refused("not today")

    with monkeypatch.context() as patched:
        patched.setattr("service.engine.planning.plan", refuse)
        world.push(FILES)
        world.settle()
    (dead,) = shown(world, "events?failed=1")["events"]
    assert (dead["kind"], dead["text"]) == ("event", "not today")
    assert world.say("replay-event", dead["id"]).ok
    world.settle()
    assert len(world.releases()) == 1
    with monkeypatch.context() as patched:
        patched.setattr("service.engine.planning.plan", refuse)
        world.push({"serve.py": "2"})
        world.settle()
    (dead,) = shown(world, "events?failed=1")["events"]
    world.push({"serve.py": "3"})
    world.settle()
    refused = world.say("replay-event", dead["id"])
    assert not refused.ok
    assert "has changed since" in refused.text
    assert len(world.releases()) == 2


@pytest.mark.parametrize("name", ["99", "work-9999", "x", "work-x", "work-" + "9" * 40, "²", "-1"])
def test_what_never_happened_is_not_handled_again(world, name):
    reply = world.say("replay-event", name)
    assert not reply.ok
    assert "segue events" in reply.text


def test_a_command_that_was_obeyed_is_not_obeyed_again(world):
    world.live()
    assert world.say("start", "wine").ok
    command = next(e for e in shown(world)["events"] if e["what"] == "bob: start wine")
    assert (command["state"], command["led"]) == ("done", ["rel-2"])
    refused = world.say("replay-event", command["id"])
    assert not refused.ok
    assert "give it again" in refused.text
    assert len(world.releases()) == 2


def test_work_that_was_not_given_up_has_nothing_to_be_done_again(world):
    world.push(FILES)
    world.settle()
    (event,) = of_kind(world, "event")
    assert "was not given up" in world.say("replay-event", event["id"]).text
    assert len(world.releases()) == 1


def test_all_pages_together_hold_each_event_once(world):
    for number in range(40):
        world.push({**FILES, "serve.py": str(number)}, ref=f"refs/heads/b{number}", told=number % 2 == 0)
        world.clock.now += 1.0 if number % 3 == 0 else 0.0
    world.clock.now += world.settings.sweep_seconds
    world.settle()
    for number in range(40):
        world.push({"serve.py": f"again {number}"}, ref=f"refs/heads/b{number}")
        world.clock.now += 1.0
    world.settle()
    seen, path = [], "events"
    while path is not None:
        page = shown(world, path)
        seen += [event["id"] for event in page["events"]]
        path = f"events?before={page['next']}" if page["next"] else None
    assert len(seen) == len(set(seen)) == 60 + 80
    times = {event["id"]: event["at"] for event in shown(world)["events"]}
    assert [times[one] for one in times] == sorted(times.values(), reverse=True)


def test_a_source_has_a_list_of_its_own(world):
    world.push(FILES)
    world.say("start", "wine")
    assert {event["source"] for event in shown(world, "events?source=git")["events"]} == {"git"}
    assert {event["source"] for event in shown(world, "events?source=people")["events"]} == {"people"}
    assert shown(world, "events?source=nobody")["events"] == []


def test_a_delivery_is_shown_whole_without_logins_and_its_body_only_where_asked_for(world):
    secret = world.settings.home / "secrets" / "hook-git"
    secret.parent.mkdir(exist_ok=True)
    secret.write_text("the-hook-secret\n")
    change = {"ref": "x the-hook-secret", "before": "0", "after": "1", "access_token": "ghp_1"}
    world.hook("git", change)
    message = shown(world, "events/1")["message"]
    assert message["body"] is None
    assert message["delivery"] == "d1"
    assert "Webhook-Id" in message["headers"]
    body = shown(world, "events/1?body=1")["message"]["body"]
    assert json.loads(body)["changes"][0] == {**change, "ref": "x (hidden)", "access_token": "(hidden)"}


def test_a_login_in_a_header_of_the_senders_own_is_never_stored(world):
    body = json.dumps({"pusher": "ann", "changes": []}).encode()
    stamp = f"{world.clock.now:.0f}"
    headers = {
        "webhook-id": "one",
        "webhook-timestamp": stamp,
        "webhook-signature": signing.sign(SECRET, f"one.{stamp}.".encode() + body),
        "X-Request-Id": "kept",
        "X-Event-Key": "repo:push",
        "X-Gitlab-Token": "plain",
        "X-Api-Key": "plain",
        "Authorization": "Bearer plain",
        "Cookie": "plain",
    }
    assert world.intake.post("/hooks/git", data=body, headers=headers).status_code == 202
    kept = world.inbox.get(1).headers
    assert "plain" not in str(kept)
    assert kept["X-Request-Id"] == "kept"
    assert kept["X-Event-Key"] == "repo:push", "a handler parses by it"
