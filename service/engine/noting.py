"""Asks for checkpoints of the record: the same head is sent to a place once, whoever asks for it."""

from collections.abc import Sequence

from policies.effects import KeepCheckpoint, lane
from service.store.change import Change
from service.store.queue import Work
from service.store.states import EFFECT

SUBJECT = "record"
KIND = KeepCheckpoint.__name__


def note(change: Change, places: Sequence[str]) -> None:
    """Have each place keep the record's present head; one that the last is still on its way to waits."""
    head = change.record_head()
    waiting = {str(work.body["place"]) for work in change.unfinished(KIND)}
    for place in places if head.size else ():
        if place not in waiting:
            effect = KeepCheckpoint(place, head.size, head.hash, head.at)
            key = f"checkpoint:{place}:{head.size}:{head.hash[:12]}"
            change.add_work(Work(lane(effect, SUBJECT), KIND, key, SUBJECT, EFFECT.dump(effect)))
