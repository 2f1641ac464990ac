"""Old and new workers side by side: what only the newer understands waits for it, and nothing else does."""

import pytest
from sqlalchemy import select, update

from policies.release import Phase
from service.store import tables
from service.store.database import writing
from service.store.states import RELEASE, release_of
from service.work import work_once
from tests.scenarios.conftest import WINE

FILES = {"segue.yaml": WINE, "requirements.lock": "", "serve.py": "1"}


def rewrite(world, table, where, column, change):
    """Store a row's JSON as newer code would have written it."""
    with writing(world.store.engine) as connection:
        row = connection.execute(select(table).where(where)).one()
        connection.execute(update(table).where(where).values({column: change(row._mapping[column])}))


def begun(world, kind):
    """Play until there is work of a kind that nobody has begun; its id."""
    for _ in range(200):
        world.reconciler.round()
        found = [w for w in world.store.unfinished(kind) if w.state == "pending"]
        if found:
            return found[0].id
        number = world.store.due(limit=1)
        if number:
            work_once(world.parts, "old", number=number[0])
        else:
            world.clock.now += 0.5
    raise AssertionError(f"there never was a {kind}")


@pytest.mark.every_store
def test_an_effect_with_a_newer_field_is_put_back_and_never_given_up_until_newer_code_performs_it(world):
    world.push(FILES)
    number = begun(world, "StartWorkload")
    here = tables.work.c.id == number
    rewrite(world, tables.work, here, "body", lambda body: {**body, "zone": "eu"})
    for _ in range(50):
        world.clock.now += 3600
        world.drain()
    (waiting,) = world.store.unfinished("StartWorkload")
    assert (waiting.state, waiting.retries) == ("pending", 0)
    assert "no field zone" in waiting.error
    assert world.store.dead() == []
    world.push({**FILES, "other/segue.yaml": WINE.replace("wine", "beer"), "other/requirements.lock": ""})
    world.settle()
    assert any(release.model == "beer" and release.epoch for release in world.releases()), "others go on"
    rewrite(world, tables.work, here, "body", lambda body: {k: v for k, v in body.items() if k != "zone"})
    world.clock.now += 60
    world.settle()
    world.play(40, until="rel-1")
    assert world.release("rel-1").phase is Phase.PROMOTED


@pytest.mark.every_store
def test_a_release_that_newer_code_has_changed_waits_for_newer_code(world):
    world.push(FILES)
    number = begun(world, "StartWorkload")
    here = tables.release.c.id == 1
    rewrite(world, tables.release, here, "state", lambda state: {**state, "schema": RELEASE.schema + 1})
    world.settle(60)
    (waiting,) = world.store.unfinished("StartWorkload")
    assert (waiting.id, waiting.error) == (number, "a stored value has schema 2; this code knows up to 1")
    assert world.store.dead() == []
    rewrite(world, tables.release, here, "state", lambda state: {**state, "schema": RELEASE.schema})
    world.clock.now += 60
    world.settle()
    world.play(40, until="rel-1")
    assert world.release("rel-1").phase is Phase.PROMOTED


def test_a_release_without_anything_new_is_stored_as_code_before_can_read_it(world):
    world.push(FILES)
    world.settle()
    row = world.store.release(1)
    assert "when_newer" not in row.state["environment"]
    assert release_of(row).environment.when_newer == "latest-wins"
