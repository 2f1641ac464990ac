"""The queries that run every second use the indexes that hold only open rows."""

import pytest
from sqlalchemy import event, text

from service.database import writing


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


def explain(store, sql, values):
    with writing(store.engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            connection.execute(text("SET LOCAL enable_sort = off"))
            rows = connection.exec_driver_sql(f"EXPLAIN {sql}", values)
        else:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
        return "\n".join(str(row) for row in rows)
