"""What the store is yet to hear of a worker that outlived an outage of it.

A claim that nobody answers counts as a death of its worker, and after some of those the work is given up. So
who lives says of everything that it had in hand, once the store is back, that it is to be tried again. That
counts for nothing, and nobody need wait for the lease to end.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from service.errors import StoreError
from service.store.queue import Work
from service.store.store import Store


@dataclass(slots=True)
class Untold:
    """Work that was in hand when the store went away, and owners whose claim it did not answer: that may be
    stored all the same. An owner is one thread; the list is of all threads of a process."""

    works: list[Work] = field(default_factory=list)
    unsure: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.works or self.unsure)

    def catch_up(self, store: Store, owner: str, tell: Callable[[Work], object]) -> None:
        """`tell` of each that it is to be tried again; called by an owner that has nothing in hand. Raises
        `StoreError` where the store is away still: what is left is told next time."""
        if owner in self.unsure:
            known = {work.id for work in self.works}
            self.works += [work for work in store.held_by(owner) if work.id not in known]
            self.unsure.discard(owner)
        while self.works:
            work = self.works.pop()  # first: another thread may be at the next one
            try:
                tell(work)
            except StoreError:
                self.works.append(work)
                raise
