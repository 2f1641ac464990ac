"""The record's head is kept elsewhere: on a schedule, each once, signed, and only while it is the record's."""

import pytest
from sqlalchemy import text

from service import keys
from service.adapters.memory.archive import MemoryArchive
from service.engine import checkpoints
from service.store.chain import prove
from service.store.database import writing
from tests.scenarios.conftest import World

PLACES = ("https://files.example/audit", "audit:main:segue")


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path, checkpoints=PLACES, checkpoint_seconds=60.0)
    world.archives = {place: MemoryArchive() for place in PLACES}
    world.parts.open_archive = world.archives.__getitem__
    world.private = keys.new()
    (tmp_path / "secrets").mkdir(exist_ok=True)
    (tmp_path / "secrets" / "signing-key").write_bytes(world.private)
    yield world
    world.close()


def tell(world, actor="ann"):
    with world.store.change() as change:
        change.record("rel-1", actor, "approve", {"share": 0.1})


def after(world, seconds=60.0):
    world.clock.now += seconds
    world.settle()


def kept(world, place=PLACES[0]):
    known = keys.trusted(keys.public(world.private))
    return [checkpoints.read(content, known) for content in world.archives[place].files.values()]


def test_each_place_is_sent_the_head_once_per_period_and_nothing_while_nothing_happens(world):
    tell(world)
    after(world)
    first = kept(world)
    after(world)
    assert [kept(world, place) for place in PLACES] == [first, first]
    tell(world)
    after(world)
    assert [head.size for head in kept(world)] == [first[0].size, first[0].size + 1]


def test_what_is_kept_shows_a_record_that_was_written_anew(world):
    tell(world)
    after(world)
    with world.store.read() as read:
        assert prove(read.record_lines(), kept(world)).tampered is None
    forge(world, "DELETE FROM record")
    for _ in range(kept(world)[0].size):
        tell(world, actor="eve")
    with world.store.read() as read:
        assert prove(read.record_lines()).tampered is None
    with world.store.read() as read:
        assert "checkpoint" in prove(read.record_lines(), kept(world)).tampered.reason


def test_a_head_that_the_record_has_no_more_is_never_signed(world):
    tell(world)
    world.clock.now += 60.0
    world.reconciler.round()
    forge(world, "UPDATE record SET hash = replace(hash, substr(hash, 64), 'x')")
    world.settle()
    assert not any(archive.files for archive in world.archives.values())
    dead = [work for work in world.store.dead() if work.kind == "KeepCheckpoint"]
    assert len(dead) == len(PLACES)
    assert all("segue audit verify" in work.error for work in dead)


def test_without_a_key_it_waits_and_says_what_is_missing(world):
    (world.settings.home / "secrets" / "signing-key").unlink()
    tell(world)
    after(world)
    (work, _) = world.store.unfinished("KeepCheckpoint")
    assert "segue signing-key" in work.error
    after(world)
    assert len(world.store.unfinished("KeepCheckpoint")) == len(PLACES), "one is waited for, and not two"


def test_a_place_that_is_away_holds_up_no_other(world):
    class Away:
        def put(self, name, content):
            raise OSError(name)

    world.parts.open_archive = lambda place: Away() if place == PLACES[0] else world.archives[place]
    tell(world)
    after(world)
    assert kept(world, PLACES[1])


def test_performed_twice_it_is_kept_once(world):
    tell(world)
    after(world)
    before = dict(world.archives[PLACES[0]].files)
    with writing(world.store.engine) as connection:
        connection.execute(
            text("UPDATE work SET state = 'pending', finished = NULL WHERE kind = 'KeepCheckpoint'")
        )
    after(world, 1.0)
    assert world.store.unfinished("KeepCheckpoint") == []
    assert world.archives[PLACES[0]].files == before


def forge(world, statement):
    with writing(world.store.engine) as connection:
        for verb in ("update", "delete"):
            connection.execute(text(f"DROP TRIGGER IF EXISTS record_no_{verb}"))
        connection.execute(text(statement))
