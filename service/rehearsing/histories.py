"""A metric source's history as recorded intervals: what a judge would have been fed, had it watched then.

Cumulative counters at the ends of intervals become what each version gained, by the same rules as in a
running rollout: a restart, a counter that is gone or a sample that is none is a gap with its reason. The
weight is the share that was seen; nobody says what it should have been.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from policies.guards import asking, readings
from policies.guards.asking import Moment
from policies.guards.counted import Counted, Row
from policies.guards.fed import Fed
from policies.guards.heartbeat import Alive
from policies.guards.increment import Arm, Gap, Increment, checked
from policies.guards.readings import Cut, Gained, Series, Versions
from policies.guards.trail import Recorded
from policies.spec.declaration import Environment, Guard, GuardKind
from policies.spec.selector import Selector
from service.observing import counting
from service.ports.counts import CounterHistory

MOST_INTERVALS = 20_000
AT_ONCE = 5_000  # values of one series in one question: a Prometheus tells 11,000
AT_ONCE_OF_BUCKETS = 100  # where a value may be a native histogram's buckets, some 10 kB of them


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked at: failed and all requests of two versions, their durations' buckets if there are any,
    and from when to when (Unix seconds), in intervals of `step` seconds."""

    bad: Selector
    all: Selector
    buckets: Selector | None
    versions: Versions
    since: float
    until: float
    step: float

    @property
    def ends(self) -> list[float]:
        """The intervals' ends; the first is only a beginning."""
        count = int((self.until - self.since) / self.step)
        return [self.since + number * self.step for number in range(count + 1)]


def recorded(source: CounterHistory, wanted: Wanted, environment: Environment) -> Recorded:
    """The intervals, with the counters of the policy's own guards between them.

    Raises `Retry` and `Refused` as the source does, `ValueError` for too many intervals or too few.
    """
    ends = wanted.ends
    if not 2 <= len(ends) <= MOST_INTERVALS:
        raise ValueError(f"that is {len(ends) - 1} intervals; 1 to {MOST_INTERVALS} can be judged")
    series = _history(source, _selectors(wanted), wanted)
    guards = counting.asked(environment.guards)
    own = [_own(one, wanted) for one in guards]
    beside = {
        one.name: _history(source, asking.selectors(one), wanted) if one.query != str(wanted.bad) else series
        for one in own
    }
    seen = tuple((what, Alive()) for what in _intervals(wanted, ends, series, own, beside))
    return Recorded(None, ends[0], 0, seen)


def _selectors(wanted: Wanted) -> tuple[Selector, ...]:
    return tuple(one for one in (wanted.bad, wanted.all, wanted.buckets) if one is not None)


def _own(guard: Guard, wanted: Wanted) -> Guard:
    """The router's errors by a label are those of the counters that are looked at."""
    if guard.kind is not GuardKind.ERRORS:
        return guard
    return replace(guard, query=str(wanted.bad), of=str(wanted.all), version=wanted.versions.label)


def _history(source: CounterHistory, selectors: Sequence[Selector], wanted: Wanted) -> tuple[Series, ...]:
    """All values, asked for piece by piece."""
    points: dict[readings.Key, dict[float, float]] = {}
    bucket = any(one.name.endswith("_bucket") for one in selectors)
    at_once = AT_ONCE_OF_BUCKETS if bucket else AT_ONCE
    since = wanted.since
    while since <= wanted.until:
        until = min(wanted.until, since + at_once * wanted.step)
        for one in source.history(selectors, since, until, wanted.step):
            points.setdefault(one.key, {}).update(one.points)
        since = until + wanted.step
    return tuple(Series(*key, tuple(sorted(known.items()))) for key, known in points.items())


@dataclass(slots=True)
class _Walk:
    """Series at one moment after the other; asked in order, each is gone through once."""

    series: Sequence[Series]
    _values: Mapping[readings.Key, dict[float, float]]

    @classmethod
    def of(cls, series: Sequence[Series]) -> "_Walk":
        return cls(series, {one.key: dict(one.points) for one in series})

    def at(self, moment: float) -> tuple[Series, ...]:
        """Each series with its value at that moment, where it has one."""
        return tuple(
            Series(one.name, one.labels, ((moment, value),))
            for one in self.series
            if (value := self._values[one.key].get(moment)) is not None
        )


def _intervals(
    wanted: Wanted,
    ends: Sequence[float],
    series: Sequence[Series],
    guards: Sequence[Guard],
    beside: Mapping[str, Sequence[Series]],
) -> Iterator[Fed]:
    walk = _Walk.of(series)
    walks = {one.name: _Walk.of(beside[one.name]) for one in guards}
    cuts: dict[str, Cut | None] = {}
    before: Cut | None = None
    sequence, weight = 0, 0.0
    for end in ends:
        now = walk.at(end)
        cut = readings.cut(now, end)
        if before is not None or isinstance(cut, str):
            what = _interval(wanted, before, now, cut, (sequence, end))
            yield what
            sequence += 1
            weight = what.weight if isinstance(what, Increment) else 0.0
        for guard in guards:
            versions = replace(wanted.versions, label=guard.version)
            moment = Moment(end, weight, 0.0, sequence)
            cuts[guard.name], news = asking.look(
                guard, cuts.get(guard.name), walks[guard.name].at(end), versions, moment
            )
            if news is not None and not (isinstance(news, Counted) and news.gap == asking.FIRST):
                yield news
                sequence += 1
        before = before if isinstance(cut, str) else cut


def _interval(
    wanted: Wanted, before: Cut | None, now: Sequence[Series], cut: Cut | str, number: tuple[int, float]
) -> Increment | Gap:
    """One interval; `number` is its place in the order, and when it ended."""
    if isinstance(cut, str) or before is None:
        return Gap(*number, cut if isinstance(cut, str) else asking.FIRST, silent=False)
    found = readings.unnamed(now, wanted.versions) or _counted(wanted, before, now, cut)
    if isinstance(found, str):
        return Gap(*number, found, silent=False)
    row, bounds = found
    total = row.candidate.requests + row.stable.requests
    weight = 100 * row.candidate.requests / total if total > 0 else 0.0
    beside = row.stable if weight < 100 else None
    return checked(Increment(*number, cut.at - before.at, weight, row.candidate, beside, bounds))


def _counted(
    wanted: Wanted, before: Cut, now: Sequence[Series], cut: Cut
) -> tuple[Row, tuple[float, ...]] | str:
    """Both versions' requests, with the bounds of their buckets; or why that cannot be told."""
    gained = readings.gained(before, now, cut)
    if isinstance(gained, str):
        return gained
    told = readings.rows(_of(wanted.bad, gained), _of(wanted.all, gained), wanted.versions, ())
    if isinstance(told, str) or wanted.buckets is None:
        return told if isinstance(told, str) else (told[0], ())
    found = readings.buckets(_of(wanted.buckets, gained), wanted.versions)
    if isinstance(found, str):
        return found
    bounds, (timed, *_) = found
    return Row("", _timed(told[0].candidate, timed.candidate), _timed(told[0].stable, timed.stable)), bounds


def _of(one: Selector, gained: Gained) -> Gained:
    chosen = tuple(pair for pair in gained.counts if one.fits(pair[0].name, dict(pair[0].labels)))
    return Gained(gained.at, gained.seconds, chosen)


def _timed(arm: Arm, durations: Arm) -> Arm:
    return Arm(arm.requests, arm.errors, durations.buckets)
