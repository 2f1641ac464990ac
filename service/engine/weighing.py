"""Weighs what the observer tells of rollouts: of many in one transaction, because each costs an fsync.

Each decision is of its release alone. Where one of them cannot be stored, none is, and each is tried by
itself: what is wrong with one then stays with it.
"""

from collections.abc import Sequence
from dataclasses import replace

from service.bootstrap import Parts
from service.engine.deciding import Deciding, decide
from service.store.queue import Work
from service.store.states import EVIDENCE
from service.store.store import TRIES

KIND = "evidence"
TOGETHER = 100  # at most: no other writer waits for longer than these take


def weigh(parts: Parts, works: Sequence[Work], tries: int = TRIES) -> None:
    """Store what follows from evidence, and the end of the work, in one change. Raises `Lost`, `Conflict`."""
    told = {work.subject: EVIDENCE.load(work.body) for work in works}

    def store(deciding: Deciding) -> None:
        # Judged then, weighed now: what waited for a worker says nothing about the present.
        events = {name: replace(one, at=deciding.now, judged=one.at) for name, one in told.items()}
        deciding.weigh(events)
        deciding.change.finish_all(works)

    decide(parts.store, store, tries)
