"""Mattermost through intake, handler, adapter and its API: a typed command, a button, and who pressed it."""

import json
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from policies.release import Phase
from service import plugins
from service.arrivals import chats
from service.ports.connections import Source
from service.ports.outcomes import Refused
from tests.chatting.mattermost import Mattermost, name
from tests.scenarios.conftest import WINE
from tests.scenarios.test_chat import Chatting

TOKEN = b"xr3j5x3p4pfk7kk6ck7b4e6ghh"
RULES = WINE + 'approvals: {count: 1, in: "mattermost:#ml-release"}\n'
BOB, ANN, EVE = name(21), name(22), name(23)


class OnMattermost(Chatting):
    """The real adapter and handler, and a server by its contract."""

    def __init__(self, home, server):
        super().__init__(home)
        self.server = server
        self.secret("login-mattermost", server.token.encode())
        self.secret("hook-mattermost", TOKEN)
        people = ((BOB, "bob"), (ANN, "ann"))
        self.source = Source("mattermost", "mattermost", server.url, people=people)
        self.hosts["mattermost"] = plugins.load("chats", "mattermost").open(self.settings, self.source)
        # Buttons end by the clock of whoever checks them.
        self.hosts["mattermost"]._now = self.clock
        with self.store.change() as change:
            change.save_source(self.source)

    def post(self):
        """The release's post."""
        return next(p for p in self.server.posts.values() if p["props"]["segue_key"].startswith("rel-"))

    def actions(self):
        return {one["name"]: one["integration"] for one in self.post()["props"]["attachments"][0]["actions"]}

    def sent(self, words, who=BOB, context=None):
        """What the server sends when somebody presses; its address is the one that we gave."""
        found = self.actions()[words]
        assert found["url"].endswith("/hooks/mattermost")
        told = {
            "user_id": who,
            "user_name": "ann",
            "channel_id": self.post()["channel_id"],
            "post_id": self.post()["id"],
        }
        return told | {"team_id": name(8), "trigger_id": "x", "context": context or found["context"]}

    def click(self, *words, **more):
        told = self.sent(*words, **more)
        answer = self.intake.post("/hooks/mattermost", data=json.dumps(told), content_type="application/json")
        self.settle()
        return answer

    def typed(self, text, who=BOB, token=TOKEN, trigger="t1"):
        told = {
            "channel_id": name(1),
            "user_id": who,
            "text": text,
            "token": token,
            "trigger_id": trigger,
            "command": "/segue",
        }
        kind = "application/x-www-form-urlencoded"
        answer = self.intake.post("/hooks/mattermost", data=urlencode(told), content_type=kind)
        self.settle()
        return answer

    def told(self):
        return [text for text, _ in self.server.shown("#ml-release")]


@pytest.fixture
def world(tmp_path):
    with Mattermost() as server:
        made = OnMattermost(tmp_path, server)
        yield made
        made.close()


def test_a_button_approves_and_its_post_goes_on(world):
    name = world.waiting(RULES)
    answer = world.click("Approve")
    assert (answer.status_code, "ephemeral_text" in answer.json) == (200, True)
    assert world.phase(name) is not Phase.APPROVAL
    world.play(40, until=name)
    world.settle()
    assert "is promoted" in world.told()[0]
    assert "actions" not in world.post()["props"]["attachments"][0]


def test_the_author_a_stranger_and_a_forger_approve_nothing(world):
    name = world.waiting(RULES)
    world.click("Approve", who=ANN)
    assert "an author cannot approve" in world.told()[-1]
    world.click("Approve", who=EVE)
    assert "may not command here" in world.told()[-1]
    context = world.actions()["Approve"]["context"]
    before = world.inbox.newest()
    assert world.click("Approve", context=context | {"mark": "0" * 64}).status_code == 401
    assert world.click("Approve", context={"value": context["value"]}).status_code == 401
    assert world.typed(f"approve {name}", token=b"wrong").status_code == 401
    assert world.inbox.newest() == before
    assert world.phase(name) is Phase.APPROVAL


def test_a_button_that_has_ended_is_refused(world):
    world.waiting(RULES)
    told = world.sent("Approve")
    world.clock.now += 31 * 86_400
    answer = world.intake.post("/hooks/mattermost", data=json.dumps(told), content_type="application/json")
    assert answer.status_code == 401


def test_a_command_that_is_typed_is_answered_in_the_channel_and_counts_once(world):
    name = world.waiting(RULES)
    for _ in range(3):
        answer = world.typed(f"approve {name}")
    assert (answer.status_code, answer.json["response_type"]) == (200, "ephemeral")
    assert world.phase(name) is not Phase.APPROVAL
    assert len([one for one in world.told() if one.startswith("/segue approve")]) == 1
    kept = b"".join(world.inbox.get(n).body for n in range(1, world.inbox.newest() + 1))
    assert TOKEN not in kept


def test_a_chat_that_could_verify_nothing_is_not_connected_and_says_what_is_missing(world):
    (world.settings.home / "secrets" / "hook-mattermost").unlink()
    with pytest.raises(Refused, match=r"/hooks/mattermost.*secret file hook-mattermost"):
        chats.connect(world.settings, world.store, world.source, "https://hooks.example")


def test_a_connection_says_who_may_command_and_where_to_send(world):
    told = "\n".join(chats.connect(world.settings, world.store, world.source, "https://hooks.example"))
    assert f"bob ({BOB})" in told
    assert "https://hooks.example/hooks/mattermost" in told
    assert next(s for s in world.store.sources() if s.name == "mattermost").people == (
        (BOB, "bob"),
        (ANN, "ann"),
    )
    with pytest.raises(Refused, match="write the chat's id and the name here"):
        chats.person("ann")


def test_connecting_again_adds_people_and_takes_off_whom_it_is_said_of_and_gives_no_more_targets(world):
    def again(*people, owns=()):
        source = replace(world.source, owns=owns, people=tuple(map(chats.person, people)))
        chats.connect(world.settings, world.store, source, "https://hooks.example")
        found = next(s for s in world.store.sources() if s.name == "mattermost")
        return found.owns, dict(found.people)

    assert again(owns=("wine/*",)) == (("wine/*",), {BOB: "bob", ANN: "ann"})
    assert again(f"{EVE}=eve") == (("wine/*",), {BOB: "bob", ANN: "ann", EVE: "eve"})
    assert again(f"{ANN}=", f"{BOB}=robert") == (("wine/*",), {BOB: "robert", EVE: "eve"})


def test_a_connection_of_another_team_takes_over_nobody(world):
    with world.store.change() as change:
        change.save_source(replace(world.source, url="https://elsewhere.example/ml"))
    source = replace(world.source, owns=(), people=((EVE, "eve"),))
    chats.connect(world.settings, world.store, source, "https://hooks.example")
    found = next(s for s in world.store.sources() if s.name == "mattermost")
    assert (found.owns, found.people) == (("*",), ((EVE, "eve"),))
