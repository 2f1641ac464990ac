"""What the judge was given is stored as it was; older code reads it without the words."""

from policies.guards.heartbeat import Alive
from policies.guards.increment import Gap
from policies.guards.trail import Recorded
from service.store import recorded


def test_health_is_read_as_it_was_written_with_its_words_and_without():
    seen = (Alive(), Alive(2, answers=True), Alive(1, True, "was killed", "1 of 2"), Alive(0, False, "", "x"))
    rows = tuple((Gap(n, float(n), "away", silent=True), one) for n, one in enumerate(seen))
    kept = recorded.written(Recorded(None, 0.0, 0, rows))
    assert recorded.read(kept).seen == rows
    assert ["said" in row for row in kept["increments"]] == [False, False, True, True]
    assert all(len(row["alive"]) == 2 for row in kept["increments"])
