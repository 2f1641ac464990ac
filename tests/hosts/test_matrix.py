"""A real Matrix server: the contract of a chat, and the whole of Segue beside it."""

import threading
from urllib.parse import quote

import pytest

from handlers import matrix
from service import plugins
from service.demo.place import segue
from service.ports.chat import Button, Message
from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.settings import Settings
from tests.hosts.matrix import NAME, Synapse
from tests.installation import Installation
from tests.running import wait_until

SEGUE = f"@segue:{NAME}"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Synapse(tmp_path_factory.mktemp("synapse"))
    try:
        yield made.start()
    finally:
        made.stop()


@pytest.fixture(scope="module")
def tokens(server):
    return {name: server.account(name) for name in ("segue", "ann", "bob")}


class Room:
    """A room that ann made and invited the others to."""

    numbers = 0

    def __init__(self, server, tokens):
        Room.numbers += 1
        self.server, self.tokens = server, tokens
        self.alias = f"#release-{Room.numbers}:{NAME}"
        told = {"preset": "private_chat", "room_alias_name": f"release-{Room.numbers}"}
        invite = {"invite": [SEGUE, f"@bob:{NAME}"]}
        self.id = server.client(tokens["ann"], "POST", "/createRoom", told | invite)["room_id"]
        server.client(tokens["bob"], "POST", f"/join/{quote(self.id, safe='')}", {})

    def say(self, who, text, **more):
        """Somebody writes; the event's id."""
        Room.numbers += 1
        path = f"/rooms/{quote(self.id, safe='')}/send/m.room.message/t{Room.numbers}"
        content = {"msgtype": "m.text", "body": text, **more}
        return self.server.client(self.tokens[who], "PUT", path, content)["event_id"]

    def events(self):
        """All messages, oldest first, as the server tells them."""
        path = f"/rooms/{quote(self.id, safe='')}/messages?dir=b&limit=200"
        chunk = self.server.client(self.tokens["ann"], "GET", path)["chunk"]
        return [one for one in reversed(chunk) if one["type"] == "m.room.message"]

    def shown(self):
        """What Segue's messages say, with what replaced them; oldest first."""
        said, now = [], {}
        for one in self.events():
            content = one["content"]
            relation = content.get("m.relates_to", {})
            if one["sender"] != SEGUE:
                continue
            if relation.get("rel_type") == "m.replace":
                now[relation["event_id"]] = content["m.new_content"]["body"]
            else:
                said.append((one["event_id"], content["body"]))
        return [now.get(name, body) for name, body in said]


@pytest.fixture
def room(server, tokens):
    return Room(server, tokens)


@pytest.fixture
def chat(server, tokens, tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "login-chat").write_text(tokens["segue"])
    settings = Settings(home=tmp_path)
    return plugins.load("chats", "matrix").open(settings, Source("chat", "matrix", server.url))


def test_a_message_is_said_once_and_updated(chat, room):
    where = chat.room(room.alias)
    assert where == room.id
    button = Button("Approve", "/segue approve rel-1")
    posted = chat.put(where, "k", Message("rel-1 waits", "<b>bold</b> @room", (button,)))
    assert chat.put(where, "k", Message("rel-1 waits", "<b>bold</b> @room", (button,))) == posted
    assert room.shown() == ["rel-1 waits\n<b>bold</b> @room\nto do:\n  /segue approve rel-1  (Approve)"]
    assert chat.put(where, "k", Message("rel-1 is promoted"), posted) == posted
    assert room.shown() == ["rel-1 is promoted"]
    assert chat.put(where, "k", Message("rel-1 was aborted")) == posted, "whoever forgot where it is"
    assert room.shown() == ["rel-1 was aborted"]


def test_an_answer_stands_below_what_it_answers(chat, room):
    asked = room.say("ann", "/segue help")
    chat.put(chat.room(room.alias), "a", Message("", "answered"), under=asked)
    (answer,) = [one for one in room.events() if one["sender"] == SEGUE]
    assert answer["content"]["m.relates_to"] == {"m.in_reply_to": {"event_id": asked}}


def test_a_room_that_is_closed_to_us_and_a_login_that_is_none_are_refused(chat, tmp_path):
    with pytest.raises(Refused, match="no room"):
        chat.room(f"#nowhere:{NAME}")
    (tmp_path / "secrets" / "login-chat").write_text("wrong")
    with pytest.raises(Refused, match="login-chat"):
        chat.check()


def test_what_is_said_while_nobody_listens_is_heard_afterwards_and_nothing_from_before(chat, room):
    chat.room(room.alias)
    room.say("ann", "/segue abort rel-1")
    places, heard = [], []

    def take(said, place):
        heard.extend(said)
        places.append(place)
        stop.set()

    stop = threading.Event()
    chat.listen(None, take, stop)
    assert heard == []
    first = room.say("ann", "/segue help")
    replaced = {"rel_type": "m.replace", "event_id": first}
    new = {"msgtype": "m.text", "body": "/segue abort rel-1"}
    room.say("ann", "* /segue abort rel-1", **{"m.new_content": new, "m.relates_to": replaced})
    wanted = {first}
    for _ in range(20):
        stop = threading.Event()
        chat.listen(places[-1], take, stop)
        hints = [hint for one in heard for hint in matrix.parse({}, one.body) if hint.room == room.id]
        if {hint.message for hint in hints} >= wanted:
            break
    assert [(hint.text, hint.user) for hint in hints] == [("/segue help", f"@ann:{NAME}")]


def test_a_release_is_told_and_approved_in_the_room_and_by_nobody_else(server, tokens, room, tmp_path):
    made = Installation(tmp_path / "segue", "--broker", "none")
    try:
        made.start()
        login = made.place.home / "secrets" / "login-matrix"
        login.write_text(tokens["segue"])
        people = ("--person", f"@bob:{NAME}=bob", "--person", f"@ann:{NAME}=ann")
        told = segue(made.place, "connect", "matrix", server.url, *people)
        assert "it is listened to by a connection that Segue opens" in told
        made.connect()
        rule = f'approvals: {{count: 1, in: "matrix:{room.alias}"}}\n'
        commit = made.push(1, more=rule)
        wait_until(lambda: any("waits for approval" in one for one in room.shown()), 120)
        (name,) = [one["name"] for one in made.releases(commit)]
        room.say("ann", f"/segue approve {name}")
        wait_until(lambda: any("an author cannot approve" in one for one in room.shown()), 120)
        assert made.releases(commit)[0]["phase"] == "approval"
        room.say("bob", f"/segue approve {name}")
        wait_until(lambda: made.releases(commit)[0]["phase"] == "promoted", 150)
        wait_until(lambda: "is promoted" in room.shown()[0], 120)
    finally:
        made.end()
    about = [one for one in room.shown() if one.startswith(name)]
    assert len(about) == 1, "one message, however often it changed"
