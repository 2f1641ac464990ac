"""What comes in: signed, known and whole, or refused; once, and only for what the source owns."""

import hashlib
import hmac
import json

import pytest

from service.adapters.memory.git import MemoryGit
from service.ports.connections import Source
from tests.scenarios.conftest import MAIN, SECRET, WINE

CHANGE = {"ref": MAIN, "before": "0" * 40, "after": "1" * 40}
FILES = {"segue.yaml": WINE, "requirements.lock": ""}


def test_an_unknown_source_and_a_wrong_signature_get_the_same_answer(world):
    unknown = world.hook("nobody", CHANGE)
    forged = world.hook("git", CHANGE, secret=b"guessed")
    assert unknown.status_code == forged.status_code == 401
    assert unknown.json == forged.json
    assert world.inbox.newest() == 0


def test_a_body_that_is_too_large_is_refused_before_it_is_stored(world):
    answer = world.hook("git", {**CHANGE, "ref": "x" * (world.settings.body_bytes + 1)})
    assert answer.status_code == 413
    assert world.inbox.newest() == 0


def test_the_same_delivery_twice_is_one(world):
    commit = world.push(FILES, told=False)
    change = {**CHANGE, "after": commit}
    first, again = (world.hook("git", change, number=7) for _ in range(2))
    assert first.json["delivery"] == again.json["delivery"]
    assert again.json["duplicate"]
    world.settle()
    assert len(world.releases()) == 1


def from_github(world, commit, number):
    """GitHub's delivery of a push; its signature covers the body, and not the id."""
    person = {"login": "ann", "type": "User"}
    told = {"ref": MAIN, "before": "0" * 40, "after": commit, "sender": person}
    body = json.dumps(told | {"repository": {"full_name": "ml/wine"}}).encode()
    signature = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": signature, "X-GitHub-Event": "push", "X-GitHub-Delivery": f"g{number}"}
    return world.intake.post("/hooks/hub", data=body, headers=headers)


def test_an_old_delivery_that_is_replayed_under_other_ids_starts_nothing_and_leads_nowhere_back(world):
    world.connect(Source("hub", "github", "https://github.com/ml/wine"), MemoryGit())
    first = world.push(FILES, source="hub", told=False)
    assert from_github(world, first, 1).status_code == 202
    world.settle()
    second = world.push({"serve.py": "2"}, source="hub", told=False)
    assert from_github(world, second, 2).status_code == 202
    for number in range(20):
        assert from_github(world, first, f"-replayed-{number}").json["duplicate"] is False
        assert from_github(world, first, f"-replayed-{number}").json["duplicate"] is True
        world.settle(1.0)
    assert [release.cause.commit for release in world.releases()] == [first, second]
    assert world.store.dead() == []


def test_a_hook_and_a_sweep_that_tell_the_same_push_are_one_release(world):
    world.push(FILES)
    world.settle()
    world.clock.now += world.settings.sweep_seconds
    world.settle()
    assert len(world.releases()) == 1


def test_a_push_whose_hook_was_lost_is_found_by_the_next_sweep(world):
    world.drain()
    world.push(FILES, told=False)
    world.settle()
    assert world.releases() == []
    world.clock.now += world.settings.sweep_seconds
    world.settle()
    assert len(world.releases()) == 1


def test_a_delivery_that_nobody_can_read_is_parked_and_the_next_one_is_not_held_up(world):
    assert world.hook("git", "no object").status_code == 202
    world.push(FILES)
    world.settle()
    (dead,) = world.store.dead()
    assert "changes" in dead.error
    assert len(world.releases()) == 1


def test_a_source_releases_only_what_it_owns_and_the_commit_says_so(world):
    world.live()
    other = world.connect(Source("cellar", "bare", "memory", ("cellar/*",)), MemoryGit())
    commit = world.push({**FILES, "serve.py": "evil"}, source="cellar")
    world.settle()
    assert len(world.releases()) == 1
    assert world.store.models()[0].source == "git"
    (report,) = other.reports
    assert (report.commit, report.state) == (commit, "failure")
    assert "`wine` is declared by source git" in report.text
    world.push({**FILES, "segue.yaml": WINE.replace("wine", "beer")}, source="cellar")
    world.settle()
    assert "may not own beer/production; it may own cellar/*" in other.reports[-1].text
    world.push({**FILES, "segue.yaml": WINE.replace("wine", "cellar")}, source="cellar")
    world.settle()
    assert world.releases()[-1].model == "cellar"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"verb": "start", "subject": 5}',
        b'{"verb": "approve", "arguments": []}',
        b'{"verb": "approve", "arguments": {"a": 1}}',
        b'{"verb": "destroy"}',
        b'{"verb": ["approve"]}',
        b'{"verb": "approve", "subject": "\\ud800"}',
        b'{"verb": "approve", "verb": "abort"}',
    ],
)
def test_a_command_of_strange_types_is_refused_by_the_intake(world, body):
    headers = {"Authorization": f"Bearer {world.people['bob']}"}
    answer = world.intake.post("/api/v1/commands", data=body, headers=headers)
    assert answer.status_code in {400, 411}
    assert answer.json["detail"]
    assert world.inbox.newest() == 0


def test_environments_that_wait_for_one_another_are_refused_by_name_when_checked(world):
    staged = WINE + "environments: {staging: {}, production: {after: staging}}\n"
    world.push({**FILES, "segue.yaml": staged})
    world.settle()
    assert world.phases() == []
    assert "after" in world.git.reports[-1].text
