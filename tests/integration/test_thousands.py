"""Thousands of models, and of work that was given up: pages and answers stay small, and ask the store little."""

import re
from dataclasses import asdict

import pytest
from sqlalchemy import event, insert, select

from policies import roles
from service.engine import parked
from service.identity import tokens
from service.pages import choices
from service.store import tables
from service.store.queue import Work
from tests.scenarios.conftest import World
from tests.visiting import Visitor

MANY = 5_000
RELEASE = "/api/v1/releases/rel-1"
REASON = "the host said: " + "no " * 100


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"))
    world.live()
    with world.store.change() as change:
        (declared,) = change.connection.execute(select(tables.model)).mappings()
        text = declared["declaration"]
        more = [{**declared, "name": name, "declaration": {**text, "name": name}} for name in names()]
        given_up = [row(number) for number in range(MANY)]
        change.connection.execute(insert(tables.model), more)
        change.connection.execute(insert(tables.work), given_up)
    yield world
    world.close()


def names():
    return [f"model-{number:04}-of-a-team-with-a-long-name" for number in range(MANY)]


def row(number):
    """A notice about the release that nobody took."""
    one = asdict(Work(f"notice:{number}", "Notify", f"notice:{number}", "rel-1", {}))
    del one["id"]
    return {**one, "state": "dead", "finished": 1.0 + number, "error": REASON}


@pytest.fixture
def bob(world):
    return Visitor(world)


@pytest.fixture
def asked(world):
    """What the store is asked for, but for who asks."""
    seen = []

    def note(_connection, _cursor, sql, *_):
        if sql.startswith("SELECT") and "FROM session" not in sql:
            seen.append(sql)

    event.listen(world.store.engine, "before_cursor_execute", note)
    yield seen
    event.remove(world.store.engine, "before_cursor_execute", note)


def test_a_release_tells_the_newest_that_was_given_up_and_where_the_rest_is(world, bob):
    page = bob.get("/-/releases/rel-1")
    assert page.text.count("given up: Notify") == parked.MOST
    assert 'More was given up: see all that is <a href="/-/events?failed=1">' in page.text
    assert len(page.data) < 100_000
    live = bob.get("/-/releases/rel-1/live")
    assert len(live.data) < 100_000


def test_the_api_pages_what_was_given_up_and_leaves_out_nothing(world):
    said = {"Authorization": f"Bearer {world.people['bob']}"}
    first = world.web.get(RELEASE, headers=said)
    assert len(first.data) < 100_000
    found, page = [], first.json
    while True:
        assert len(page["parked"]) <= parked.MOST
        found += [one["id"] for one in page["parked"]]
        if page["parked_next"] is None or len(found) > 100:
            break
        page = world.web.get(f"{RELEASE}?parked_before={page['parked_next']}", headers=said).json
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == len(found) > 100
    last = world.web.get(f"{RELEASE}?parked_before=1", headers=said)
    assert (last.json["parked"], last.json["parked_next"]) == ([], None)
    assert world.web.get(f"{RELEASE}?parked_before=x", headers=said).status_code == 400


@pytest.mark.parametrize(
    ("path", "field"), [("/-/simulator", "policy"), ("/-/releases", "model"), ("/-/releases?open=1", "model")]
)
def test_a_form_proposes_some_and_takes_what_is_typed(bob, asked, path, field):
    page = bob.get(path)
    assert page.status_code == 200
    assert len(page.data) < 100_000
    assert len(asked) <= 3, asked
    assert f'<input id="{field}"' in page.text
    assert page.text.count("<option") == choices.MOST


def test_a_model_that_is_not_proposed_is_tried_and_started_by_its_name(world, bob):
    last = names()[-1]
    page = bob.get(f"/-/simulator?policy={last}/production")
    assert page.status_code == 200
    assert f'value="{last}/production" list="policy-some"' in page.text
    assert bob.get("/-/simulator?policy=model-9999/production").status_code == 404
    bob.get("/-/releases")
    assert f"started rel-2 on {last}/production" in bob.send({**bob.form("start"), "subject": last})


def test_whoever_may_see_few_of_them_chooses_from_those_alone(world):
    chosen = names()[MANY // 2]
    world.people["few"] = tokens.make(world.store, "few", grants=[roles.grant("operator", f"{chosen}/*")])
    few = Visitor(world, "few")
    for path, mine in (("/-/simulator", f"{chosen}/production"), ("/-/releases", chosen)):
        page = few.get(path).text
        assert f"<option>{mine}</option>" in page
        assert len(re.findall(r"model-\d{4}-of", page)) == 1


def test_an_answer_names_a_few_of_the_thousands(bob):
    bob.get("/-/releases")
    told = bob.send({**bob.form("start"), "subject": "nothing-of-that-name"})
    assert "there is no model 'nothing-of-that-name'; known: model-0000" in told
    known = told.partition("known: ")[2].partition("…")[0]
    assert len(re.findall(r"model-\d{4}-of", known)) == 10
