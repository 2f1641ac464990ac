"""What every chat must do: one message for each key, shown as it is, updated and never said twice."""

import threading
from dataclasses import replace

import pytest

from policies.release import Phase
from policies.spec.declaration import Approvals, Environment
from service import plugins
from service.adapters.memory.chat import MemoryChat
from service.engine import telling
from service.ports.chat import Button, Message
from service.ports.connections import Source
from service.ports.outcomes import Refused, Retry
from service.settings import Settings
from tests.chatting.matrix import Matrix
from tests.chatting.mattermost import Mattermost
from tests.chatting.slack import Slack
from tests.unit.test_rollout import STABLE, make_release, make_target

ODD = {
    "mentions": "<!channel> <@U1> @channel @all @here <https://evil.example|safe>",
    "markup": "*bold* _it_ ~no~ `code` ```\nfence\n``` # head [a](https://evil.example) ![x](y) | table | :tada:",
    "entities": "a & b &lt;!channel&gt; <b>bold</b> <script>alert(1)</script>",
    "fences": "````` ``` ~~~",
}
UNSEEN = {
    "\x1b[2J": "\\x1b",
    "\x07": "\\x07",
    "\u202e": "\\u202e",
    "\u200b": "\\u200b",
    "\u2066": "\\u2066",
    "\ufeff": "\\ufeff",
    "\u2028": "\\x2028",
    "\r": "\\x0d",
}


class InMemory:
    """Everything is done by hand."""

    room, other, stranger_room = "#ml-release", "#general", "#secret"

    def __init__(self):
        self.chat = MemoryChat(rooms={self.room: "C1", self.other: "C2"})

    def shown(self, room):
        said = self.chat.said(self.chat.rooms[room])
        return [("\n".join(t for t in (m.title, m.text) if t), [b.words for b in m.buttons]) for m in said]

    def remove(self, room, posted):
        self.chat.remove(posted)

    def under(self, room, posted):
        return self.chat.posted[posted].under or None

    def fails(self):
        self.chat.gone = "it is gone"


class Served:
    """A real adapter and its chat's API."""

    def __init__(self, server, home):
        self.server = server
        self.settings, self.source = Settings(home=home), Source("chat", server.kind, server.url)
        self.secret("login", server.token)
        self.secret("hook", "a-token-of-the-command")
        self.chat = self.open()
        self.room, self.other, self.stranger_room = server.room, server.other, server.stranger_room
        self.shown, self.under = server.shown, server.under

    def open(self):
        return plugins.load("chats", self.source.kind).open(self.settings, self.source)

    def secret(self, name, text):
        (self.settings.home / "secrets").mkdir(exist_ok=True)
        (self.settings.home / "secrets" / f"{name}-chat").write_text(text)

    def remove(self, room, posted):
        self.server.remove(room, posted)

    def fails(self):
        self.server.script = [(503, {"error": "down"})]


SERVERS = {"slack": Slack, "mattermost": Mattermost, "matrix": Matrix}


@pytest.fixture(params=["memory", *SERVERS])
def world(request, tmp_path):
    if request.param == "memory":
        yield InMemory()
        return
    with SERVERS[request.param]() as server:
        yield Served(server, tmp_path)


@pytest.fixture(params=SERVERS)
def served(request, tmp_path):
    with SERVERS[request.param]() as server:
        yield Served(server, tmp_path)


def test_a_message_is_shown_with_its_text_and_its_buttons(world):
    room = world.chat.room(world.room)
    buttons = (
        Button("Approve", "/segue approve rel-1"),
        Button("Reject", "/segue reject rel-1", harsh=True, asked="Sure?"),
    )
    world.chat.put(room, "k", Message("rel-1 waits", "cause: a push\ngate: f1 0.9", buttons))
    assert world.shown(world.room) == [("rel-1 waits\ncause: a push\ngate: f1 0.9", ["Approve", "Reject"])]
    assert world.shown(world.other) == []


def test_a_message_that_is_known_says_the_new_text_and_has_the_new_buttons_alone(world):
    room = world.chat.room(world.room)
    posted = world.chat.put(room, "k", Message("before", "", (Button("Approve", "/segue approve rel-1"),)))
    assert world.chat.put(room, "k", Message("after", "text"), posted) == posted
    assert world.shown(world.room) == [("after\ntext", [])]


def test_whoever_forgot_that_it_was_said_says_it_in_the_same_message(world):
    """A worker dies after the message was posted and before that was stored."""
    room = world.chat.room(world.room)
    posted = world.chat.put(room, "k", Message("before"))
    world.chat.put(room, "other", Message("another"))
    assert world.chat.put(room, "k", Message("after")) == posted
    assert world.shown(world.room) == [("after", []), ("another", [])]


def test_the_same_key_in_another_room_is_another_message(world):
    one = world.chat.put(world.chat.room(world.room), "k", Message("here"))
    two = world.chat.put(world.chat.room(world.other), "k", Message("there"))
    assert one != two
    assert [world.shown(room) for room in (world.room, world.other)] == [[("here", [])], [("there", [])]]


def test_an_answer_stands_below_what_it_answers_and_is_said_once(world):
    room = world.chat.room(world.room)
    asked = world.chat.put(room, "k", Message("asked"))
    answered = world.chat.put(room, "a", Message("", "answered"), under=asked)
    assert world.under(room, answered) == asked
    assert world.chat.put(room, "a", Message("", "answered"), under=asked) == answered
    assert [text for text, _ in world.shown(world.room)] == ["asked", "answered"]


def test_a_message_that_somebody_deleted_is_said_anew(world):
    if getattr(world, "server", None) is not None and world.server.kind == "matrix":
        pytest.skip("there an event can be emptied and never goes")
    room = world.chat.room(world.room)
    posted = world.chat.put(room, "k", Message("before"))
    world.remove(room, posted)
    world.chat.put(room, "k", Message("after"), posted)
    assert world.shown(world.room) == [("after", [])]


def test_a_room_that_we_are_not_in_is_refused_by_name(world):
    with pytest.raises(Refused, match=world.stranger_room):
        world.chat.room(world.stranger_room)


def test_an_id_of_a_room_is_its_own_name(world):
    room = world.chat.room(world.room)
    assert world.chat.room(room) == room


def test_a_chat_that_is_down_is_asked_again(world):
    room = world.chat.room(world.room)
    world.fails()
    with pytest.raises(Retry):
        world.chat.put(room, "k", Message("said"))


@pytest.mark.parametrize("what", ODD)
def test_whatever_a_text_holds_is_shown_as_it_is(served, what):
    room = served.chat.room(served.room)
    served.chat.put(
        room, "k", Message(ODD[what].replace("\n", " "), ODD[what], (Button(ODD[what][:20], "/segue help"),))
    )
    (shown,) = served.shown(served.room)
    assert shown[0] == ODD[what].replace("\n", " ") + "\n" + ODD[what]


def test_the_words_of_others_programs_in_a_drift_are_shown_as_they_are(served):
    drift = " ".join(f"the route was changed by {text}" for text in ODD.values()).replace("\n", " ")
    environment = Environment(approvals=Approvals(channel=f"chat:{served.room}"))
    release = make_release(environment, phase=Phase.PROMOTED, reason="proven")
    target = make_target(stable=replace(STABLE, release=release.name), drift=drift)
    message = telling.message(release, ("chat", served.room), target)
    served.chat.put(served.chat.room(served.room), "k", message)
    ((text, buttons),) = served.shown(served.room)
    assert f"changed by somebody else: {drift}\n" in text
    assert len(buttons) == len(message.buttons) > 0


def test_what_steers_a_screen_or_is_not_seen_is_shown(served):
    room = served.chat.room(served.room)
    served.chat.put(room, "k", Message("odd", "".join(f"a{one}b" for one in UNSEEN)))
    ((text, _),) = served.shown(served.room)
    for one, shown in UNSEEN.items():
        assert one not in text, repr(one)
        assert shown in text, repr(one)


def test_a_long_text_is_cut_and_not_refused(served):
    room = served.chat.room(served.room)
    served.chat.put(
        room, "k", Message("t" * 50_000, "x" * 200_000, (Button("w" * 500, "/segue help", asked="y" * 5000),))
    )
    ((text, _),) = served.shown(served.room)
    assert text.endswith("…")
    assert len(text) < 20_000


# --- logins and troubles of real ones -----------------------------------------------------------


def test_the_address_is_told_once_the_login_is_good(served):
    assert served.chat.check() == served.server.url


@pytest.mark.parametrize("token", ["", "wrong", "two words", "ü"])
def test_a_login_that_is_none_says_which_file_and_never_what_it_holds(served, token):
    served.secret("login", token)
    with pytest.raises(Refused, match="login-chat") as refused:
        served.chat.check()
    assert token == "" or f" {token}" not in str(refused.value)


def test_a_limit_of_rate_is_waited_for(served):
    served.script = served.server.script = [(429, {"retry_after_ms": 7000})]
    with pytest.raises(Retry):
        served.chat.check()


@pytest.mark.parametrize("answer", [(200, []), (200, "text"), (500, None), (302, {})])
def test_an_answer_of_another_form_never_passes_for_one(served, answer):
    served.server.script = [answer]
    with pytest.raises((Retry, Refused)):
        served.chat.put("room", "k", Message("said"))
    assert served.shown(served.room) == []


def test_of_what_is_said_in_a_matrix_room_commands_alone_are_taken_and_the_place_is_kept(tmp_path):
    with Matrix() as server:
        chat, room = Served(server, tmp_path).chat, server.rooms[server.room]
        heard, places = [], []

        def take(said, place):
            heard.extend(said)
            places.append(place)
            stop.set()

        stop = threading.Event()
        chat.listen(None, take, stop)
        chat.put(room, "k", Message("rel-1 waits", "", (Button("Abort", "/segue abort rel-1"),)))
        server.said(room, "@ann:chat.test", {"msgtype": "m.text", "body": "what shall we have for lunch?"})
        stop.clear()
        chat.listen(places[-1], take, stop)
        assert heard == []
        assert places[-1] != places[0], "what was talked about is not read again"
        said = server.said(room, "@ann:chat.test", {"msgtype": "m.text", "body": "/segue help"})
        server.said(room, "@ann:chat.test", {"msgtype": "m.text", "body": 7})
        stop.clear()
        chat.listen(places[-1], take, stop)
        assert [one.name for one in heard] == [said]
