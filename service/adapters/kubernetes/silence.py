"""A server that takes calls and never answers: who asks it next is told so at once, for some seconds.

Whoever waits for it does nothing else meanwhile, and has other clusters to serve. What it was asked for stays
undone until it answers: nothing is taken for done, allowed or gone here.
"""

import threading
import time
from collections.abc import Callable
from weakref import WeakValueDictionary

from service.ports.outcomes import Retry

# Times as long as one question takes it is left alone: a fifth of a worker's time at most is lost to it.
ALONE = 4.0
READY = frozenset({200, 401, 403, 404})  # of /readyz, also where nobody may ask that without a login

# Whether it is ready, asked with a short limit: the status of the answer, None where none came.
Question = Callable[[], int | None]

_KNOWN: "WeakValueDictionary[tuple[str, str | None], Silence]" = WeakValueDictionary()
_LOCK = threading.Lock()


class Silence:
    """Whether one server is silent, as far as this process knows. Threads share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until: float | None = None  # None: it answers

    @classmethod
    def of(cls, address: str, proxy: str | None) -> "Silence":
        """What is known of the server at the address, however many connections lead to it."""
        with _LOCK:
            known = _KNOWN.get((address, proxy))
            if known is None:
                known = _KNOWN[address, proxy] = cls()
            return known

    def heed(self, name: str, question: Question, seconds: float) -> None:
        """Return where the cluster may be asked. Raises `Retry` at once where it was silent just now.

        After a while the first who comes puts the question, which takes so many seconds at most, and goes on
        if there is any answer; the others are not held up by that.
        """
        left = self._left(ALONE * seconds)
        if left is None or (left == 0.0 and question() is not None):
            return
        words = f"the cluster {name} takes calls and does not answer; it is asked again every few seconds"
        raise Retry(words, left or ALONE * seconds)

    def listen(self, question: Question, seconds: float) -> None:
        """A call was not answered in time: find out whether the server hangs, or only somebody whom it asked,
        such as a webhook or a pod."""
        if question() in READY:
            self.end()
            return
        with self._lock:
            self._until = self._clock() + ALONE * seconds

    def end(self) -> None:
        """It has answered."""
        with self._lock:
            self._until = None

    def _left(self, trying: float) -> float | None:
        """Seconds for which it is left alone yet; 0.0 for who is to find out; None where it answers."""
        with self._lock:
            if self._until is None:
                return None
            now = self._clock()
            if now < self._until:
                return self._until - now
            self._until = now + trying
            return 0.0
