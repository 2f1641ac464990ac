"""Labels that a job leaves at the model registry, as tables of its runs, come in with its sweep."""

import json

import pytest

from handlers.labels import Logged, counted
from policies.place import served_by
from policies.release import Phase
from service.ports.label_tables import Left
from tests.scenarios.conftest import WINE

GUARD = "guards: {right: {labels: mlflow.outcomes, drop: 1%, within: 1h}}\n"
HOUR = 3600.0


@pytest.fixture
def leave(world):
    """A job that labels answers of these versions has ended."""

    def left(key, at, **wrong):
        rows = [
            [
                f"{key}-{name}-{n}",
                at,
                served_by(name.replace("_", "-")),
                "a",
                "b" if n < share * 1500 else "a",
            ]
            for name, share in wrong.items()
            for n in range(1500)
        ]
        table = {"columns": ["request", "at", "version", "prediction", "label"], "data": rows}
        world.tables.leave("outcomes", Left(key, world.clock.now), json.dumps(table).encode())

    return left


def sweep(world):
    world.clock.now += world.settings.sweep_seconds
    world.settle()


def test_a_version_that_is_more_often_wrong_is_found_by_what_a_job_left(world, leave):
    stable = world.live({"segue.yaml": WINE + GUARD})
    world.serve(300)
    release = world.rollout()
    at = world.clock.now
    leave("run-1", at, **{release.backend.replace("-", "_"): 0.2, stable.backend.replace("-", "_"): 0.08})
    sweep(world)
    world.clock.now = (at // HOUR + 2) * HOUR + 60
    world.play(60, until=release.name)
    ended = world.release(release.name)
    assert ended.phase is Phase.ROLLED_BACK
    assert "right" in ended.reason


def test_a_version_that_is_more_often_wrong_is_found_by_what_a_job_counted(world):
    stable = world.live({"segue.yaml": WINE + GUARD})
    world.serve(300)
    release = world.rollout()
    at = world.clock.now
    for backend, wrong in ((release.backend, 300.0), (stable.backend, 120.0)):
        table = counted(backend, served_by(backend), [Logged(wrong, at, 0)], [Logged(1500.0, at, 0)])
        world.tables.leave("outcomes", Left(backend, at), table)
    sweep(world)
    world.clock.now = (at // HOUR + 2) * HOUR + 60
    world.play(60, until=release.name)
    ended = world.release(release.name)
    assert ended.phase is Phase.ROLLED_BACK
    assert "right" in ended.reason


def test_each_table_is_read_once_and_one_that_cannot_be_read_holds_up_no_other(world, leave):
    world.live({"segue.yaml": WINE + GUARD})
    world.tables.leave(
        "outcomes", Left("broken", world.clock.now), b'{"columns": ["request"], "data": [["r"]]}'
    )
    world.tables.leave("outcomes", Left("no table", world.clock.now), b"<html>")
    leave("run-1", world.clock.now, a=0.1)
    leave("run-2", world.clock.now, b=0.1)
    for _ in range(3):
        sweep(world)
    assert sorted(world.tables.read_keys) == ["broken", "no table", "run-1", "run-2"]
    with world.store.read() as read:
        assert {one.version: one.labels for one in read.labels("wine")} == {
            served_by("a"): 1500,
            served_by("b"): 1500,
        }


def test_tables_that_no_guard_names_are_not_read(world, leave):
    world.live({"segue.yaml": WINE + GUARD.replace("mlflow.", "warehouse.")})
    leave("run-1", world.clock.now, a=0.1)
    sweep(world)
    assert world.tables.read_keys == []
