"""The polling driver: a worker that needs no broker, and the process that `segue up` starts."""

import threading
from collections.abc import Sequence

import structlog

from service.bootstrap import Parts
from service.store import owners
from service.store.bell import DEAF_SECONDS, Ear
from service.work import work_once

log = structlog.get_logger()
SELDOM_SECONDS = 5.0  # between two looks at an empty queue of those who hear its bell
HINTED_SECONDS = 1.0  # the same of those who hear none and get a broker's hints, which may be lost


def drain(
    parts: Parts, owner: str, kinds: Sequence[str] | None = None, stop: threading.Event | None = None
) -> int:
    """Do everything that is due now, unless told to stop meanwhile; how much it was."""
    count = 0
    while (
        not (stop is not None and stop.is_set())
        and (parts.untold or parts.store.due(limit=1, kinds=kinds))
        and work_once(parts, owner, kinds=kinds)
    ):
        count += 1
    return count


def poll(parts: Parts, stop: threading.Event, kinds: Sequence[str], *, hinted: bool = False) -> None:
    """Work until told to stop; what is in hand then is finished first. `hinted`: a broker helps."""
    owner = owners.name_of_this_process("poll")
    ear = Ear([parts.store.bell])
    while not stop.is_set():
        try:
            wait = 0 if parts.untold else parts.store.until_due(kinds)
            if wait == 0 and work_once(parts, owner, kinds=kinds):
                drain(parts, owner, kinds, stop)  # when the next is due need not be known before the last
                continue
            if ear.deaf and hinted:
                stop.wait(HINTED_SECONDS)
            else:
                ear.wait(stop, min(SELDOM_SECONDS, wait or DEAF_SECONDS))
        except Exception:
            # The store is away: nothing can be lost here, and nothing can be done but wait.
            log.exception("store not available")
            stop.wait(1.0)
