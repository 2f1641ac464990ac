"""Asks for run events, where a server of lineage is told what served when.

It follows the record, so that nothing is told twice or left out whatever ends in between. What was recorded
before it began is told by hand: `segue lineage`.
"""

from policies.effects import SendLineage, lane
from policies.release import FINAL
from service.store.change import Change
from service.store.queue import Work
from service.store.record import Entry
from service.store.states import EFFECT, number_of

NAME = "openlineage"  # of its cursor, which no source may have
TOGETHER = 200  # entries that are looked at in one change
_KIND = SendLineage.__name__


def follow(change: Change) -> bool:
    """Look at the next entries of the record; whether more may follow."""
    seen = change.cursor(NAME, "record")
    if seen is None:
        change.observe(NAME, "record", str(change.record_head().size), change.now)
        return False
    entries = change.record_of(after=int(seen), limit=TOGETHER)
    for entry in entries:
        if number_of(entry.subject) and (turn := _turn(entry)):
            effect = SendLineage(entry.subject, turn, entry.at)
            key = f"lineage:{entry.id}"
            change.add_work(Work(lane(effect, entry.subject), _KIND, key, entry.subject, EFFECT.dump(effect)))
    if entries:
        change.observe(NAME, "record", str(entries[-1].id), change.now)
    return len(entries) == TOGETHER


def _turn(entry: Entry) -> str:
    """What of a run it may tell: whether the share of traffic changed is seen when it is told."""
    if entry.action == "began":
        return "begin"
    if entry.action in set(FINAL):
        return "end"
    return "share" if "observed" in entry.detail else ""
