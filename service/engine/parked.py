"""Work that was given up, as people see it, with the way back.

An effect whose failure a machine has taken in is over: its release has ended, or its version has failed,
and trying it again would act on the world for nobody. There the way back is to retry the release.
"""

from typing import Any

from service.store.queue import Work
from service.store.states import number_of

NAME = "work-"
MOST = 20  # of a release that are shown at once; one may be told to many, and each may be given up


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


def taken_in(work: Work) -> bool:
    """Whether a release or a version waited for it, and has ended with its failure."""
    return bool(work.body.get("step"))


def _again(work: Work) -> str | None:
    if work.kind == "command":
        return None
    if not taken_in(work):
        return f"segue replay-event {NAME}{work.id}"
    return f"segue retry {work.subject if number_of(work.subject) else 'RELEASE'}"
