"""From stored labels to what a judge is told of them: joined to the version that answered, or to both
versions' answers to the same request.

Of the first, answers of one span of time count together: an hour, or a minute where labels come within
less. A span that is not over is not told. A row names its version as the answer did, or by the workload's
own name; a name that is neither the candidate's nor stable's counts for none of them.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby

from policies.guards import labelled, readings
from policies.guards.counted import Counted, Row
from policies.guards.increment import Arm
from policies.guards.labelled import Labelled, Pairs
from policies.guards.plan import Plan, Quality
from policies.guards.state import JudgeState
from policies.place import served_by
from service.observing.watched import Watched
from service.recorder.answers import digest
from service.store.labels import HOUR, MINUTE, Cohort
from service.store.reading import Reading
from service.store.recorded_rows import Answers
from service.store.series import Series
from service.store.store import Store


def news(read: Reading, one: Watched, plan: Plan, state: JudgeState, now: float) -> list[Labelled | Counted]:
    """What is known now for each guard on late labels, of spans since the release began that it has not
    counted; in the order of their sequences, which go on from the state's."""
    found: list[Labelled | Counted] = [*_together(read, one, plan, state, now)]
    found += _by_segments(read, one, plan, state, now)
    return [replace(what, sequence=state.sequence + 1 + nth) for nth, what in enumerate(found)]


def _together(read: Reading, one: Watched, plan: Plan, state: JudgeState, now: float) -> Iterator[Labelled]:
    for guard, counted in zip(plan.qualities, state.qualities, strict=True):
        source = _source(one, guard)
        if guard.paired or source is None:
            continue
        span = _span(guard)
        since = max(one.release.began // span * span, counted.counted)
        cohorts = read.cohorts(one.release.model, source, since, now, span=span)
        told = joined(cohorts, span, candidate=one.release.backend, stable=one.stable)
        yield Labelled(0, now, guard.name, None, told)


def _by_segments(read: Reading, one: Watched, plan: Plan, state: JudgeState, now: float) -> Iterator[Counted]:
    """Each span once all its labels had their time: it ends then, for who judges segments."""
    qualities = {guard.name: guard for guard in plan.qualities}
    for guard, tests in zip(plan.asked, state.asked, strict=True):
        quality = qualities.get(guard.name) if guard.late else None
        source = None if quality is None else _source(one, quality)
        if quality is None or source is None:
            continue
        span, within = _span(quality), quality.within
        counted = round((tests.at - within) / span) * span
        since = max(one.release.began // span * span, counted)
        cohorts = read.cohorts(one.release.model, source, since, now - within, span=span, apart=True)
        for began, group in groupby(cohorts, key=lambda cohort: cohort.began):
            rows = _rows(group, guard.labels, candidate=one.release.backend, stable=one.stable)
            if rows:
                yield Counted(0, began + span + within, float(span), state.weight, guard.name, rows)


def _rows(
    cohorts: Iterable[Cohort], labels: Iterable[str], *, candidate: str, stable: str | None
) -> tuple[Row, ...]:
    """One span's labels of both versions by each value of each label; who says none has the value ""."""
    hers, its = _names(candidate), _names(stable)
    table: dict[str, list[list[float]]] = {}
    for cohort in cohorts:
        arm = 0 if cohort.version in hers else 1 if cohort.version in its else None
        said = dict(cohort.segments)
        for label in labels if arm is not None else ():
            counts = table.setdefault(f"{label}={said.get(label, '')}", [[0.0, 0.0], [0.0, 0.0]])[arm or 0]
            counts[0] += cohort.labels
            counts[1] += cohort.wrong
    return tuple(
        Row(name, Arm(mine[0], mine[1]), Arm(theirs[0], theirs[1]))
        for name, (mine, theirs) in readings.folded(table).items()
    )


def _span(guard: Quality) -> int:
    """Answers of so many seconds count together."""
    return HOUR if guard.within >= HOUR else MINUTE


def say_who_answered(store: Store, series: Series, one: Watched) -> None:
    """Where rows name the request alone: by what the recorder noted when it was answered."""
    release = one.release
    if not any(guard.by_request for guard in release.environment.guards):
        return
    with store.read() as read:
        requests = read.unassigned(release.model, release.began // HOUR * HOUR)
    found = series.assigned([release.target], requests) if requests else {}
    if found:
        with store.change() as change:
            change.assign_labels(release.model, {r: served_by(backend) for r, backend in found.items()})


def truths(read: Reading, one: Watched, qualities: Iterable[Quality]) -> dict[str, dict[str, str]]:
    """By guard on pairs: the label of each request since the release began of which it is known."""
    return {
        guard.name: dict(read.truths(one.release.model, source, math.floor(one.release.began)))
        for guard in qualities
        if guard.paired and (source := _source(one, guard)) is not None
    }


def judged(labels: Mapping[str, str], pairs: Mapping[str, Answers], key: bytes) -> Pairs:
    """Of the labelled requests that were copied, how many only one version got wrong, or both."""
    wrong = [
        (_is_wrong(one.said, truth, key), _is_wrong(one.stable_said, truth, key))
        for request, truth in labels.items()
        if (one := pairs.get(request)) is not None and one.said is not None and one.stable_said is not None
    ]
    return Pairs(
        len(wrong), wrong.count((True, False)), wrong.count((False, True)), wrong.count((True, True))
    )


def paired_news(
    qualities: Iterable[Quality], state: JudgeState, guard: str, now_known: Pairs, at: float
) -> Labelled | None:
    """What came since the judge heard last; None where that is nothing."""
    counted = next(s for q, s in zip(qualities, state.qualities, strict=True) if q.name == guard)
    fresh = Pairs(
        now_known.pairs - counted.labels,
        now_known.only_candidate - counted.wrong,
        now_known.only_stable - counted.stable_wrong,
        now_known.both_wrong - counted.both_wrong,
    )
    if fresh.pairs <= 0 or min(fresh.only_candidate, fresh.only_stable, fresh.both_wrong) < 0:
        return None
    return Labelled(state.sequence + 1, at, guard, fresh)


def _is_wrong(said: str | None, truth: str, key: bytes) -> bool:
    return said not in {truth, digest(truth, key)}


def joined(
    cohorts: Iterable[Cohort], span: int, *, candidate: str, stable: str | None
) -> tuple[labelled.Cohort, ...]:
    """Each span's labels of both versions; spans in which neither has any are left out."""
    mine, theirs = _names(candidate), _names(stable)
    spans: dict[int, list[int]] = {}
    for cohort in cohorts:
        first = 0 if cohort.version in mine else 2 if cohort.version in theirs else None
        if first is not None:
            counts = spans.setdefault(cohort.began, [0, 0, 0, 0])
            counts[first] += cohort.labels
            counts[first + 1] += cohort.wrong
    return tuple(labelled.Cohort(float(began + span), *counts) for began, counts in sorted(spans.items()))


def _names(backend: str | None) -> frozenset[str | None]:
    return frozenset() if backend is None else frozenset({backend, served_by(backend)})


def _source(one: Watched, guard: Quality) -> str | None:
    """The table that the guard of that name reads."""
    return next((g.labels for g in one.release.environment.guards if g.name == guard.name), None)
