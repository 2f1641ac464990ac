"""Which copy belongs to which request: both by the caller's id of it, or else by what was asked.

Requests that are alike in every byte are the same question, so whichever of their copies is paired with
which says the same. No clock, no I/O; what is never copied is counted as lost, and what waits is bounded.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

PATIENCE = 60.0  # seconds after its answer in which a request's copy may still be answered
MOST = 20_000  # requests whose copies are waited for


@dataclass(frozen=True, slots=True)
class Answered:
    """One version's answer: to which request, when (Unix seconds), with which status, after how long.

    `status` 0: it did not answer. `said` is what it answered, as far as that could be read; `score` its
    number; `body` is there where a sample is taken.
    """

    request: str
    backend: str
    at: float
    status: int
    seconds: float
    said: str | None = None
    score: float | None = None
    body: bytes = b""


@dataclass(slots=True)
class Pairing:
    """One target's requests whose copies have not been answered yet."""

    lost: int = 0
    _waiting: "OrderedDict[int, tuple[str, Answered]]" = field(default_factory=OrderedDict)
    _by_key: dict[str, deque[int]] = field(default_factory=dict)
    _next: int = 0

    def answered(self, key: str, one: Answered) -> None:
        """A user got this; a copy of the request should come."""
        self._waiting[self._next] = (key, one)
        self._by_key.setdefault(key, deque()).append(self._next)
        self._next += 1
        while len(self._waiting) > MOST:
            self._give_up()

    def request_of(self, key: str) -> str | None:
        """The id of the oldest request that waits under this key."""
        numbers = self._by_key.get(key)
        return self._waiting[numbers[0]][1].request if numbers else None

    def copied(self, key: str) -> Answered | None:
        """The user's answer that belongs to a copy which was answered now; None where nobody waits for it."""
        numbers = self._by_key.get(key)
        if not numbers:
            return None
        number = numbers.popleft()
        if not numbers:
            del self._by_key[key]
        return self._waiting.pop(number)[1]

    def expire(self, now: float) -> None:
        """Wait no longer for copies of what was answered long ago."""
        while self._waiting and next(iter(self._waiting.values()))[1].at < now - PATIENCE:
            self._give_up()

    def take_lost(self) -> int:
        """How many were lost since the last time."""
        lost, self.lost = self.lost, 0
        return lost

    def _give_up(self) -> None:
        _, (key, _) = self._waiting.popitem(last=False)
        numbers = self._by_key[key]
        numbers.popleft()
        if not numbers:
            del self._by_key[key]
        self.lost += 1

    def __iter__(self) -> Iterator[Answered]:
        return (one for _, one in self._waiting.values())
