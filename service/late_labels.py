"""From stored labels to what a judge is told of them: joined to the version that answered, hour by hour.

A row names its version as the answer did, or by the workload's own name; a name that is neither the
candidate's nor stable's counts for none of them. An hour that is not over is not told.
"""

from collections.abc import Iterable

from policies.guards import labelled
from policies.guards.labelled import Labelled
from policies.guards.plan import Quality
from policies.guards.state import JudgeState
from policies.place import served_by
from service.labels import HOUR, Cohort
from service.reading import Reading
from service.watched import Watched


def news(
    read: Reading, one: Watched, qualities: Iterable[Quality], state: JudgeState, now: float
) -> list[Labelled]:
    """What is known now for each guard on late labels, of hours since the release began that it has not
    counted; in the order of their sequences, which go on from the state's."""
    found: list[Labelled] = []
    for guard, counted in zip(qualities, state.qualities, strict=True):
        source = _source(one, guard)
        if guard.paired or source is None:
            continue
        since = max(one.release.began // HOUR * HOUR, counted.counted)
        cohorts = read.cohorts(one.release.model, source, since, now)
        told = joined(cohorts, candidate=one.release.backend, stable=one.stable)
        found.append(Labelled(state.sequence + 1 + len(found), now, guard.name, None, told))
    return found


def joined(cohorts: Iterable[Cohort], *, candidate: str, stable: str | None) -> tuple[labelled.Cohort, ...]:
    """Each hour's labels of both versions; hours in which neither has any are left out."""
    mine, theirs = _names(candidate), _names(stable)
    hours: dict[int, list[int]] = {}
    for cohort in cohorts:
        first = 0 if cohort.version in mine else 2 if cohort.version in theirs else None
        if first is not None:
            counts = hours.setdefault(cohort.hour, [0, 0, 0, 0])
            counts[first] += cohort.labels
            counts[first + 1] += cohort.wrong
    return tuple(labelled.Cohort(float(hour + HOUR), *counts) for hour, counts in sorted(hours.items()))


def _names(backend: str | None) -> frozenset[str | None]:
    return frozenset() if backend is None else frozenset({backend, served_by(backend)})


def _source(one: Watched, guard: Quality) -> str | None:
    """The table that the guard of that name reads."""
    return next((g.labels for g in one.release.environment.guards if g.name == guard.name), None)
