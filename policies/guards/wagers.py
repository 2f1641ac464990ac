"""Who judges an interval says what is to be bet on it, and is told what the guards are then.

A judge yields bets and is sent a state for each; who says what was found asks in the same way how far harm
is. So those of many rollouts that wait at the same time are settled together, by the same lines as those of
one alone and with the same bits: numpy takes hardly longer for fifty than for one.
"""

from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

from policies.guards import histogram, outlook, rate

T = TypeVar("T")
Bet = rate.Bet | histogram.Bet | outlook.Ask
Betting = Generator[Sequence[Bet], list[Any], T]
TOGETHER = 256
_SETTLE: dict[type, Callable[[Any], list[Any]]] = {
    rate.Bet: rate.settled,
    histogram.Bet: histogram.settled,
    outlook.Ask: outlook.settled,
}


def settled(judging: Sequence[Betting[T]]) -> list[T]:
    """What each comes to. Of more than `TOGETHER` at once the numbers do not stay near the processor."""
    found: dict[int, T] = {}
    told: dict[int, Any] = dict.fromkeys(range(len(judging)))  # None begins
    while told:
        asked = {}
        for number, states in told.items():
            try:
                asked[number] = judging[number].send(states)
            except StopIteration as end:
                found[number] = end.value
        told = _told(asked)
    return [found[number] for number in range(len(judging))]


def _told(asked: dict[int, Sequence[Bet]]) -> dict[int, list[Any]]:
    """An answer to each bet, where alike ones are settled together."""
    alike = defaultdict(list)
    for number, bets in asked.items():
        for place, bet in enumerate(bets):
            alike[bet.alike].append((number, place, bet))
    told: dict[int, list[Any]] = {number: [None] * len(bets) for number, bets in asked.items()}
    for some in alike.values():
        bets = [bet for _, _, bet in some]
        for (number, place, _), answer in zip(some, _SETTLE[type(bets[0])](bets), strict=True):
            told[number][place] = answer
    return told
