"""Approvals in a browser and a comment at the same moment: real HTTP, several workers, both stores."""

import hashlib
import hmac
import json
import threading
import time

import pytest
import requests

from policies.release import Phase
from service import worker
from tests.scenarios.conftest import SECRET, WINE
from tests.scenarios.test_comments import Hosted
from tests.serving import Served
from tests.visiting import Visitor

BEGUN = {Phase.STARTING, Phase.CHECKING, Phase.SHIFTING, Phase.WATCHING}
ROUNDS = 3


class Crowd:
    """A world behind real servers, and people who act in it together."""

    def __init__(self, world, intake, web):
        self.world, self.intake, self.web = world, intake, web
        self.number = 0

    def by_page(self, name, who="bob"):
        """A button that was shown; pressing it."""
        shown = Visitor(self.world, who)
        shown.get(f"/-/releases/{name}")
        fields = shown.form("approve")
        cookie = {"segue-page": shown.client.get_cookie("segue-page", path="/-/").value}

        def press():
            answer = requests.post(
                f"{self.web}/-/commands", data=fields, cookies=cookie, allow_redirects=False, timeout=30
            )
            assert answer.status_code == 303, answer.text

        return press

    def by_comment(self, name, who="bob"):
        """A comment that was written; its delivery."""
        self.number += 1
        person = {"id": 2, "login": who}
        said = {"id": 1000 + self.number, "body": f"/segue approve {name}", "user": person}
        told = {"action": "created", "is_pull": True, "issue": {"number": 7}, "comment": said}
        body = json.dumps({**told, "sender": person, "repository": {"full_name": "ml/wine"}}).encode()
        headers = {
            "X-Gitea-Event": "issue_comment",
            "X-Gitea-Delivery": f"c{self.number}",
            "X-Gitea-Signature": hmac.new(SECRET, body, hashlib.sha256).hexdigest(),
        }

        def send():
            answer = requests.post(f"{self.intake}/hooks/code", data=body, headers=headers, timeout=30)
            assert answer.status_code == 202, answer.text

        return send

    def together(self, *acts):
        """All at one moment, and then four workers at once until nothing is due."""
        at_once(acts)
        for _ in range(20):
            self.world.reconciler.round()
            at_once([lambda n=n: worker.drain(self.world.parts, f"worker-{n}") for n in range(4)])
            self.world.clock.now += 0.5


def at_once(acts):
    gate, wrong = threading.Barrier(len(acts)), []

    def act(one):
        gate.wait(30)
        try:
            one()
        except Exception as error:  # noqa: BLE001  it is raised again below
            wrong.append(error)

    threads = [threading.Thread(target=act, args=(one,)) for one in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.fixture
def crowd(tmp_path, stores):
    world = Hosted(tmp_path, **stores)
    world.clock.now = time.time()  # what is said on the page has the time of the web process
    intake, web = Served(world.intake.application), Served(world.web.application)
    yield Crowd(world, f"http://127.0.0.1:{intake.port}", f"http://127.0.0.1:{web.port}")
    intake.end()
    web.end()
    world.close()


def commands_of(world, name):
    return [e for e in world.store.record_of(name) if e.action == "command" and e.detail["verb"] == "approve"]


@pytest.mark.every_store
def test_one_person_in_a_browser_and_in_a_comment_at_once_counts_once(crowd):
    world = crowd.world
    for _ in range(ROUNDS):
        name = world.waiting(WINE + "approvals: {count: 2}\n")
        crowd.together(crowd.by_page(name), crowd.by_comment(name), crowd.by_comment(name))
        assert len(commands_of(world, name)) == 3
        assert world.phase(name) is Phase.APPROVAL
        world.ask(f"/segue reject {name}", who="sue")


@pytest.mark.every_store
def test_two_people_at_once_are_two_and_the_release_begins_once(crowd):
    world = crowd.world
    for _ in range(ROUNDS):
        name = world.waiting(WINE + "approvals: {count: 2}\n")
        crowd.together(crowd.by_page(name, "bob"), crowd.by_comment(name, "sue"))
        release = world.release(name)
        assert release.phase in BEGUN
        assert sorted(given.actor for given in release.approvals) == ["bob", "code:sue"]
        began = [e for e in world.store.record_of(name) if e.action == Phase.STARTING.value]
        assert len(began) == 1
        world.say("abort", name, who="ann")


@pytest.mark.every_store
def test_of_two_people_at_once_where_one_is_enough_one_counts_and_the_other_is_told(crowd):
    world = crowd.world
    name = world.waiting(WINE + "approvals: {count: 1}\n")
    crowd.together(crowd.by_page(name, "bob"), crowd.by_comment(name, "sue"))
    release = world.release(name)
    assert release.phase in BEGUN
    assert len(release.approvals) == 1
    replies = [entry.detail["reply"] for entry in commands_of(world, name)]
    assert sum("is approved" in reply for reply in replies) == 1
    (other,) = [reply for reply in replies if "is approved" not in reply]
    assert f"{name} was approved by {release.approvals[0].actor} already, and " in other
