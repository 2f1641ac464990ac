"""What performing an effect came to, and the little that every kind of effect needs."""

from dataclasses import dataclass

from policies.effects import MoveAlias
from policies.events import (
    Adopted,
    BuildFinished,
    CheckFinished,
    EffectFailed,
    EvaluationFinished,
    ImageTrusted,
    Tick,
    TrafficObserved,
    WorkloadReady,
)
from policies.place import Place
from policies.version import Version
from service.bootstrap import Parts
from service.ports.outcomes import Refused
from service.states import version_of

Answer = (
    BuildFinished
    | ImageTrusted
    | EvaluationFinished
    | WorkloadReady
    | Adopted
    | CheckFinished
    | TrafficObserved
    | EffectFailed
    | Tick
)
LOOKS = 0.1  # seconds between two looks at what was begun on this machine
LOOKS_AT_CLUSTER = 0.5  # each is a few calls of a server that everybody shares


@dataclass(frozen=True, slots=True)
class Done:
    """Performed; the answer, where the machine waits for one. `moved`: a registry's alias, by us."""

    answer: Answer | None = None
    moved: MoveAlias | None = None
    freed: str | None = None  # a target that was handed back


@dataclass(frozen=True, slots=True)
class Again:
    """Begun; look again after so many seconds. `why` says what it waits for, where people would ask."""

    after: float
    why: str = ""


def pause(place: Place) -> float:
    """Seconds between two looks at what was begun there."""
    return LOOKS if place.cluster is None else LOOKS_AT_CLUSTER


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
