"""Shadow, canary and blue/green as one list of steps.

A `Shadow` copies requests to the candidate, whose answers no user sees, until evidence clears it. A `Shift`
moves traffic through its weights; guarded, it goes on only as far as evidence allows; unguarded, only
gates, readiness and preview checks stand behind it, and the record says so. A `Watch` keeps all traffic on
the candidate, with stable still warm, until its time is over.
"""

from dataclasses import dataclass

from policies.spec.declaration import Environment, Strategy


@dataclass(frozen=True, slots=True)
class Shadow:
    """Each request goes to the candidate, too, for `seconds` at least; stable alone answers users."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Shift:
    """Weights in percent, ascending; at least `dwell` seconds at each, None until `promote`."""

    weights: tuple[float, ...]
    dwell: float | None
    guarded: bool


@dataclass(frozen=True, slots=True)
class Watch:
    """All traffic on the candidate for `seconds`, judged by the absolute guard."""

    seconds: float
    guarded: bool


Step = Shadow | Shift | Watch

SWITCH = Shift((100.0,), 0.0, guarded=False)


def plan(environment: Environment, *, first: bool) -> tuple[Step, ...]:
    """The steps of a release; `first`: the target has no stable version to compare with."""
    if environment.strategy is Strategy.NONE:
        return (SWITCH,)
    if first or environment.strategy is Strategy.BLUEGREEN:
        return (SWITCH, Watch(environment.watch, guarded=False))
    if environment.strategy is Strategy.SHADOW:
        return (Shadow(environment.shadow.seconds), *_canary(environment))
    return _canary(environment)


def _canary(environment: Environment) -> tuple[Step, ...]:
    watch = Watch(environment.watch, guarded=True)
    if environment.steps:
        fixed = tuple(Shift((step.weight,), step.hold, guarded=True) for step in environment.steps)
        return (*_up_to_all(fixed), watch)
    return (Shift(environment.ladder, environment.dwell, guarded=True), watch)


def _up_to_all(fixed: tuple[Shift, ...]) -> tuple[Shift, ...]:
    if fixed[-1].weights[-1] == 100.0:
        return fixed
    return (*fixed, Shift((100.0,), 0.0, guarded=True))
