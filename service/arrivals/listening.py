"""Listens to chats by connections that we open: what is said there is stored like any delivery.

A thread for each chat. It decides nothing. Several installations' reconcilers may listen at once: the same
message by two connections is one delivery. The place to go on from is stored after what came before it.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from service.arrivals.hearing import LISTENED
from service.errors import StoreError
from service.ports.chat import Told
from service.ports.connections import Source
from service.ports.outcomes import PortError, Retry
from service.sources import CHAT_KINDS
from service.store.inbox import Delivery, Inbox
from service.store.store import Store

log = structlog.get_logger()
PLACE = "listened"  # the reference under which the place to go on from is remembered
ERROR_SECONDS, LONGEST_SECONDS = 5.0, 60.0  # between two connections


@dataclass(slots=True)
class _Listener:
    source: Source
    chat: Any
    stop: threading.Event = field(default_factory=threading.Event)


class Listeners:
    """The chats that one process listens to."""

    def __init__(
        self,
        store: Store,
        inbox: Inbox,
        open_source: Callable[[Source], Any],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._inbox, self._open, self._clock = store, inbox, open_source, clock
        self._running: dict[str, _Listener] = {}
        self._opened: dict[str, tuple[Source, Any]] = {}

    def follow(self, sources: Sequence[Source]) -> None:
        """Listen to these chats, as far as they can be listened to, and to no others."""
        wanted = {one.name: one for one in sources if one.kind in CHAT_KINDS}
        for name, running in list(self._running.items()):
            if wanted.get(name) != running.source:
                self._running.pop(name).stop.set()
        for name, source in wanted.items():
            if name not in self._running and (chat := self._listening(source)) is not None:
                self._start(_Listener(source, chat))

    def stop(self) -> None:
        """Listen to none; a connection that waits ends with the process."""
        self.follow(())

    def _listening(self, source: Source) -> Any | None:
        """The chat, where it can be listened to: a secret that is written later counts, too."""
        known = self._opened.get(source.name)
        if known is None or known[0] != source:
            try:
                known = self._opened[source.name] = (source, self._open(source))
            except PortError as reason:
                log.warning("chat not opened", source=source.name, reason=str(reason))
                return None
        listens = getattr(known[1], "listens", None)
        return known[1] if listens is not None and listens() else None

    def _start(self, listener: _Listener) -> None:
        self._running[listener.source.name] = listener
        name = f"listen-{listener.source.name}"
        threading.Thread(target=self._listen, args=(listener,), name=name, daemon=True).start()

    def _listen(self, listener: _Listener) -> None:
        """Connections, one after the other."""
        while not listener.stop.is_set():
            wait = 0.0
            try:
                self._once(listener)
            except PortError as reason:
                asked = reason.after if isinstance(reason, Retry) else LONGEST_SECONDS
                wait = min(max(asked, 1.0), LONGEST_SECONDS)
                log.warning("chat not heard", source=listener.source.name, reason=str(reason))
            except Exception:  # one chat's strange answer must not end the thread that hears it
                wait = ERROR_SECONDS
                log.exception("listening failed", source=listener.source.name)
            listener.stop.wait(wait)

    def _once(self, listener: _Listener) -> None:
        source = listener.source
        with self._store.read() as read:
            since = read.cursor(source.name, PLACE)

        def take(said: Sequence[Told], place: str) -> None:
            if listener.stop.is_set():
                raise StoreError("it is listened to by somebody else, or no more")
            for one in said:
                headers = {LISTENED: "yes"}
                self._inbox.store(Delivery(source.name, one.name, headers, one.body, self._clock()))
            if place:
                with self._store.change() as change:
                    change.observe(source.name, PLACE, place, change.now)

        listener.chat.listen(since, take, listener.stop)
