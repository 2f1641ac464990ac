"""Lets rest what was given up and nobody can mend, such as a delivery that is malformed for good.

It is only told apart from what waits for people: nothing is undone, and who dismissed it, and why, stands
in the record with the command.
"""

from policies.events import Command
from service.engine import parked
from service.engine.replaying import KINDS
from service.store import queued
from service.store.change import Change
from service.store.queue import Work

FAILED = "see: segue events --failed"


def dismiss(change: Change, command: Command) -> tuple[bool, str]:
    """Whether it rests now, and what to tell whoever asked."""
    name, reason = command.subject or "", (command.reason or "").strip()
    dead = _named(change, name)
    if dead is None or dead.state != "dead":
        return False, f"{name!r} was not given up; {FAILED}"
    if not reason:
        return False, f"say why {name} may rest, by a reason"
    if dead.kind != "command":  # whoever gave one reads there that it failed
        text = f"dismissed by {command.actor}: {reason} (it was given up: {dead.error})"
        change.save_answer(f"{parked.NAME}{dead.id}", {"ok": False, "text": text})
    return change.dismiss(dead.id), f"{name} rests; {FAILED} for the others"


def _named(change: Change, name: str) -> Work | None:
    """The work of that id; of a delivery's number, what it is."""
    digits = name.removeprefix(parked.NAME)
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        return None
    if digits == name:
        return queued.latest(change.connection, (name,), KINDS).get(name)
    return next(iter(queued.chosen(change.connection, numbers=(int(digits),))), None)
