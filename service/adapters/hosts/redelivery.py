"""Deliveries that a host could not hand over: which of them it is asked to send again, and when.

Hosts try once. What they keep of each attempt says whether anybody took it; an attempt that was made again
has the same delivery id. Asked for too soon it would fail again, so each attempt is waited for four times as
long as the one before, and a delivery that nobody takes in a day is left.
"""

from collections.abc import Iterable
from dataclasses import dataclass

MOST_TRIES = 7
FIRST_SECONDS = 60.0
GROWTH = 4.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt: its number at the host, the delivery's id, whether it was taken (2xx), when it was made
    (Unix seconds; None where the host does not say)."""

    number: int
    delivery: str
    taken: bool
    at: float | None


def due(attempts: Iterable[Attempt], now: float, most: int) -> tuple[int, ...]:
    """Numbers of attempts to make again, the oldest first: of each delivery that nobody took the newest."""
    made: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        made.setdefault(attempt.delivery, []).append(attempt)
    lost = [max(one, key=_order) for one in made.values() if _is_due(one, now)]
    return tuple(one.number for one in sorted(lost, key=_order)[:most])


def _order(attempt: Attempt) -> tuple[float, int]:
    return attempt.at or 0.0, attempt.number


def _is_due(attempts: list[Attempt], now: float) -> bool:
    tries = len(attempts)
    if tries >= MOST_TRIES or any(one.taken for one in attempts):
        return False
    last = max(attempts, key=_order).at
    return last is None or now - last >= FIRST_SECONDS * GROWTH ** (tries - 1)
