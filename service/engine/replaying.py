"""Handles something again: a delivery, or work that was given up.

Nothing is repeated that was done. A delivery is a hint, so handling it again asks its source, which tells
what is true now; a person's command that was obeyed stays obeyed; a change at a source that was given up
is taken up only while nothing newer was seen there.
"""

from service.engine import parked
from service.store import queued
from service.store.change import Change
from service.store.queue import Work

PEOPLE_LANE = "delivery:people"
KINDS = ("delivery", "command")  # of the work that a delivery is


def replay(change: Change, subject: str, at: float) -> tuple[bool, str]:
    """Whether it will be handled again, and what to tell whoever asked (at that time)."""
    digits = subject.removeprefix(parked.NAME)
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        return False, f"{subject!r} is no event; its id is a number, or work-N; see: segue events"
    if digits == subject:
        return _delivery(change, subject, at)
    found = queued.chosen(change.connection, numbers=(int(digits),))
    return _work(change, found[0]) if found else (False, f"there is no {subject}; see: segue events --failed")


def _delivery(change: Change, subject: str, at: float) -> tuple[bool, str]:
    known = queued.latest(change.connection, (subject,), KINDS).get(subject)
    if known is None:
        return False, f"there is no event {subject}; see: segue events"
    if known.state == "dead":
        return _work(change, known)
    if known.finished is None:
        return False, f"{subject} waits to be handled; see: segue events {subject}"
    if known.kind == "command" or known.lane == PEOPLE_LANE:
        return False, f"{subject} is a command that was obeyed; to have it done once more, give it again"
    key = f"delivery:{subject}:again:{at!r}"
    body = {"id": int(subject), "again": True}
    change.add_work(Work(known.lane, "delivery", key, subject, body))
    return True, f"{subject} is handled again; see: segue events {subject}"


def _work(change: Change, dead: Work) -> tuple[bool, str]:
    name = dead.subject if dead.kind in KINDS and dead.subject.isdigit() else f"{parked.NAME}{dead.id}"
    if dead.state != "dead":
        return False, f"{name} was not given up, so there is nothing to do again; see: segue events {name}"
    if dead.kind == "command":
        return False, f"{name} is a command that failed, as whoever gave it was told; give it again"
    if parked.taken_in(dead):
        return False, f"what waited for {name} has ended with its reason; write: segue retry RELEASE"
    if dead.kind == "event" and not _newest(change, dead):
        return False, f"{name} is out of date: what it names has changed since; see: segue events"
    if not change.revive(dead.id):
        return False, f"{name} is out of date: something newer is wanted there"
    return True, f"{name} is handled again; see: segue events {name}"


def _newest(change: Change, event: Work) -> bool:
    """Whether the event is the last change that was seen of its reference."""
    lane, _, sequence = event.key.rpartition(":")
    reference = lane.removeprefix(f"event:{event.subject}:")
    return any(
        c.reference == reference and str(c.sequence) == sequence for c in change.cursors(event.subject)
    )
