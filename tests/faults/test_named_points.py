"""R2 and R3: a process dies, or stands still past its lease, before and after each named point."""

import random
from typing import get_args

import pytest

from policies.effects import Effect
from service.work import PATIENT, URGENT
from tests.faults.harness import scaled, seed_of_this_run, told
from tests.faults.points import EFFECTS, KINDS, LEFT_OUT, NAMES, WHEN
from tests.faults.runs import RARE, die_at, outside_transactions, poison, stand_still

OF_POINTS, OF_STOPS = (
    scaled((12, 3), (None, None)),
    scaled((8, 2), (None, None)),
)  # on SQLite, and on PostgreSQL
MANY = 8  # stops, of which some outlast a lease
MOST_TRIES = 6  # of an effect that ends its worker each time: five, and the one that gives it up


def store_of(database):
    """What the harness's line says of it."""
    return "SQLite" if database is None else "PostgreSQL"


def chosen(seed, names, most):
    """Names in the order of the dice: so many of them, or all."""
    names = sorted(names)
    random.Random(seed).shuffle(names)
    return names[:most]


@pytest.mark.faults
@pytest.mark.timeout(scaled(900, 7200))
def test_a_process_may_die_before_and_after_every_commit_and_every_call(tmp_path, database):
    seed = seed_of_this_run()
    wanted = chosen(seed, NAMES, OF_POINTS[database is not None])
    run = die_at(tmp_path / "segue", seed, wanted, database=database)
    names = {name for name, _ in run.hit}
    told(
        f"named points on {store_of(database)}",
        seed=seed,
        seconds=round(run.seconds),
        points=f"{len(names)} of {len(NAMES)}",
        killed=len(run.hit),
        not_come_to=[f"{WHEN[when]} {name}" for name, when in run.missed],
        releases=dict(run.phases),
        acknowledged=len(run.seen.acknowledged),
        broken_promises=run.wrong[:5] or 0,
    )
    assert run.wrong == []
    assert len(names) >= len(wanted) - len(RARE)
    assert [name for name, _ in run.missed if name not in RARE] == []


@pytest.mark.faults
@pytest.mark.timeout(scaled(900, 7200))
def test_a_process_that_stood_still_past_its_lease_writes_nothing_when_it_wakes(tmp_path, database):
    seed = seed_of_this_run()
    names = chosen(seed, outside_transactions(), OF_STOPS[database is not None])
    run = stand_still(tmp_path / "segue", seed, names, database=database)
    told(
        f"zombies on {store_of(database)}",
        seed=seed,
        seconds=round(run.seconds),
        stopped_and_woken=run.woken,
        leases_lost=run.leases_lost,
        writes_refused=run.seen.trouble["refused write"],
        traffic_writes=len(run.seen.writes),
        broken_promises=run.wrong[:5] or 0,
    )
    assert run.wrong == []
    assert run.woken >= len(names)
    assert run.leases_lost > 0 or len(names) < MANY


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_what_ends_its_worker_each_time_is_given_up_and_everything_else_goes_on(tmp_path):
    seed = seed_of_this_run()
    run = poison(tmp_path / "segue", seed, "perform Build", 3 * MOST_TRIES)
    told("poison", seed=seed, seconds=round(run.seconds), deaths=run.deaths, releases=dict(run.phases))
    assert 1 < run.deaths <= MOST_TRIES
    assert run.phases["failed"] == 1
    assert [one for one in run.wrong if "stuck" in one] == []


def test_each_kind_of_effect_and_of_work_has_its_points():
    effects = {kind.__name__ for kind in get_args(Effect)}
    assert effects <= {*EFFECTS, *LEFT_OUT}
    assert effects | {*URGENT, *PATIENT} <= {*KINDS, *LEFT_OUT}
