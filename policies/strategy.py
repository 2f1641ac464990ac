"""Shadow, canary and blue/green as one list of steps.

A `Shadow` copies requests to the candidate, whose answers no user sees, until evidence clears it. A `Shift`
moves traffic through its weights; guarded, it goes on only as far as evidence allows; unguarded, only
gates, readiness and preview checks stand behind it, and the record says so. A `Watch` keeps all traffic on
the candidate, with stable still warm, until its time is over.
"""

from dataclasses import dataclass, replace

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
    """All traffic on the candidate, or all but what is held back, for `seconds`; judged by the absolute
    guard, and by the comparisons where a share is held back."""

    seconds: float
    guarded: bool


Step = Shadow | Shift | Watch

SWITCH = Shift((100.0,), 0.0, guarded=False)


def plan(environment: Environment, *, first: bool) -> tuple[Step, ...]:
    """The steps of a release; `first`: the target has no stable version to compare with.

    A share that is held back stays on stable while the rest is watched, and goes over after that.
    """
    if environment.strategy is Strategy.NONE:
        return (SWITCH,)
    most = 100.0 if first else 100.0 * (1.0 - environment.held_back)
    rest = (Shift((100.0,), 0.0, guarded=True),) if most < 100 else ()
    if first or environment.strategy is Strategy.BLUEGREEN:
        return (Shift((most,), 0.0, guarded=False), Watch(environment.watch, guarded=most < 100), *rest)
    if environment.strategy is Strategy.SHADOW:
        return (Shadow(environment.shadow.seconds), *_canary(environment, most), *rest)
    return (*_canary(environment, most), *rest)


def _canary(environment: Environment, most: float) -> tuple[Step, ...]:
    watch = Watch(environment.watch, guarded=True)
    if environment.steps:
        fixed = tuple(Shift((step.weight,), step.hold, guarded=True) for step in environment.steps)
        return (*_up_to(fixed, most), watch)
    ladder = environment.ladder
    if most < 100:
        ladder = (*(weight for weight in ladder if weight < most), most)
    return (Shift(ladder, environment.dwell, guarded=True), watch)


def _up_to(fixed: tuple[Shift, ...], most: float) -> tuple[Shift, ...]:
    """Steps that end at this weight."""
    below = tuple(step for step in fixed if step.weights[-1] < most)
    last = next((step for step in fixed if step.weights[-1] >= most), Shift((most,), 0.0, guarded=True))
    return (*below, last if last.weights[-1] == most else replace(last, weights=(most,)))
