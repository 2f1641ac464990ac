"""A release is told in a chat's room and commanded there: by whom, where, bound to what, and each once."""

import hashlib
import hmac
import json
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from policies.effects import TellChat, lane
from policies.release import Phase
from service.adapters.memory.chat import MemoryChat
from service.arrivals import receiving
from service.arrivals.hearing import LISTENED
from service.arrivals.listening import Listeners
from service.intake import Door
from service.ports.chat import Told
from service.ports.connections import Source
from service.reconciler import NAMES_SECONDS
from service.store.inbox import Delivery
from service.store.queue import Work
from service.store.states import EFFECT
from tests.running import wait_until
from tests.scenarios.conftest import SECRET, WINE, World

ASKED = WINE + 'approvals: {count: 1, in: "slack:#ml-release"}\n'
TWICE = ASKED.replace("count: 1", "count: 2")
SLACK = Source(
    "slack", "slack", "https://slack.com/T1", people=(("UANN", "ann"), ("UBOB", "bob"), ("USUE", "sue"))
)


class Chatting(World):
    """The same, with a workspace of Slack's, kept in memory."""

    def __init__(self, home, **settings):
        super().__init__(home, **settings)
        self.chat = MemoryChat(rooms={"#ml-release": "C1", "#general": "C2"})
        self.connect_chat(SLACK)
        self.secret("hook-slack", SECRET)
        self.said = 0

    def connect_chat(self, source):
        self.hosts[source.name] = self.chat
        with self.store.change() as change:
            change.save_source(source)

    def secret(self, name, value):
        (self.settings.home / "secrets").mkdir(exist_ok=True)
        (self.settings.home / "secrets" / name).write_bytes(value)

    def send(self, body, kind="application/x-www-form-urlencoded", secret=SECRET, at=None, **headers):
        """One request, signed as Slack does; the intake's answer."""
        stamp = f"{self.clock.now if at is None else at:.0f}"
        mark = hmac.new(secret, f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
        signed = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={mark}", "Content-Type": kind}
        return self.intake.post("/hooks/slack", data=body, headers=signed | headers)

    def slash(self, text, who="UBOB", room="C1", team="T1", **more):
        """A slash command; what stands in its room afterwards as answers."""
        self.said += 1
        told = {
            "token": "slack-own-token", "team_id": team, "channel_id": room, "user_id": who, "user_name": "ann",
            "command": "/segue", "text": text, "trigger_id": f"t{self.said}", "response_url": "https://hooks.slack.com/x",
        }  # fmt: skip
        answer = self.send(urlencode(told).encode(), **more)
        assert answer.status_code == 200, answer.text
        self.settle()
        return self.answers(room)

    def event(self, event, name=None, team="T1", **headers):
        self.said += 1
        told = {
            "type": "event_callback",
            "team_id": team,
            "event_id": name or f"Ev{self.said}",
            "event": event,
        }
        answer = self.send(json.dumps(told).encode(), "application/json", **headers)
        assert answer.status_code == 200, answer.text
        self.settle()
        return self.answers(event["channel"])

    def mention(self, text, who="UBOB", room="C1", **more):
        self.said += 1
        event = {
            "type": "app_mention",
            "user": who,
            "channel": room,
            "ts": f"{self.clock.now:.0f}.{self.said:06d}",
        }
        return self.event(event | {"text": text} | more)

    def press(self, words, who="UBOB", message=None, room="C1"):
        """Somebody presses the button of these words, below the newest message or one that they still see."""
        self.said += 1
        shown = message or self.shown()
        button = next(one for one in shown.buttons if one.words == words)
        value = json.dumps({"line": button.line, "seen": button.seen})
        payload = {
            "type": "block_actions", "team": {"id": "T1"}, "user": {"id": who}, "channel": {"id": room},
            "message": {"ts": "m1"}, "token": "slack-own-token", "response_url": "https://hooks.slack.com/x",
            "actions": [{"type": "button", "value": value, "action_ts": f"{self.said}.1"}],
        }  # fmt: skip
        body = urlencode({"payload": json.dumps(payload)}).encode()
        assert self.send(body).status_code == 200
        self.settle()
        return self.answers(room)

    def answers(self, room="C1"):
        return [
            m.message.text for m in self.chat.posted.values() if m.room == room and m.key.startswith("slack:")
        ]

    def shown(self, release=None):
        """The release's message, as it stands."""
        name = release or self.releases()[-1].name
        (found,) = [m.message for m in self.chat.posted.values() if m.key.startswith(f"{name}-")]
        return found

    def waiting(self, rules=ASKED, author="ann"):
        files = {"segue.yaml": rules, "requirements.lock": "", "serve.py": f"{len(self.releases())}"}
        self.push(files, author=author)
        self.settle()
        release = self.releases()[-1]
        assert release.phase is Phase.APPROVAL
        return release.name

    def phase(self, name):
        return self.release(name).phase

    def _door(self, name):
        source = next((s for s in self.store.sources() if s.name == name), None)
        return None if source is None else Door(source.kind, self.settings.live(f"hook-{name}") or (SECRET,))


@pytest.fixture
def world(tmp_path, stores):
    made = Chatting(tmp_path, **stores)
    yield made
    made.close()


# --- what is told ------------------------------------------------------------------------------


@pytest.mark.every_store
def test_a_release_has_one_message_which_follows_it_to_its_end(world):
    name = world.waiting()
    assert "waits for approval" in world.shown().title
    assert "approvals: 1 needed; given by nobody yet" in world.shown().text
    assert [one.words for one in world.shown().buttons] == ["Approve", "Reject", "Abort"]
    world.press("Approve")
    world.play(40, until=name)
    world.settle()
    assert world.phase(name) is Phase.PROMOTED
    assert "is promoted" in world.shown().title
    assert world.shown().buttons == ()
    assert len([m for m in world.chat.posted.values() if m.key.startswith("rel-")]) == 1


def test_what_somebody_else_changed_stands_in_the_message_of_what_serves_with_a_button_that_repairs_it(world):
    for _ in range(2):
        name = world.waiting()
        world.press("Approve")
        world.play(40, until=name)
    target = world.target()
    world.router.change(target.name, "kubectl-edit undid it", {target.previous.backend: 100.0})
    world.clock.now += NAMES_SECONDS
    world.settle()
    told = world.shown(name)
    assert "changed by somebody else: kubectl-edit undid it" in told.text
    assert [one.words for one in told.buttons] == ["Repair"]
    assert "only admins adopt" in world.slash("adopt wine/production it is better")[-1]
    assert "is being repaired" in world.press("Repair", message=told)[-1]
    world.settle()
    assert world.weights()[target.stable.backend] == 100
    assert world.shown(name).buttons == ()
    assert "kubectl-edit" not in world.shown(name).text


def notices(world, room="C2"):
    """What stands in a room about releases."""
    return [m for m in world.chat.posted.values() if m.room == room and m.key.startswith("rel-")]


def test_a_room_that_is_only_told_has_one_message_though_nobody_is_asked(world):
    world.push({"segue.yaml": WINE + 'tell: "slack:#general"\n', "requirements.lock": "", "serve.py": "1"})
    world.settle()
    (told,) = notices(world)
    assert told.message.title.startswith("rel-1 on wine/production ")
    world.play(40, until="rel-1")
    world.settle()
    (told,) = notices(world)
    assert "is promoted" in told.message.title
    assert "proof: not proven" in told.message.text
    assert told.message.buttons == ()
    assert notices(world, "C1") == []


def test_where_a_room_is_only_told_nobody_approves_though_another_room_is_asked(world):
    name = world.waiting(ASKED + 'tell: ["slack:#general", "slack:#ml-release", "mattermost:#nowhere"]\n')
    (told,), (asked,) = notices(world), notices(world, "C1")
    assert [len(one.message.buttons) for one in (told, asked)] == [0, 3]
    assert ("to approve" in told.message.text, "to approve" in asked.message.text) == (False, True)
    assert "is approved in slack:#ml-release" in world.slash(f"approve {name}", room="C2")[-1]
    assert world.phase(name) is Phase.APPROVAL
    world.press("Approve", message=asked.message)
    assert world.phase(name) is not Phase.APPROVAL
    assert world.store.dead() == []


def test_a_chat_that_hangs_delays_no_weight_and_is_told_the_newest_when_it_comes_back(world):
    world.chat.gone = "it hangs"
    name = world.waiting(WINE + 'approvals: {count: 1, from: [bob], in: "slack:#ml-release"}\n')
    assert world.say("approve", name).ok
    world.play(40, until=name)
    assert world.phase(name) is Phase.PROMOTED
    assert world.chat.posted == {}
    world.chat.gone = ""
    world.clock.now += 600
    world.settle()
    (posted,) = world.chat.posted.values()
    assert "is promoted" in posted.message.title
    assert posted.written == 1, "what was overtaken is not said"


def test_without_a_connected_chat_a_release_goes_on_and_nothing_is_given_up(world):
    name = world.waiting(WINE + 'approvals: {count: 1, from: [bob], in: "mattermost:#ml-release"}\n')
    assert world.chat.posted == {}
    assert world.say("approve", name).ok
    assert world.store.dead() == []


def test_a_worker_that_dies_after_it_posted_posts_no_second_time(world, monkeypatch):
    real = world.chat.put

    def dies(*words, **more):
        real(*words, **more)
        monkeypatch.setattr(world.chat, "put", real, raising=False)
        raise RuntimeError("the worker is gone")

    monkeypatch.setattr(
        MemoryChat, "put", lambda chat, *w, **m: dies(*w, **m) if len(chat.posted) < 1 else real(*w, **m)
    )
    world.waiting()
    world.settle(60)
    assert len(world.chat.posted) == 1


# --- who, and where ------------------------------------------------------------------------------


@pytest.mark.every_store
def test_somebody_on_the_list_approves_by_a_button_and_the_record_names_them(world):
    name = world.waiting()
    (answer,) = world.press("Approve")
    assert answer.startswith(f"/segue approve {name} sha256:")
    assert world.phase(name) is not Phase.APPROVAL
    assert world.release(name).approvals[0].actor == "slack:bob"


def test_the_author_approves_nothing_whatever_the_chat_calls_them(world):
    name = world.waiting(author="ann")
    (answer,) = world.press("Approve", who="UANN")
    assert "an author cannot approve their own release" in answer
    assert world.phase(name) is Phase.APPROVAL


def test_a_stranger_is_told_who_may_and_nothing_happens(world):
    name = world.waiting()
    (answer,) = world.press("Approve", who="UEVE")
    assert "UEVE may not command here; ann, bob, sue may" in answer
    assert world.phase(name) is Phase.APPROVAL


def test_a_name_that_a_stranger_gave_themselves_is_nobodys(world):
    """`user_name` says ann in every slash command here, and one is sent by somebody whose id is not known."""
    name = world.waiting(author="bob")
    world.slash(f"approve {name}", who="ann")
    assert world.phase(name) is Phase.APPROVAL


def test_an_approval_in_another_room_does_not_count(world):
    name = world.waiting()
    (answer,) = world.slash(f"approve {name}", room="C2")
    assert f"{name} is approved in slack:#ml-release, on the page or by: segue approve {name}" in answer
    world.press("Approve", room="C2")
    assert world.phase(name) is Phase.APPROVAL
    world.slash(f"approve {name}", room="C1")
    assert world.phase(name) is not Phase.APPROVAL


def test_a_chat_approves_nothing_whose_rules_do_not_name_it(world):
    name = world.waiting(WINE + "approvals: {count: 1}\n")
    (answer,) = world.slash(f"approve {name}")
    assert f"{name} is approved on the page or by" in answer
    assert world.phase(name) is Phase.APPROVAL


def test_another_workspace_says_nothing_here(world):
    name = world.waiting()
    assert world.slash(f"approve {name}", team="T2") == []
    assert world.phase(name) is Phase.APPROVAL


def test_a_chat_has_no_say_beyond_what_it_may_own(world):
    name = world.waiting()
    world.connect_chat(Source("slack", "slack", SLACK.url, ("beer/*",), SLACK.people))
    told = (world.press("Approve")[-1], world.slash(f"abort {name}")[-1])
    assert all("slack has no say about wine/production; it may own beer/*" in one for one in told)
    assert "has no say about wine/production" in _rolled_back(world)
    assert "has no say about wine/*" in world.slash("start wine")[-1]
    assert "has no say" in world.slash("replay-event 1")[-1]
    assert world.phase(name) is Phase.PROMOTED


@pytest.mark.parametrize("subject", ["{name}", "wine", "wine/production"])
def test_a_chat_tries_nothing_again_that_it_may_not_own(world, subject):
    name = world.waiting()
    assert world.say("reject", name).ok
    world.connect_chat(replace(SLACK, owns=("beer/*",)))
    told = world.slash("retry " + subject.format(name=name))[-1]
    assert "slack has no say about wine/production" in told
    assert len(world.releases()) == 1


def _rolled_back(world):
    world.say("approve", world.releases()[-1].name)
    world.play(40, until=world.releases()[-1].name)
    return world.slash("rollback wine")[-1]


# --- bound to what was seen -----------------------------------------------------------------------


def test_a_stale_button_says_what_it_was_and_what_is_now(world):
    name = world.waiting()
    before = world.shown()
    assert world.slash(f"pause {name}")
    world.press("Approve")
    world.settle()
    assert world.phase(name) is not Phase.APPROVAL
    told = world.press("Approve", who="USUE", message=before)[-1]
    assert "nothing was done" in told
    assert "with the plan" in told


def test_two_people_count_and_the_same_one_twice_does_not(world):
    name = world.waiting(TWICE)
    world.press("Approve", who="UBOB")
    assert "approval noted; 1 more must approve" in world.press("Approve", who="UBOB")[-1]
    assert world.phase(name) is Phase.APPROVAL
    assert world.shown().text.endswith("given by slack:bob")
    assert len(world.release(name).approvals) == 1
    world.press("Approve", who="USUE")
    assert world.phase(name) is not Phase.APPROVAL


# --- each once ------------------------------------------------------------------------------------


def test_an_event_that_slack_sends_again_counts_once(world):
    name = world.waiting(TWICE)
    event = {
        "type": "app_mention",
        "user": "UBOB",
        "channel": "C1",
        "ts": f"{world.clock.now:.0f}.0001",
        "text": f"<@UBOT> pause {name}",
    }
    world.event(event, name="Ev-a")
    for number in (1, 2, 3):
        world.event(
            event, name="Ev-a", **{"X-Slack-Retry-Num": f"{number}", "X-Slack-Retry-Reason": "http_timeout"}
        )
    world.event(event | {"type": "message", "text": f"/segue pause {name}"}, name="Ev-b")
    assert len(world.answers()) == 1, "a mention is told as a message, too"


def test_the_same_command_said_twice_is_two(world):
    name = world.waiting()
    world.slash(f"pause {name}")
    assert len(world.slash(f"pause {name}")) == 2


@pytest.mark.parametrize(
    "odd",
    [
        {"edited": {"user": "UBOB"}},
        {"subtype": "message_changed"},
        {"bot_id": "B2"},
        {"subtype": "bot_message"},
        {"hidden": True},
    ],
    ids=str,
)
def test_what_was_edited_or_a_program_wrote_is_no_command(world, odd):
    name = world.waiting()
    assert world.mention(f"<@UBOT> abort {name}", **odd) == []
    assert world.phase(name) is Phase.APPROVAL


@pytest.mark.parametrize(
    "text",
    [
        "&gt; <@UBOT> abort {}",
        "```\n<@UBOT> abort {}\n```",
        "```\n/segue abort {}\n```",
        "please <@UBOT> abort {}",
        "<@UBOT>",
    ],
)
def test_quotes_and_code_and_talk_about_it_are_no_command(world, text):
    name = world.waiting()
    world.mention(text.format(name))
    assert world.phase(name) is Phase.APPROVAL


def test_a_message_that_comes_late_is_not_obeyed(world):
    name = world.waiting()
    told = world.mention(f"<@UBOT> abort {name}", ts=f"{world.clock.now - 3600:.0f}.0001")
    assert "60 minutes before it came here" in told[-1]
    assert world.phase(name) is Phase.APPROVAL


# --- what is answered -----------------------------------------------------------------------------


def test_help_and_a_word_that_is_none_are_answered_from_the_one_table(world):
    assert "/segue approve [release] [digest] [reason]" in world.slash("help")[-1]
    assert "did you mean `/segue approve`?" in world.slash("aprove rel-1")[-1]
    assert "/segue help" in world.slash("")[-1]


def test_a_command_is_answered_at_once_and_below_what_it_answers(world):
    name = world.waiting()
    world.said += 1
    told = {
        "team_id": "T1",
        "channel_id": "C1",
        "user_id": "UBOB",
        "command": "/segue",
        "text": f"pause {name}",
        "trigger_id": "x",
    }
    answer = world.send(urlencode(told).encode())
    assert (answer.status_code, answer.json["response_type"]) == (200, "ephemeral")
    assert world.answers() == [], "it is stored, and worked on later"
    stamp = f"{world.clock.now:.0f}.000009"
    world.mention(f"<@UBOT> pause {name}", ts=stamp)
    assert [m.under for m in world.chat.posted.values() if m.under] == [stamp]


def test_nothing_that_speaks_for_somebody_is_stored(world):
    world.waiting()
    world.slash("help")
    world.press("Approve")
    kept = b"".join(world.inbox.get(n).body for n in range(1, world.inbox.newest() + 1))
    for secret in (b"slack-own-token", b"hooks.slack.com", b"trigger_id"):
        assert secret not in kept


def test_slacks_challenge_is_answered_where_it_is_signed(world):
    body = json.dumps({"type": "url_verification", "challenge": "3eZbrw1a", "token": "x"}).encode()
    answer = world.send(body, "application/json")
    assert (answer.status_code, answer.text) == (200, "3eZbrw1a")
    assert world.send(body, "application/json", secret=b"wrong").status_code == 401
    assert world.inbox.newest() == 0


# --- forgeries ------------------------------------------------------------------------------------

COMMAND = urlencode(
    {"team_id": "T1", "channel_id": "C1", "user_id": "UBOB", "command": "/segue", "text": "abort rel-1"}
).encode()


@pytest.mark.parametrize("seconds", [-301, 301, -86400])
def test_a_request_of_another_time_is_refused(world, seconds):
    assert world.send(COMMAND, at=world.clock.now + seconds).status_code == 401


def test_a_request_that_is_not_signed_is_refused(world):
    assert world.send(COMMAND, secret=b"wrong").status_code == 401
    assert world.intake.post("/hooks/slack", data=COMMAND).status_code == 401
    assert world.send(COMMAND, **{"X-Slack-Signature": "v0="}).status_code == 401
    assert world.inbox.newest() == 0


def test_a_recorded_request_counts_once(world):
    assert [world.send(COMMAND).status_code for _ in range(3)] == [200, 200, 200]
    assert world.inbox.newest() == 1


def test_where_unsigned_senders_are_let_in_a_chat_is_not(world):
    (world.settings.home / "secrets" / "hook-slack").unlink()
    name = world.waiting()
    for headers in ({}, {LISTENED: "yes"}, {f"X-{LISTENED}": "yes"}):
        body = COMMAND.replace(b"rel-1", name.encode()) + str(headers).encode("ascii").hex().encode()
        assert world.send(body, **headers).status_code == 200
    world.settle()
    assert world.phase(name) is Phase.APPROVAL
    assert {"deliveries of slack are not signed" in work.error for work in world.store.dead()} == {True}


# --- by a connection of our own -------------------------------------------------------------------


def test_what_is_listened_to_counts_like_what_was_sent_and_once_by_two_listeners(world):
    name = world.waiting(TWICE)
    world.chat.listening = True
    listeners = [Listeners(world.store, world.inbox, lambda _: world.chat, world.clock) for _ in range(2)]
    before = world.inbox.newest()
    with world.store.change() as change:
        change.observe("slack", "listened", "0", change.now)
    event = {
        "type": "app_mention",
        "user": "UBOB",
        "channel": "C1",
        "ts": f"{world.clock.now:.0f}.0001",
        "text": f"<@UBOT> pause {name}",
    }
    told = json.dumps({"type": "event_callback", "team_id": "T1", "event_id": "Ev1", "event": event}).encode()
    world.chat.says.append(Told("Ev1", told))
    for one in listeners:
        one.follow(world.store.sources())
    wait_until(lambda: world.store.cursors("slack")[0].value == "1", 60)
    for one in listeners:
        one.stop()
    assert world.inbox.newest() == before + 1
    world.settle()
    assert len(world.answers()) == 1


def test_a_newer_state_takes_the_place_of_an_unsent_older_one(world):
    effect = TellChat("slack", "#ml-release", "rel-1")
    for number in range(3):
        with world.store.change() as change:
            key, place = f"k{number}", lane(effect, "rel-1")
            change.add_work(Work(place, "TellChat", key, "rel-1", EFFECT.dump(effect)))
    assert len(world.store.unfinished("TellChat")) == 1


def test_the_headers_of_a_listener_cannot_be_sent(world):
    world.send(COMMAND, **{LISTENED: "yes"})
    assert LISTENED not in {name.lower() for name in world.inbox.get(1).headers}
    assert Delivery("slack", "x", {LISTENED: "yes"}, b"", 0.0).headers != world.inbox.get(1).headers
    receiving.take(world.store, world.inbox)
