"""The queries that run every second use the indexes that hold only open rows."""

import pytest
from sqlalchemy import event, text

from service.store.database import writing
from service.store.queue import Work


@pytest.fixture
def statements(store):
    """All statements as text, with their values."""
    seen = []
    event.listen(
        store.engine,
        "before_cursor_execute",
        lambda _connection, _cursor, sql, values, *_: seen.append((sql, values)),
    )
    return seen


def test_a_claim_reads_only_unfinished_work(store, statements):
    store.claim("w", kinds=["job"])
    sql, values = next(s for s in statements if "FROM work" in s[0] and s[0].startswith("SELECT"))
    plan = explain(store, sql, values)
    assert "work_turn" in plan
    assert "work_lane" in plan


def test_open_releases_are_found_by_their_own_index(store, statements):
    store.releases(target="wine/production", final=False)
    sql, values = next(s for s in statements if "FROM release" in s[0])
    assert "release_open" in explain(store, sql, values)


def test_releases_of_a_model_are_found_by_an_index_in_the_order_of_pages(store, statements):
    store.releases(model="wine", before=100)
    sql, values = next(s for s in statements if "FROM release" in s[0])
    plan = explain(store, sql, values)
    assert "release_by_model" in plan
    assert "B-TREE" not in plan  # SQLite's word for a sort


def test_what_is_judged_is_found_among_what_is_only_open(store, statements):
    with store.read() as read:
        read.release_revs(["shifting", "watching"])
    sql, values = next(s for s in statements if "FROM release" in s[0])
    assert "release_by_phase" in explain(store, sql, values)


def test_newer_evidence_replaces_what_waits_without_a_look_at_what_has_ended(store, statements):
    with store.change() as change:
        change.add_work(Work("evidence:rel-1", "evidence", "e-1", "rel-1"))
    sql, values = next(s for s in statements if s[0].startswith("UPDATE work"))
    plan = explain(store, sql, values)
    # Either holds open rows only; on an empty table PostgreSQL takes one or the other.
    assert "work_lane" in plan or "work_by_party" in plan


def explain(store, sql, values):
    with writing(store.engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            connection.execute(text("SET LOCAL enable_sort = off"))
            rows = connection.exec_driver_sql(f"EXPLAIN {sql}", values)
        else:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
        return "\n".join(str(row) for row in rows)
