"""Requests at a fixed pace, whatever the answers do, split among a few connections that stay open."""

import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

TIMEOUT = 5.0  # seconds for one request

Ask = Callable[[http.client.HTTPConnection, int, int], None]  # a connection, its number, and how many it sent


@dataclass(slots=True)
class Pace:
    """Calls `ask` `rate` times a second, from `threads` threads with one connection each."""

    url: str
    rate: float
    threads: int
    ask: Ask
    _stop: threading.Event = field(default_factory=threading.Event)
    _running: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin to send."""
        for number in range(self.threads):
            thread = threading.Thread(target=self._send, args=(number,), daemon=True)
            self._running.append(thread)
            thread.start()

    def end(self) -> None:
        """Send no more, and wait for the answers that are under way."""
        self._stop.set()
        for thread in self._running:
            thread.join(TIMEOUT * 2)

    def _send(self, number: int) -> None:
        gap = self.threads / self.rate
        due, sent = time.monotonic() + gap * number / self.threads, 0
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            self.ask(connection, number, sent)
            due, sent = due + gap, sent + 1
        connection.close()
