"""R4: two and three writers of one route, in all orders and in thousands of random ones."""

import random

from tests.faults.harness import scaled, seed_of_this_run, told
from tests.faults.scheduled import every_order, play, stale, without_waiting

LEAST = 70
OLD = [(1, 0, 10.0), (1, 1, 50.0)]
NEW = [(2, 0, 0.0)]
NEWER = [(3, 0, 0.0), (3, 1, 10.0)]


def test_in_no_order_of_two_writers_does_the_older_one_overwrite_the_newer(monkeypatch):
    without_waiting(monkeypatch)
    servers = list(every_order([OLD, NEW]))
    told(
        "orders of two writers",
        orders=len(servers),
        writes=sum(len(server.taken) for server in servers),
        stale=sum(map(stale, servers)),
    )
    assert len(servers) >= LEAST
    assert [server.taken for server in servers if stale(server)] == []
    assert {server.taken[-1] for server in servers} == {(2, 0)}


def test_in_random_orders_of_three_writers_the_newest_has_the_last_word(monkeypatch):
    without_waiting(monkeypatch)
    seed, times = seed_of_this_run(), scaled(1_000, 5_000)
    dice = random.Random(seed)
    servers = [play(dice.choice, [OLD, NEW, NEWER]) for _ in range(times)]
    told(
        "random orders of three writers",
        seed=seed,
        orders=len(servers),
        different=len({tuple(server.taken) for server in servers}),
        stale=sum(map(stale, servers)),
    )
    assert [server.taken for server in servers if stale(server)] == []
    assert {server.taken[-1] for server in servers} == {(3, 1)}
