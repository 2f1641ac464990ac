"""What Slack, Mattermost and Matrix send, by their documented contracts: verified, named, read and kept."""

import json
from urllib.parse import parse_qs, urlencode

import pytest

from handlers import forms, matrix, mattermost, pressing, slack
from handlers.commands import command_lines
from handlers.errors import Malformed, Unverified

SECRET = b"8f742231b10e8888abcd99yyyzzz85a5"
STAMP = 1_531_420_618.0
# The vector of Slack's own "Verifying requests from Slack".
BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name="
    b"foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks"
    b".slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121"
    b".803a0bc887a14d10d2c447fce8b6703c"
)
SIGNED = {
    "X-Slack-Request-Timestamp": "1531420618",
    "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    "Content-Type": forms.FORM,
}
ID = "4xp9fdt77pncbef59f4k1qe83o"
ROOM = "ajdhd5hn9pdxpbgxy6bfcqj16r"


def test_slacks_own_vector_is_verified():
    slack.verify(SIGNED, BODY, (SECRET,), STAMP)
    slack.verify(SIGNED, BODY, (b"newer", SECRET), STAMP + 299)


@pytest.mark.parametrize(
    ("headers", "body", "now"),
    [
        (SIGNED, BODY + b" ", STAMP),
        (SIGNED, BODY, STAMP + 301),
        (SIGNED, BODY, STAMP - 301),
        (SIGNED | {"X-Slack-Request-Timestamp": "1531420619"}, BODY, STAMP),
        (SIGNED | {"X-Slack-Request-Timestamp": "١٥٣"}, BODY, STAMP),
        (SIGNED | {"X-Slack-Signature": SIGNED["X-Slack-Signature"].replace("v0", "v1")}, BODY, STAMP),
        (SIGNED | {"X-Slack-Signature": SIGNED["X-Slack-Signature"].removeprefix("v0=")}, BODY, STAMP),
        ({}, BODY, STAMP),
    ],
)
def test_anything_else_is_not(headers, body, now):
    with pytest.raises(Unverified):
        slack.verify(headers, body, (SECRET,), now)


@pytest.mark.parametrize("secrets", [(), (b"",), (b"wrong",)])
def test_without_the_secret_nothing_is_verified(secrets):
    with pytest.raises(Unverified):
        slack.verify(SIGNED, BODY, secrets, STAMP)


def test_what_is_kept_of_a_slash_command_speaks_for_nobody_and_is_read_the_same():
    kept = slack.kept(SIGNED, BODY)
    for secret in (b"xyzz0WbapA4vBCDEFasx0q6G", b"hooks.slack.com", b"398738663015"):
        assert secret not in kept
    (hint,) = slack.parse(SIGNED, kept)
    assert (hint.user, hint.team, hint.room, hint.text) == ("U2CERLKJA", "T1DC2JH3J", "G8PSS9T3V", "/segue")


def test_a_slash_command_is_one_line_whatever_was_typed():
    told = {key: values[0] for key, values in parse_qs(BODY.decode()).items()}
    text = "approve rel-1 fine\n/segue abort rel-2\r\n/segue abort rel-3\u2028/segue abort rel-4"
    (hint,) = slack.parse(SIGNED, urlencode(told | {"text": text}).encode())
    assert len(hint.text.splitlines()) == 1


def event(**more):
    told = {
        "type": "message",
        "user": "U1",
        "channel": "C1",
        "ts": "1700000000.000100",
        "text": "/segue help",
    }
    return json.dumps(
        {"type": "event_callback", "team_id": "T1", "event_id": "Ev1", "event": told | more}
    ).encode()


def test_a_message_is_answered_in_its_thread_and_begins_one():
    (hint,) = slack.parse({}, event())
    assert (hint.thread, hint.message, hint.written) == (
        "1700000000.000100",
        "message-C1-1700000000.000100",
        1.7e9,
    )
    (hint,) = slack.parse({}, event(thread_ts="1600000000.1"))
    assert hint.thread == "1600000000.1"


def test_the_characters_that_slack_escapes_are_what_was_typed():
    (hint,) = slack.parse({}, event(text="/segue reject rel-1 f1 &lt; 0.9 &amp;amp; late"))
    assert hint.text == "/segue reject rel-1 f1 < 0.9 &amp; late"
    assert slack.parse({}, event(text="&gt; /segue help")) == ()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("<@U0BOT> approve rel-1", "/segue approve rel-1"),
        ("<@U0BOT> /segue approve rel-1", "/segue approve rel-1"),
        ("please <@U0BOT> approve rel-1", None),
        ("<@U0BOT>", None),
        ("&lt;@U0BOT&gt; approve rel-1", None),
    ],
)
def test_a_mention_that_begins_a_line_is_a_command(text, wanted):
    found = slack.parse({}, event(type="app_mention", text=text))
    assert [hint.text for hint in found] == ([] if wanted is None else [wanted])


BOT = {"authorizations": [{"team_id": "T1", "user_id": "U0BOT", "is_bot": True}]}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("<@U0BOT> approve rel-1", ["/segue approve rel-1"]),
        ("<@U0ANN> abort rel-1? I would not, cc <@U0BOT>", []),
        ("<@U0ANN> look\n<@U0BOT> pause rel-1", ["/segue pause rel-1"]),
    ],
)
def test_a_line_to_somebody_else_is_no_command(text, wanted):
    told = json.loads(event(type="app_mention", text=text)) | BOT
    lines = [one for hint in slack.parse({}, json.dumps(told).encode()) for one in command_lines(hint.text)]
    assert lines == wanted


def test_where_slack_does_not_say_who_we_are_only_one_may_be_named():
    text = "<@U0ANN> abort rel-1? I would not, cc <@U0BOT>"
    assert slack.parse({}, event(type="app_mention", text=text)) == ()


@pytest.mark.parametrize(
    "text",
    [
        "look: ```\n/segue abort rel-1\n```",
        "```one line``` ```\n/segue abort rel-1",
        "&gt;&gt;&gt; he wrote\n/segue abort rel-1",
        "so\n&gt;&gt;&gt;/segue abort rel-1\n\n/segue abort rel-1",
        "``` x ```/segue abort rel-1",
    ],
)
def test_what_slack_shows_as_code_or_as_a_quote_is_no_command(text):
    assert slack.parse({}, event(text=text)) == ()
    mention = text.replace("/segue", "<@U0BOT>")
    assert slack.parse({}, event(type="app_mention", text=mention)) == ()


def test_what_stands_behind_code_on_a_line_of_its_own_is_a_command():
    (hint,) = slack.parse({}, event(text="```\ncode\n```\n/segue abort rel-1"))
    assert command_lines(hint.text) == ("/segue abort rel-1",)


def test_an_event_is_known_by_its_own_id_and_anything_else_by_what_it_is():
    assert slack.delivery_id({}, event()) == "Ev1"
    assert slack.delivery_id(SIGNED, BODY) != slack.delivery_id(SIGNED, BODY + b"&x=1")
    assert len(slack.delivery_id({}, b"no JSON")) == 64


def press(**more):
    action = {
        "type": "button",
        "value": pressing.value("/segue abort rel-1", "shifting at 10 %"),
        "action_ts": "2.1",
    }
    told = {"type": "block_actions", "team": {"id": "T1"}, "user": {"id": "U1"}, "channel": {"id": "C1"}}
    return json.dumps(told | {"message": {"ts": "1.1"}, "actions": [action | more]}).encode()


def test_a_press_carries_what_was_seen():
    (hint,) = slack.parse({}, press())
    assert (hint.text, hint.seen, hint.thread) == ("/segue abort rel-1", "shifting at 10 %", "1.1")
    assert slack.parse({}, press(type="static_select")) == ()


@pytest.mark.parametrize(
    "value", ["", "abort", "{}", '{"line": "/segue abort a\\n/segue abort b", "seen": ""}', "[1]"]
)
def test_a_button_of_somebody_elses_is_refused(value):
    with pytest.raises(Malformed):
        slack.parse({}, press(value=value))


# --- Mattermost ---------------------------------------------------------------------------------

TOKEN = b"xr3j5x3p4pfk7kk6ck7b4e6ghh"
FORM = {"Content-Type": forms.FORM}
TYPED = {
    "channel_id": ROOM,
    "user_id": ID,
    "command": "/segue",
    "text": "pause rel-1",
    "trigger_id": "one",
    "token": TOKEN,
}


def context(line="/segue pause rel-1", now=STAMP, room=ROOM, secret=TOKEN):
    return pressing.signed(secret, room, line, "shifting at 10 %", now)


def pressed(**more):
    return json.dumps(
        {"user_id": ID, "channel_id": ROOM, "post_id": "p" * 26, "context": context()} | more
    ).encode()


def test_a_slash_command_is_known_by_its_token_which_is_not_kept():
    body = urlencode(TYPED).encode()
    mattermost.verify(FORM, body, (TOKEN,), STAMP)
    kept = mattermost.kept(FORM, body)
    assert TOKEN not in kept
    assert b"one" not in kept
    (hint,) = mattermost.parse(FORM, kept)
    assert (hint.user, hint.room, hint.text) == (ID, ROOM, "/segue pause rel-1")


@pytest.mark.parametrize("token", [b"", b"wrong", TOKEN + b"x"])
def test_another_token_is_none(token):
    with pytest.raises(Unverified):
        mattermost.verify(FORM, urlencode(TYPED | {"token": token}).encode(), (TOKEN,), STAMP)


def test_the_same_command_typed_twice_is_two_and_sent_twice_is_one():
    def name(trigger):
        kept = mattermost.kept(FORM, urlencode(TYPED | {"trigger_id": trigger}).encode())
        return mattermost.parse(FORM, kept)[0].message

    assert name("one") == name("one") != name("two")


def test_a_button_of_ours_is_verified_and_its_mark_is_not_kept():
    mattermost.verify({}, pressed(), (b"newer", TOKEN), STAMP)
    kept = mattermost.kept({}, pressed())
    assert context()["mark"].encode() not in kept
    (hint,) = mattermost.parse({}, kept)
    assert (hint.text, hint.seen, hint.thread) == ("/segue pause rel-1", "shifting at 10 %", "p" * 26)


@pytest.mark.parametrize(
    "forged",
    [
        {"context": context() | {"value": pressing.value("/segue abort rel-1", "")}},
        {"context": context() | {"until": "99999999999"}},
        {"context": context() | {"place": "q" * 26}},
        {"context": context(room="q" * 26)},
        {"context": context(secret=b"wrong")},
        {"context": context(now=STAMP - pressing.LIVES_SECONDS - 1)},
        {"context": {k: v for k, v in context().items() if k != "mark"}},
        {"context": context() | {"mark": 7}},
        {"context": None},
        {"channel_id": "q" * 26},
    ],
    ids=["command", "end", "place", "room", "secret", "ended", "no mark", "a number", "none", "channel"],
)
def test_a_button_that_is_none_of_ours_or_of_another_place_or_time_is_refused(forged):
    with pytest.raises(Unverified):
        mattermost.verify({}, pressed(**forged), (TOKEN,), STAMP)


def test_what_signs_buttons_is_not_what_signs_deliveries():
    """Whoever has a delivery's signature has none for a button, and the other way round."""
    plain = json.dumps(["a", "b", "c"])
    assert pressing._mark(TOKEN, "a", "b", "c") not in plain
    assert pressing._mark(TOKEN, "a", "b", "c") != pressing._mark(b"other", "a", "b", "c")


# --- Matrix -------------------------------------------------------------------------------------

SAID = {
    "type": "m.room.message", "event_id": "$e1", "sender": "@ann:x.test", "origin_server_ts": 1700000000123,
    "content": {"msgtype": "m.text", "body": "/segue help", "formatted_body": "<b>x</b>"}, "unsigned": {"age": 7},
}  # fmt: skip


def read(**more):
    event = matrix.reduced(SAID | more, "!r:x.test")
    return matrix.parse({}, json.dumps(event).encode())


def test_a_message_of_a_room_is_read():
    (hint,) = read()
    assert (hint.user, hint.room, hint.thread, hint.message) == ("@ann:x.test", "!r:x.test", "$e1", "$e1")
    assert hint.written == 1700000000.123


def test_what_is_stored_of_an_event_is_the_same_whenever_it_is_told():
    assert matrix.reduced(SAID, "!r") == matrix.reduced(SAID | {"unsigned": {"age": 99}}, "!r")


@pytest.mark.parametrize(
    "content",
    [
        {"msgtype": "m.notice", "body": "/segue help"},
        {"msgtype": "m.emote", "body": "/segue help"},
        {"msgtype": "m.text", "body": "> /segue help"},
        {"msgtype": "m.text", "body": "* x", "m.relates_to": {"rel_type": "m.replace", "event_id": "$e0"}},
        {
            "msgtype": "m.text",
            "body": "/segue help",
            "m.relates_to": {"rel_type": "m.replace", "event_id": "$e0"},
        },
        {},
    ],
)
def test_what_is_edited_quoted_or_a_programs_says_nothing(content):
    assert read(content=content) == ()
    assert read(type="m.room.encrypted") == ()


def test_nothing_comes_in_over_http():
    body = json.dumps(SAID).encode()
    for call in (lambda: matrix.verify({}, body, (b"x",), 0.0), lambda: matrix.delivery_id({}, body)):
        with pytest.raises(Unverified):
            call()


def test_a_room_of_matrix_whose_id_could_be_taken_for_a_rooms_and_a_messages_is_none():
    said = {
        "type": "m.room.message",
        "event_id": "$e",
        "sender": "@eve:evil.test",
        "content": {"msgtype": "m.text", "body": "/segue help"},
    }
    assert matrix.parse({}, json.dumps(said | {"room_id": "!one:chat.test"}).encode())
    with pytest.raises(Malformed):
        matrix.parse({}, json.dumps(said | {"room_id": "!one:chat.test/x:evil.test"}).encode())
