"""`Idempotency-Key`: the same request is one, another body under its key is none, whoever asks at the same time."""

import threading

import pytest

from service.identity import tokens
from service.store.inbox import Delivery, Inbox, KeyUsed
from tests.scenarios.conftest import World

HELP, OTHER = {"verb": "help"}, {"verb": "help", "reason": "another"}
LABELS = {
    "model": "wine",
    "table": "warehouse.labels",
    "labels": [{"request": "r-1", "at": 1769868180, "version": "v1", "wrong": True}],
}


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.close()


def post(world, body, key=None, who="bob", path="commands"):
    headers = {"Authorization": f"Bearer {world.people[who]}"}
    headers |= {} if key is None else {"Idempotency-Key": key}
    return world.intake.post(f"/api/v1/{path}", json=body, headers=headers)


def test_the_same_again_is_the_same_delivery_and_leads_to_the_same_answer(world):
    first, again = post(world, HELP, "one"), post(world, HELP, "one")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json["delivery"] == again.json["delivery"]
    assert (first.json["duplicate"], again.json["duplicate"]) == (False, True)
    world.settle()
    assert len(world.inbox.after(0)) == 1


@pytest.mark.parametrize(
    ("path", "body", "other"), [("commands", HELP, OTHER), ("labels", LABELS, LABELS | {"table": "a.b"})]
)
def test_another_body_under_the_same_key_is_refused_and_not_stored(world, path, body, other):
    stored = post(world, body, "one", path=path).json["delivery"]
    refused = post(world, other, "one", path=path)
    assert refused.status_code == 422
    assert "make a new key" in refused.json["detail"]
    assert post(world, body, "one", path=path).json == {"delivery": stored, "duplicate": True}
    assert len(world.inbox.after(0)) == 1


def test_order_and_spaces_of_a_command_make_no_other_one(world):
    headers = {"Authorization": f"Bearer {world.people['bob']}", "Idempotency-Key": "one"}
    for text in ('{"verb": "help", "reason": "x"}', '{ "reason":"x","verb":"help" }'):
        assert world.intake.post("/api/v1/commands", data=text, headers=headers).status_code == 202
    assert len(world.inbox.after(0)) == 1


def test_keys_are_their_owners_and_each_address_own(world):
    assert post(world, HELP, "one").json["duplicate"] is False
    assert post(world, OTHER, "one", who="ann").json["duplicate"] is False
    assert post(world, LABELS, "one", path="labels").json["duplicate"] is False


def test_a_colon_in_a_name_makes_nobodys_key_anothers(world):
    for name in ("a", "a:b", "a%3Ab"):
        world.people[name] = tokens.make(world.store, name)
    asked = [("a:b", "c"), ("a", "b:c"), ("a%3Ab", "c")]
    assert [post(world, HELP, key, who=name).json["duplicate"] for name, key in asked] == [False] * 3
    assert len(world.inbox.after(0)) == 3


def test_without_a_key_each_request_is_its_own(world):
    assert [post(world, HELP).json["duplicate"] for _ in range(2)] == [False, False]


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_what_is_no_key_is_refused_with_what_to_write(world, key):
    refused = post(world, HELP, key)
    assert refused.status_code == 400
    assert "1 to 255 characters" in refused.json["detail"]


def test_long_keys_that_begin_alike_are_two(world):
    assert [post(world, HELP, "k" * 254 + end).json["duplicate"] for end in "ab"] == [False, False]


# --- the store -------------------------------------------------------------------------------


def asked(body, name="ann:one", at=1.0):
    return Delivery("people", name, {}, body, at, once=True)


def test_keys_survive_a_restart_and_are_forgotten_with_their_deliveries(database_url):
    inbox = Inbox.open(database_url)
    number = inbox.store(asked(b"a")).id
    inbox.close()
    inbox = Inbox.open(database_url)
    with pytest.raises(KeyUsed):
        inbox.store(asked(b"b"))
    assert inbox.store(asked(b"a")).id == number
    assert inbox.forget_before(2.0, number) == 1
    assert inbox.store(asked(b"b", at=3.0)).duplicate is False
    inbox.close()


def test_of_many_bodies_at_once_under_one_key_exactly_one_is_stored(database_url):
    """By two processes, as far as the database knows; those that come together are written together."""
    inboxes = [Inbox.open(database_url) for _ in range(2)]
    stored, refused = [], []

    def ask(nth):
        try:
            stored.append(inboxes[nth % 2].store(asked(b"%d" % (nth % 5))))
        except KeyUsed:
            refused.append(nth)

    threads = [threading.Thread(target=ask, args=(nth,)) for nth in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (kept,) = inboxes[0].after(0)
    assert {one.id for one in stored} == {kept.id}
    assert sum(not one.duplicate for one in stored) == 1
    assert len(stored) == 4
    assert len(refused) == 16
    for inbox in inboxes:
        inbox.close()


def test_a_sender_that_says_nothing_of_keys_may_use_its_id_again(database_url):
    inbox = Inbox.open(database_url)
    for body in (b"a", b"b"):
        assert inbox.store(Delivery("git", "one", {}, body, 1.0)).duplicate is False
    inbox.close()
