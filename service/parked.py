"""Work that was given up: what people see of it, and the way back.

An effect whose failure a machine has taken in is over: its release has ended, or its version has failed,
and trying it again would act on the world for nobody. There the way back is to retry the release.
"""

from typing import Any

from service.change import Change
from service.queue import Work
from service.states import number_of

NAME = "work-"


def number_of_work(name: str) -> int:
    """The id in a name such as work-17; 0, which no work has, for anything else."""
    return number_of(name.replace(NAME, "rel-", 1)) if name.startswith(NAME) else 0


def shown(work: Work) -> dict[str, Any]:
    """Parked work as the API and the command line show it; `again` is what to type, if anything helps."""
    return {
        "id": work.id,
        "kind": work.kind,
        "subject": work.subject,
        "reason": work.error,
        "at": work.finished,
        "again": _again(work),
    }


def revive(change: Change, name: str) -> str | None:
    """Have it done after all; why not, if not."""
    number = number_of_work(name)
    found = next((work for work in change.dead() if work.id == number), None)
    if found is None:
        return f"no work {name} was given up; see: segue show --dead"
    if found.kind == "command":
        return f"{name} was somebody's command, and they were told that it failed; give it again"
    if _answered(found):
        return f"the failure of {name} has been taken in; write: {_again(found)}"
    if not change.revive(number):
        return f"{name} is out of date: newer work of its kind is done there, or waits"
    return None


def _answered(work: Work) -> bool:
    return bool(work.body.get("step"))


def _again(work: Work) -> str | None:
    if work.kind == "command":
        return None
    if not _answered(work):
        return f"segue retry {NAME}{work.id}"
    return f"segue retry {work.subject if number_of(work.subject) else 'RELEASE'}"
