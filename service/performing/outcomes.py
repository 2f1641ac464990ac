"""What performing an effect came to, and the little that every kind of effect needs."""

import math
from dataclasses import dataclass

from policies.effects import HandBack, MoveAlias
from policies.events import (
    Adopted,
    AuthorityChecked,
    BuildFinished,
    CheckFinished,
    EffectFailed,
    EvaluationFinished,
    ImageTrusted,
    Seen,
    Tick,
    TrafficObserved,
    WorkloadReady,
)
from policies.place import Place
from policies.version import Version
from service.bootstrap import Parts
from service.ports.outcomes import Refused
from service.store.states import version_of

Answer = (
    BuildFinished
    | ImageTrusted
    | EvaluationFinished
    | WorkloadReady
    | AuthorityChecked
    | Adopted
    | CheckFinished
    | TrafficObserved
    | EffectFailed
    | Seen
    | Tick
)
LOOKS = 0.1  # seconds between two looks at what was begun on this machine
LOOKS_AT_CLUSTER = 0.5  # each is a few calls of a server that everybody shares
_LATE = 0.1  # how much later than it happened, in parts of the time it took, something may be seen


@dataclass(frozen=True, slots=True)
class Posted:
    """A chat's message: the reference under which it is remembered, and its room and id."""

    source: str
    reference: str
    value: str


@dataclass(frozen=True, slots=True)
class Done:
    """Performed; the answer, where the machine waits for one. `moved`: a registry's alias, by us.

    `follows`: the next step of what is done step by step.
    """

    answer: Answer | None = None
    moved: MoveAlias | None = None
    freed: str | None = None  # a target that was handed back
    follows: HandBack | None = None
    posted: Posted | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """Begun; look again after so many seconds. `why` says what it waits for, where people would ask."""

    after: float
    why: str = ""


def pause(place: Place, age: float = math.inf) -> float:
    """Seconds between two looks at what was begun there `age` seconds ago: sooner while it is young."""
    longest = LOOKS if place.cluster is None else LOOKS_AT_CLUSTER
    return min(longest, max(LOOKS, _LATE * age))


def known_version(parts: Parts, key: str) -> Version:
    """The stored version. Raises `Refused` where there is none."""
    row = parts.store.version(key)
    if row is None:
        raise Refused(f"there is no version {key}")
    return version_of(row)


def with_tail(reason: str, log: str) -> str:
    """The reason, and below it the last lines that were printed."""
    tail = "\n".join(log.strip().splitlines()[-8:])
    return f"{reason}\n{tail}" if tail else reason
