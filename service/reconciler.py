"""The reconciler: takes deliveries into the engine, frees what the dead held, asks for sweeps, sends hints.

It decides nothing. Any number of reconcilers do no harm: everything that they add is keyed, and a hint
is only a hint.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence

import structlog

from service.arrivals import receiving, redelivering
from service.arrivals.listening import Listeners
from service.engine import drifting, holding, noting, tracing
from service.engine.housekeeping import EVERY_SECONDS
from service.performing import calendars
from service.ports.connections import Source
from service.settings import Settings
from service.sources import QUIET_KINDS
from service.store import advisory, owners
from service.store.bell import Ear
from service.store.inbox import Inbox
from service.store.queue import Work
from service.store.states import target_of
from service.store.store import Store
from service.work import PATIENT, QUEUES, URGENT

log = structlog.get_logger()
ROUND_SECONDS = 1.0  # between two rounds while no delivery comes
BREATH_SECONDS = 0.02  # deliveries that come together are taken together
BURST, BURST_SECONDS = 10, 0.1  # after so many at once they come by hundreds: fewer rounds take as many
TAKE_SECONDS = (
    5.0  # between two looks at an inbox whose bell is silent: who stored may have died before it rang
)
HEARD_SECONDS = 1.0  # for which workers that hear the store's bell need no hint
READ_SECONDS = (
    2.0  # between two looks at a store whose bell is silent: claims, and time that passes, ring none
)
DRIFT_SECONDS = 10.0
NAMES_SECONDS = 60.0  # of what serves on this machine
HINT_AGAIN = 5.0  # seconds after which an unheeded hint is sent once more

Hint = Callable[[str, int], None]  # queue, number of the work


class Reconciler:
    """One process's rounds. `hint` None: workers find the work by themselves; `listeners` None: no chat is
    listened to here."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        inbox: Inbox,
        hint: Hint | None,
        listeners: Listeners | None = None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.inbox = inbox
        self.hint = hint
        self.listeners = listeners
        self._to_hint: dict[int, float] = {}  # due work, and from when on a hint is sent
        self._holders: list[str] = []
        self._sources: list[Source] = []

    def round(self, *, delivered: bool = True, changed: bool = True) -> int:
        """Everything once; how much the inbox held. `delivered`: whether it may hold something new;
        `changed`: whether the store may tell something else than in the last round.
        """
        taken = receiving.take(self.store, self.inbox) if delivered else 0
        due = bool(self._to_hint)
        if changed or taken or due:
            with self.store.read() as read:
                self._holders, self._sources = read.owners(), read.sources()
                due = self.hint is not None and bool(read.due(1, (*URGENT, *PATIENT)))
        now, sources = self.store.now(), self._sources
        if self.listeners is not None:
            self.listeners.follow(sources)
        self.free_the_dead(self._holders)
        self.sweep(now, sources)
        self.look_for_lost(now, sources)
        self.look_for_drift(now)
        self.look_at_budgets(now)
        self.look_at_calendars(now)
        self.keep_house(now)
        self.keep_checkpoints(now)
        if changed or taken:
            self.follow_lineage()
        if self.hint is None or not due:
            self._to_hint.clear()
        else:
            self.send_hints(self.hint, now)
        return taken

    def free_the_dead(self, holders: Sequence[str]) -> None:
        """Give free what killed processes of this host held, instead of waiting for their leases."""
        dead = owners.gone(holders)
        if dead:
            log.warning("freed the work of dead processes", owners=dead, work=self.store.free(dead))

    def sweep(self, now: float, sources: Sequence[Source]) -> None:
        """Ask for a look at each source, once per sweep period whoever asks."""
        period = int(now / self.settings.sweep_seconds)
        if (period, len(sources)) == self._swept:
            return
        with self.store.change() as change:
            waiting = {work.subject for work in change.unfinished("look")}
            for source in sources:
                if source.kind in QUIET_KINDS or source.name in waiting:
                    continue  # nobody to ask; or away: the look that waits for it will see all
                # A period is one that is not the last: it may be an earlier one after a clock was set back.
                turn = change.observe("sweep", source.name, str(period), change.now)
                if turn is not None:
                    key = f"look:{source.name}:turn-{turn}"
                    change.add_work(Work(f"look:{source.name}", "look", key, source.name))
        self._swept = (period, len(sources))

    _swept: tuple[int, int] = (-1, -1)

    def look_for_lost(self, now: float, sources: Sequence[Source]) -> None:
        """Ask for what hosts could not deliver, once per period whoever asks."""
        period = int(now / redelivering.EVERY_SECONDS)
        names = [one.name for one in sources if one.kind in redelivering.KINDS and not one.member]
        if period == self._searched or not names:
            return
        with self.store.change() as change:
            waiting = {work.subject for work in change.unfinished("redeliver")}
            for name in set(names) - waiting:
                key = f"redeliver:{name}:{period}"
                change.add_work(Work(f"redeliver:{name}", "redeliver", key, name))
        self._searched = period

    _searched = -1

    def look_for_drift(self, now: float) -> None:
        """Ask whether what serves is as it was left, once per period whoever asks. On this machine nobody
        else writes that: there only what aliases and Git name is compared, and less often."""
        period = int(now / DRIFT_SECONDS)
        if period == self._drifted:
            return
        found = [target_of(row, row.name) for row in self.store.targets()]
        rare = int(now / NAMES_SECONDS)
        turns = {
            one.name: f"{period}" if one.place.cluster is not None else f"names-{rare}"
            for one in found
            if one.stable is not None and (one.place.cluster is not None or rare != self._named)
        }
        if turns:
            asked = sorted(turns.keys() - {work.subject for work in self.store.unfinished(drifting.KIND)})
            for first in range(0, len(asked), advisory.TOGETHER):
                with self.store.change() as change:
                    for name in asked[first : first + advisory.TOGETHER]:
                        change.add_work(drifting.look(name, turns[name]))
        self._drifted, self._named = period, rare

    _drifted = _named = -1

    def look_at_budgets(self, now: float) -> None:
        """Ask what is left of error budgets, once per period whoever asks, where a model has one."""
        period = int(now / holding.BUDGET_SECONDS)
        if period == self._budgeted:
            return
        told = (one for row in self.store.models() for one in row.declaration.get("environments", ()))
        if any(one.get("budget") for one in told):
            with self.store.change() as change:
                holding.ask_budgets(change, f"{period}")
        self._budgeted = period

    _budgeted = -1

    def look_at_calendars(self, now: float) -> None:
        """Ask for the calendars that the operator named, once per period whoever asks."""
        period = int(now / calendars.EVERY_SECONDS)
        if period == self._fetched or not self.settings.calendars:
            return
        with self.store.change() as change:
            waiting = {work.subject for work in change.unfinished(calendars.KIND)}
            for name, _ in self.settings.calendars:
                if name not in waiting:
                    lane = f"{calendars.KIND}:{name}"
                    change.add_work(Work(lane, calendars.KIND, f"{lane}:{period}", name))
        self._fetched = period

    _fetched = -1

    def keep_house(self, now: float) -> None:
        """Ask for the forgetting of what is old, once per period whoever asks."""
        period = int(now / EVERY_SECONDS)
        if period == self._kept:
            return
        with self.store.change() as change:
            key = f"housekeeping:{period}"
            change.add_work(Work("housekeeping", "housekeeping", key, "segue"))
        self._kept = period

    _kept = -1

    def keep_checkpoints(self, now: float) -> None:
        """Have the record's head kept elsewhere, once per period whoever asks."""
        period = int(now / self.settings.checkpoint_seconds)
        if period != self._noted and self.settings.checkpoints:
            with self.store.change() as change:
                noting.note(change, self.settings.checkpoints)
        self._noted = period

    _noted = -1

    def follow_lineage(self) -> None:
        """Ask for run events of what was recorded since, where a server is told."""
        if self.settings.openlineage is None or (size := self.store.record_head().size) == self._traced:
            return
        more = True
        while more:
            with self.store.change() as change:
                more = tracing.follow(change)
        self._traced = size

    _traced = -1

    def send_hints(self, hint: Hint, now: float) -> None:
        """Tell the broker what is due; what workers hear of by themselves only where it stays undone."""
        first = now if self.store.bell is None else now + HEARD_SECONDS
        due = {n: queue for queue, kinds in QUEUES.items() for n in self.store.due(limit=50, kinds=kinds)}
        self._to_hint = {number: self._to_hint.get(number, first) for number in due}
        for number, queue in due.items():
            if self._to_hint[number] <= now:
                hint(queue, number)
                self._to_hint[number] = now + HINT_AGAIN


def run(reconciler: Reconciler, stop: threading.Event) -> None:
    """Rounds until told to stop; a round that fails is told and tried again."""
    ear, delivered, taken = Ear([reconciler.inbox.bell]), True, 0.0
    store, read = Ear([reconciler.store.bell]), -math.inf
    while not stop.is_set():
        try:
            delivered = delivered or time.monotonic() - taken > TAKE_SECONDS
            taken = time.monotonic() if delivered else taken
            changed = store.rung() or time.monotonic() - read > READ_SECONDS
            read = time.monotonic() if changed else read
            many = reconciler.round(delivered=delivered, changed=changed) >= BURST
            stop.wait(BURST_SECONDS if many else BREATH_SECONDS)
            delivered = ear.wait(stop, ROUND_SECONDS)
        except Exception:  # nothing is lost by a round that failed; without rounds all would stand still
            log.exception("round failed")
            delivered, read = True, -math.inf
            stop.wait(1.0)
