"""The record's proof over HTTP: by stretches, held against checkpoints, and never two at once."""

import json
import shutil
import threading
from dataclasses import replace

import pytest

from policies import roles
from service import keys, web_proof
from service.client import Client, Refusal
from service.engine import checkpoints
from service.identity import tokens
from service.pages import record as record_page
from service.store import record, record_proof
from tests.integration.test_auditing import anew, forge, lines
from tests.scenarios.conftest import World
from tests.serving import Served
from tests.visiting import Visitor

KEY = keys.new()


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """A home with a key and a record of twelve entries and more."""
    home = tmp_path_factory.mktemp("grown")
    world = World(home)
    with world.store.change() as change:
        for nth in range(12):
            change.record(f"rel-{nth}", "ann", "approve", {"share": nth / 10})
    world.close()
    (home / "secrets").mkdir(exist_ok=True)
    (home / "secrets" / "signing-key").write_bytes(KEY)
    return home


@pytest.fixture
def world(grown, tmp_path, monkeypatch):
    monkeypatch.setattr(web_proof, "MOST", 5)
    world = World(shutil.copytree(grown, tmp_path / "home"))
    yield world
    world.close()


def header(world, who="bob"):
    return {"Authorization": f"Bearer {world.people[who]}"}


def ask(world, after=0, checkpoint=None, who="bob"):
    path = f"/api/v1/record/proof?after={after}"
    if checkpoint is None:
        return world.web.get(path, headers=header(world, who))
    return world.web.post(path, headers=header(world, who), data=checkpoint, content_type="application/json")


def walked(world, checkpoint=None):
    """All stretches, each of which begins where the one before ended."""
    found = [ask(world, 0, checkpoint).json]
    while (after := found[-1]["next"]) is not None:
        found.append(ask(world, after, checkpoint).json)
        assert found[-1]["begins"] == found[-2]["ends"]
    return found


def kept(world, number):
    """A checkpoint of that entry."""
    entry = lines(world.settings.home)[number - 1]
    return checkpoints.sign(record.Head(entry.id, entry.hash, 1_700_000_000.0), KEY)


def test_stretches_prove_what_one_walk_proves(world):
    found, size = walked(world), world.store.record_head().size
    assert [one["proof"]["proven"] for one in found] == [True] * len(found)
    assert [one["proof"]["first"] for one in found] == list(range(1, size + 1, 5))
    assert sum(one["proof"]["entries"] for one in found) == size
    assert found[-1]["ends"] == found[-1]["head"] == found[0]["head"]
    assert found[0]["head"] == {"entry": size, "hash": world.store.record_head().hash}
    assert found[0]["says"][0] == "entries 1 to 5: each is what was written, and follows the one before it"


@pytest.mark.parametrize("number", [1, 4, 5, 6, 11])
def test_what_was_changed_is_found_in_its_stretch_and_none_is_asked_for_behind_it(world, number):
    rows = lines(world.settings.home)
    rows[number - 1] = replace(rows[number - 1], actor="eve")
    forge(world.settings.home, rows)
    *good, last = walked(world)
    assert all(one["proof"]["proven"] for one in good)
    assert (last["proof"]["tampered"]["entry"], last["next"]) == (number, None)
    assert f"entry {number} is not as it was written" in last["says"][0]


@pytest.mark.parametrize("number", [5, 6])
def test_what_was_removed_is_missed_at_the_edge_of_a_stretch_too(world, number):
    rows = lines(world.settings.home)
    del rows[number - 1]
    forge(world.settings.home, rows)
    assert walked(world)[-1]["proof"]["tampered"]["entry"] == number
    assert ask(world, number).json["proof"]["tampered"]["entry"] == number


def test_the_page_proves_the_newest_and_says_from_where(world, monkeypatch):
    visitor = Visitor(world)
    assert "All entries are as they were written" in visitor.text("/-/record?verify=1")
    size = world.store.record_head().size
    monkeypatch.setattr(record_page, "PROVEN", 4)
    said = f"The newest entries, from {size - 3} on, are as they were written"
    assert said in visitor.text("/-/record?verify=1")
    rows = lines(world.settings.home)
    rows[-2] = replace(rows[-2], actor="eve")
    forge(world.settings.home, rows)
    assert f"Entry {size - 1} is not as it was written" in visitor.text("/-/record?verify=1")


def test_what_is_not_there_is_told_so(world):
    size = world.store.record_head().size
    assert ask(world, size).json["proof"] == ask(world, size).json["proof"] | {"entries": 0, "proven": True}
    assert ask(world, size + 1).status_code == 404
    assert ask(world, "rel-1").status_code == 400


@pytest.mark.parametrize("number", [1, 5, 6, 12])
def test_a_checkpoint_that_agrees_holds_the_record_wherever_its_entry_lies(world, number):
    found = walked(world, kept(world, number))
    held = [one["proof"]["held"]["entry"] for one in found if one["proof"]["held"]]
    assert held[0] == number
    assert all(one["proof"]["proven"] for one in found)


def test_what_was_written_anew_a_checkpoint_shows_and_nothing_else_does(world):
    checkpoint, rows = kept(world, 9), lines(world.settings.home)
    rows[6] = replace(rows[6], actor="eve")
    forge(world.settings.home, anew(rows, since=7))
    assert all(one["proof"]["proven"] for one in walked(world))
    assert walked(world, checkpoint)[-1]["proof"]["tampered"]["entry"] == 9


def test_what_was_cut_off_a_checkpoint_shows(world):
    checkpoint, rows = kept(world, 12), lines(world.settings.home)
    forge(world.settings.home, rows[:8])
    wrong = walked(world, checkpoint)[-1]["proof"]["tampered"]
    assert (wrong["entry"], "are missing" in wrong["reason"]) == (9, True)


def test_what_is_no_checkpoint_or_not_ours_is_refused_with_what_to_send(world):
    good = json.loads(kept(world, 3))
    other = checkpoints.sign(record.Head(3, "0" * 64, 1.0), keys.new())
    for content in (b"[]", b"{", b"\xff", other, json.dumps({**good, "payload": ""}).encode()):
        answer = ask(world, 0, content)
        assert answer.status_code == 422
        assert "send a checkpoint" in answer.json["detail"]
    (world.settings.home / "secrets" / "signing-key").unlink()
    answer = ask(world, 0, kept(world, 3))
    assert (answer.status_code, "segue signing-key" in answer.json["detail"]) == (422, True)


def test_a_checkpoint_is_small(world):
    assert ask(world, 0, b"x" * ((64 << 10) + 1)).status_code == 413


def test_one_that_a_replaced_key_signed_still_counts(world):
    checkpoint, secrets = kept(world, 3), world.settings.home / "secrets"
    (secrets / "signing-key-before").write_bytes(keys.public(KEY))
    (secrets / "signing-key").write_bytes(keys.new())
    assert ask(world, 0, checkpoint).json["proof"]["held"]["entry"] == 3


def test_one_is_proven_at_a_time(world, monkeypatch):
    inside, go, told = threading.Event(), threading.Event(), []
    stretch = record_proof.stretch

    def slow(*asked, **how):
        inside.set()
        assert go.wait(10)
        return stretch(*asked, **how)

    monkeypatch.setattr(record_proof, "stretch", slow)
    first = threading.Thread(target=lambda: told.append(ask(world).status_code))
    first.start()
    assert inside.wait(10)
    busy = ask(world)
    go.set()
    first.join(10)
    assert (busy.status_code, "Retry-After" in busy.headers, told) == (503, True, [200])
    assert ask(world).status_code == 200


def test_the_client_walks_it_and_notices_what_is_changed_meanwhile(world):
    server = Served(world.web.application)
    address = f"http://127.0.0.1:{server.port}"
    client = Client(address, address, world.people["bob"])
    whole = list(client.prove_record(kept(world, 6)))
    assert [one["next"] for one in whole][:2] == ["5", "10"]
    assert whole[1]["proof"]["held"]["entry"] == 6
    walk = client.prove_record()
    next(walk)
    rows = lines(world.settings.home)
    rows[2] = replace(rows[2], actor="eve")
    forge(world.settings.home, anew(rows, since=3))
    with pytest.raises(Refusal, match="entry 5 was changed while"):
        next(walk)
    server.end()


def test_who_sees_one_model_may_not_prove_what_is_of_all(world):
    world.people["vic"] = tokens.make(world.store, "vic", grants=[roles.grant("admin", "wine")])
    assert ask(world, who="vic").status_code == 403
    assert ask(world, 0, kept(world, 3), who="vic").status_code == 403
