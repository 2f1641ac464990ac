"""R5: the harnesses see. Each fault that is planted here is found by the harness that is named beside it."""

import pytest

from tests.faults import planted
from tests.faults.harness import WHOLE, scaled, seed_of_this_run, told
from tests.faults.runs import die_at, kill_bodies, poison, stand_still
from tests.faults.scheduled import every_order, stale, without_waiting
from tests.faults.test_two_writers import NEW, OLD

SHORT = 200.0  # seconds of Segue's clock after which what waits is stuck
KILLS = 150
COUNTED = ("Build", "RunEvaluation", "SetTraffic", "StartWorkload", "Wake")
PERFORMED = [f"perform {kind}" for kind in COUNTED]

# Each of these takes a quarter of a minute; the slice has those that are found by the fewest kinds of checks.
only_whole = pytest.mark.skipif(not WHOLE, reason="make test-faults-whole plants it")
IN_SLICE = ("names_by_chance", "a_lease_never_ends")
MOST_RUNS = 4  # a fault that shows in one order of events alone is not met by each run

BY_KILLS = {
    planted.names_by_chance: "belongs to no version",
    planted.acknowledged_before_it_is_stored: "acknowledged",
    planted.nothing_is_superseded: "held it after",
    planted.done_before_it_is_done: "stuck",
    planted.a_lease_never_ends: "waits",
}


@pytest.mark.faults
@pytest.mark.timeout(scaled(900, 7200))
@pytest.mark.parametrize(
    "fault",
    [pytest.param(f, marks=[] if f.__name__ in IN_SLICE else only_whole, id=f.__name__) for f in BY_KILLS],
)
def test_random_kills_find(tmp_path, fault):
    found, seed = [], seed_of_this_run()
    for number in range(MOST_RUNS):
        run = kill_bodies(tmp_path / f"segue-{number}", seed + number, KILLS, mutate=fault, settling=SHORT)
        told(f"planted {fault.__name__}", seed=run.seed, seconds=round(run.seconds), found=run.wrong[:2])
        found = [one for one in run.wrong if BY_KILLS[fault] in one]
        if found:
            break
    assert found


@only_whole
@pytest.mark.faults
@pytest.mark.postgres
@pytest.mark.timeout(scaled(900, 7200))
def test_random_kills_find_keys_by_chance(tmp_path, postgres):
    """On PostgreSQL, where deliveries are looked back at; on SQLite none is ever seen twice."""
    fault, seed = planted.keys_by_chance, seed_of_this_run()
    run = kill_bodies(
        tmp_path / "segue", seed, KILLS, mutate=fault, settling=SHORT, database=postgres.new_database()
    )
    told("planted keys_by_chance", seed=seed, found=run.wrong[:2])
    assert [one for one in run.wrong if "times" in one]


@pytest.mark.faults
@pytest.mark.timeout(scaled(900, 7200))
def test_zombies_find_a_router_that_compares_no_epoch(tmp_path):
    run = stand_still(
        tmp_path / "segue",
        seed_of_this_run(),
        ["router.set"] * 6,
        mutate_world=planted.the_router_compares_no_epoch,
        settling=SHORT,
    )
    told("planted the_router_compares_no_epoch", seed=run.seed, found=run.wrong[:2])
    assert [one for one in run.wrong if "epoch" in one]


@only_whole
@pytest.mark.faults
@pytest.mark.timeout(scaled(900, 7200))
def test_zombies_find_a_late_answer_that_is_believed(tmp_path):
    """It shows where somebody wakes with an answer that is older than what others have acted on since."""
    found, seed, fault = [], seed_of_this_run(), planted.a_late_answer_is_believed
    for number in range(MOST_RUNS):
        points, folder = ["git.refs"] * 4, tmp_path / f"segue-{number}"
        run = stand_still(folder, seed + number, points, mutate=fault, settling=SHORT)
        told("planted a_late_answer_is_believed", seed=run.seed, found=run.wrong[:2])
        found = [one for one in run.wrong if "older push" in one]
        if found:
            break
    assert found


@only_whole
@pytest.mark.faults
@pytest.mark.timeout(scaled(900, 7200))
def test_zombies_find_a_queue_that_compares_no_epoch(tmp_path):
    """Nobody is told that its lease is lost, who is told so without the fault."""
    seed, fault = seed_of_this_run(), planted.the_queue_compares_no_epoch
    sound = stand_still(tmp_path / "sound", seed, PERFORMED)
    run = stand_still(tmp_path / "segue", seed, PERFORMED, mutate=fault, settling=SHORT)
    told(
        "planted the_queue_compares_no_epoch",
        seed=seed,
        lost=run.leases_lost,
        without=sound.leases_lost,
        broken_without=sound.wrong[:3] or 0,
    )
    assert sound.wrong == []
    assert sound.leases_lost > 0
    assert run.wrong or not run.leases_lost


@pytest.mark.faults
@pytest.mark.timeout(scaled(900, 7200))
def test_poison_finds_attempts_that_are_not_counted(tmp_path):
    fault = planted.attempts_are_not_counted
    run = poison(tmp_path / "segue", seed_of_this_run(), "perform Build", 18, mutate=fault, settling=SHORT)
    told("planted attempts_are_not_counted", seed=run.seed, deaths=run.deaths)
    assert run.deaths > 6


@pytest.mark.faults
@pytest.mark.timeout(scaled(900, 7200))
def test_named_points_find_an_acknowledgement_before_the_commit(tmp_path):
    run = die_at(
        tmp_path / "segue",
        seed_of_this_run(),
        ["inbox batch", "rows of an inbox batch", "people.acknowledged"],
        mutate=planted.acknowledged_before_it_is_stored,
        settling=SHORT,
        again=10.0,
    )
    told("planted acknowledged_before_it_is_stored, at named points", seed=run.seed, found=run.wrong[:2])
    assert [one for one in run.wrong if "acknowledged" in one]


@only_whole
@pytest.mark.faults
@pytest.mark.timeout(scaled(900, 7200))
def test_named_points_find_a_state_that_is_stored_without_its_effects(tmp_path):
    run = die_at(
        tmp_path / "segue",
        seed_of_this_run(),
        ["rows of event", "rows of Build", "rows of CheckImage", "rows of StartWorkload"],
        mutate=planted.states_and_effects_in_two_transactions,
        settling=SHORT,
        again=10.0,
    )
    told("planted states_and_effects_in_two_transactions", seed=run.seed, found=run.wrong[:2])
    assert [one for one in run.wrong if "stuck" in one]


def test_orders_of_two_writers_find_a_write_without_comparing(monkeypatch):
    without_waiting(monkeypatch)
    assert any(stale(server) for server in every_order([OLD, NEW], compares=False))


def test_orders_of_two_writers_find_a_route_that_compares_no_epoch(monkeypatch):
    without_waiting(monkeypatch)
    planted.the_route_compares_no_epoch(monkeypatch)
    assert any(stale(server) for server in every_order([OLD, NEW]))
