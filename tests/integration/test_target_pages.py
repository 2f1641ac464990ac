"""A page of targets costs the same however many there are: SQLite's own steps are counted, not seconds."""

import sqlite3

import pytest

from bench import crowd
from policies.release import Phase
from service.store import target_pages
from service.store.store import Store

LIMIT = 51
FEW, MANY = 120, 1200


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    opened = {}
    for count in (FEW, MANY):
        folder = tmp_path_factory.mktemp(f"of-{count}")
        opened[count] = Store.open(f"sqlite:///{folder}/engine.db")
        crowd.fill(opened[count], {Phase.SHIFTING: count, Phase.QUEUED: count}, clusters=0)
    yield opened
    for store in opened.values():
        store.close()


def steps(store, **asked):
    """What it costs to read a page, in hundreds of steps of SQLite's machine; and the names on it."""
    taken = []
    with store.read() as read:
        raw = read.connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.set_progress_handler(lambda: taken.append(1) and None, 100)
        found = target_pages.page(read.connection, limit=LIMIT, **asked)
        raw.set_progress_handler(None, 0)
    return len(taken), [name for name, _ in found]


@pytest.mark.parametrize("after", [None, "model-3"])
def test_a_page_of_ten_times_as_many_costs_no_more(stores, after):
    (few, names), (many, others) = (steps(stores[count], among=None, after=after) for count in (FEW, MANY))
    assert len(names) == len(others) == LIMIT
    assert many < 1.5 * few, (few, many)


def test_a_page_is_the_names_in_order_each_once_whichever_it_has(stores):
    store = stores[FEW]
    with store.read() as read:
        wanted = sorted(
            {row.name for row in read.targets()} | {row.target for row in read.releases(final=False)}
        )
    found, after = [], None
    while len(found) < len(wanted):
        _, names = steps(store, among=None, after=after)
        found += names[: LIMIT - 1]
        after = found[-1]
    assert found == wanted
    _, europe = steps(store, among="^.*/europe$", after=None)
    assert europe == [name for name in wanted if name.endswith("/europe")][:LIMIT]
