"""When work that does not go well is tried again, and when it is given up: numbers only, no clock.

Two troubles are told apart. *Not now* (a port's `Retry`) is the world's: it is borne for a time, however
often that is tried. An error that nobody foresaw is probably ours: it is borne for a few tries in a row,
however long those take. What then is given up is parked with its reason, for people to see and to revive.
"""

from dataclasses import dataclass

LONGEST_SPREAD = 30.0  # seconds by which tries lie apart at most, beyond what was asked for
LONGEST_ASKED = 300.0  # no answer makes work wait longer, whatever its Retry-After says
LONGEST_FOR_TRAFFIC = 3.0
MOST_TRIES = 4
DAY = 86_400.0

# Traffic must come about, whatever happens; the others are asked for again and again anyway.
FOR_EVER = frozenset({"SetTraffic", "look", "drift", "housekeeping", "budget", "calendar"})
# A place that is away is waited for: what came in and was acknowledged, what a person asked to be returned,
# workloads that run for nobody.
AWAY_FOR_EVER = FOR_EVER | {"delivery", "event", "declare", "HandBack", "StopWorkload", "Settle"}
COMMAND_SECONDS = 600.0  # somebody waits for the answer: obeying it hours later would surprise


@dataclass(frozen=True, slots=True)
class Pause:
    """Seconds until the next try: `least`, and up to `spread` more by chance."""

    least: float
    spread: float

    def at(self, chance: float) -> float:
        """The wait for a number from 0 to 1 that was drawn."""
        return self.least + self.spread * chance


def pause(kind: str, age: float, asked: float) -> Pause:
    """Soon at first, then as seldom as the trouble is old; never before it was asked for.

    `age` is since when it has gone wrong, `asked` the seconds that whoever could not do it asks for. All the
    rest is left to chance ("full jitter"), so that what an outage held up does not come back at once.
    A split that is wanted and not written costs requests for as long as it waits, above all a rollback:
    what an outage leaves is one small call each few seconds for a target, which nobody would feel.
    """
    if kind == "SetTraffic":
        half = LONGEST_FOR_TRAFFIC / 2
        return Pause(min(asked, half), min(half, max(asked / 2, age / 8)))
    return Pause(min(asked, LONGEST_ASKED), min(LONGEST_SPREAD, max(asked / 2, age / 8)))


def budget(kind: str) -> float | None:
    """Seconds of trying for which "not now" is borne, from the first such answer on; None: for ever."""
    if kind in AWAY_FOR_EVER:
        return None
    return COMMAND_SECONDS if kind == "command" else DAY


def tries(kind: str) -> int | None:
    """Errors in a row that nobody foresaw, after which it is given up; None: never."""
    return None if kind in FOR_EVER else MOST_TRIES
