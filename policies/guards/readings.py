"""From raw samples of counters to what each version gained between two moments; or why that cannot be said.

A reading holds every series that a guard selects, with its newest samples. Each series is cut at one
moment, the newest that all living ones have reached, and the differences are taken here, series by series,
before anything is added up: a rate that a database computed has lost the first increment and hides a
restart. Nothing is filled in, and no number is made of a strange one: a counter that went back, an old
sample, one from the future, a series that comes twice or a version that nobody counts is a reason, and the
interval then says nothing of either version.

A new series counts from zero where its process was counted before (a counter with a label appears with the
first thing that it counts), and otherwise only from its first sample on: what came before is not known.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from policies.guards.counted import Row, others
from policies.guards.increment import Arm, wrong_with

MOST_SERIES = 5_000
MOST_VALUES = 200  # of all labels together, in one interval
OLD = 90.0  # seconds after which a sample is old, where nothing tells how often samples come
LEAST_OLD = 30.0
LATE = 2.5  # usual steps between samples after which a series is not alive any more
AHEAD = 5.0  # seconds by which a sample's clock may be before ours
_PROCESS = frozenset({"job", "instance", "pod", "container", "namespace"})
Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Series:
    """One counter: its name, its labels by name, and its samples (Unix seconds, count), oldest first."""

    name: str
    labels: tuple[tuple[str, str], ...]
    points: tuple[tuple[float, float], ...]

    @property
    def key(self) -> Key:
        return self.name, self.labels

    @property
    def process(self) -> tuple[tuple[str, str], ...]:
        """What tells one counting process from another."""
        return tuple(pair for pair in self.labels if pair[0] in _PROCESS)


@dataclass(frozen=True, slots=True)
class Cut:
    """All living series at one moment: what each had counted by then. `away`: what others had, and when."""

    at: float
    values: Mapping[Key, float]
    processes: frozenset[tuple[tuple[str, str], ...]]
    away: Mapping[Key, tuple[float, float]] = field(default_factory=dict)

    @property
    def known(self) -> dict[Key, tuple[float, float]]:
        """What each series had when it was last seen: the moment, and the count."""
        return {**self.away, **{key: (self.at, value) for key, value in self.values.items()}}


@dataclass(frozen=True, slots=True)
class Gained:
    """What each series counted between two cuts."""

    at: float
    seconds: float
    counts: tuple[tuple[Series, float], ...]


def cut(series: Sequence[Series], now: float) -> Cut | str:
    """The newest moment that every living series has reached, or why there is none."""
    wrong = _wrong_with(series, now)
    if wrong is not None:
        return wrong
    newest = max(one.points[-1][0] for one in series)
    step = _step(series)
    limit = OLD if step is None else max(LEAST_OLD, LATE * step)
    if now - newest > limit:
        return (
            f"its newest sample is {now - newest:.0f} s old; more than {limit:.0f} s says nothing about now"
        )
    living = [one for one in series if newest - one.points[-1][0] <= limit]
    at = min(one.points[-1][0] for one in living)
    values = {one.key: value for one in living if (value := _value_at(one, at)) is not None}
    return Cut(at, values, frozenset(one.process for one in living if one.key in values))


def came_late(before: Cut, after: Cut) -> bool:
    """Whether this is an answer of before, as of a server that is behind: to go on from it would count what
    came since twice. Where a clock was set back instead, the counters went on."""
    known = before.known
    return any(
        after.at < known[key][0] and value < known[key][1]
        for key, value in after.values.items()
        if key in known
    )


def following(before: Cut, after: Cut) -> Cut:
    """The later cut, which also knows of the series that it has not what the earlier one knew."""
    away = [(key, seen) for key, seen in before.known.items() if key not in after.values]
    return replace(after, away=dict(away[-MOST_SERIES:]))


def gained(before: Cut, series: Sequence[Series], after: Cut) -> Gained | str:
    """What each series counted from one cut to the next, or why that cannot be told."""
    if not after.at > before.at:
        return "its samples are not in order of time"
    seen = {one.key for one in series}
    for key in before.values.keys() - seen:
        process = tuple(pair for pair in key[1] if pair[0] in _PROCESS)
        if process in after.processes:
            return f"a counter is gone, though its process is there: {_named(key)}"
    counts = []
    for one in series:
        more = _more(before, one, after.at)
        if isinstance(more, str):
            return more
        counts.append((one, more))
    return Gained(after.at, after.at - before.at, tuple(counts))


def _more(before: Cut, one: Series, until: float) -> float | str:
    """What one series counted. Raises nothing; a counter that went back is a reason."""
    points = [value for at, value in one.points if before.at < at <= until]
    start = before.values.get(one.key)
    if start is None:
        if not points:
            return 0.0
        start = 0.0 if one.process in before.processes else points[0]
    for earlier, later in itertools.pairwise([start, *points]):
        if later < earlier:
            return f"a counter went back, its process began anew: {_named(one.key)}"
    return (points[-1] if points else start) - start


def _wrong_with(series: Sequence[Series], now: float) -> str | None:
    if not series:
        return "nothing there fits the query"
    if len(series) > MOST_SERIES:
        return f"{len(series)} series fit the query, at most {MOST_SERIES} are read; narrow it by its labels"
    keys = [one.key for one in series]
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        return f"a series comes twice: {_named(twice)}"
    for one in series:
        if not one.points:
            return f"a series has no sample: {_named(one.key)}"
        times = [at for at, _ in one.points]
        if not all(math.isfinite(at) for at in times) or times != sorted(set(times)):
            return f"its samples are not in order of time: {_named(one.key)}"
        if not all(math.isfinite(value) and value >= 0 for _, value in one.points):
            return f"a sample is no count: {_named(one.key)}"
        if times[-1] > now + AHEAD:
            return (
                f"its newest sample is {times[-1] - now:.0f} s in the future; look at both machines' clocks"
            )
    return None


def _step(series: Iterable[Series]) -> float | None:
    """The usual time between two samples; None where each series has but one."""
    steps = [b[0] - a[0] for one in series for a, b in itertools.pairwise(one.points)]
    return median(steps) if steps else None


def _value_at(one: Series, at: float) -> float | None:
    known = [value for moment, value in one.points if moment <= at]
    return known[-1] if known else None


def _named(key: Key) -> str:
    name, labels = key
    return f"{name}{{{','.join(f'{label}={value}' for label, value in labels)}}}"[:160]


# --- rows of versions ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Versions:
    """Which values of the label `label` name the candidate and stable (empty: stable serves nothing)."""

    label: str
    candidate: frozenset[str]
    stable: frozenset[str]

    def arm(self, series: Series) -> int | None:
        """0: the candidate's; 1: stable's; None: nobody's who is compared."""
        said = dict(series.labels).get(self.label)
        return None if said is None else 0 if said in self.candidate else 1 if said in self.stable else None


def unnamed(series: Iterable[Series], versions: Versions) -> str | None:
    """Why no series can be told to be of one of the versions; None if one can."""
    known = set[str]()
    for one in series:
        said = dict(one.labels).get(versions.label)
        if said is None:
            labels = ", ".join(label for label, _ in one.labels) or "none"
            return (
                f"a series has no label `{versions.label}` that names the version; its labels are {labels}."
                " Write `version:` with the right one"
            )
        known.add(said)
    if known & (versions.candidate | versions.stable):
        return None
    said, wanted = ", ".join(sorted(known)[:5]), " or ".join(sorted(versions.stable | versions.candidate)[:4])
    return f"no series is of these versions: `{versions.label}` says {said}, not {wanted}"


def rows(
    bad: Gained, total: Gained, versions: Versions, segments: Sequence[str], *, good: bool = False
) -> tuple[Row, ...] | str:
    """Bad and all things of both versions: all together first, then by each value of each label.

    `good`: the first counter counts good things; the bad ones are the rest.
    """
    table: dict[str, list[list[float]]] = {"": [[0.0, 0.0], [0.0, 0.0]]}
    for column, part in ((1, bad), (0, total)):
        for one, count in part.counts:
            arm = versions.arm(one)
            if arm is not None:
                for name in _segments(one, segments):
                    table.setdefault(name, [[0.0, 0.0], [0.0, 0.0]])[arm][column] += count
    found = []
    for name, arms in folded(table).items():
        mine, theirs = (Arm(n, n - x if good else x) for n, x in arms)
        wrong = wrong_with(mine) or wrong_with(theirs)
        if wrong is not None:
            words = {"more errors than requests": "more bad things than things", "a counter went back": ""}
            told = words.get(wrong, wrong) or "more good things than things"
            return f"{told}{f' in {name}' if name else ''}: is `of` the total of what `query` counts?"
        if name == "" or mine.requests + theirs.requests > 0:  # a value that nobody has now is no row
            found.append(Row(name, mine, theirs))
    return tuple(found)


def folded(table: dict[str, list[list[float]]]) -> dict[str, list[list[float]]]:
    """(all things, bad ones) of both versions by segment: of a label with very many values the largest alone;
    which those are does not depend on bad things."""
    if len(table) <= MOST_VALUES:
        return table
    ranked = sorted(table, key=lambda name: (name != "", -table[name][0][0] - table[name][1][0], name))
    kept = {name: table[name] for name in ranked[:MOST_VALUES]}
    for name in ranked[MOST_VALUES:]:
        rest = kept.setdefault(others(name), [[0.0, 0.0], [0.0, 0.0]])
        for arm, counts in enumerate(table[name]):
            rest[arm] = [a + b for a, b in zip(rest[arm], counts, strict=True)]
    return kept


def buckets(
    counted: Gained, versions: Versions, segments: Sequence[str] = ()
) -> tuple[tuple[float, ...], tuple[Row, ...]] | str:
    """A histogram's bounds, and both versions' counts per bucket; the same buckets on both sides."""
    table: dict[tuple[str, int], dict[float, float]] = {}
    for one, count in counted.counts:
        arm = versions.arm(one)
        if arm is None:
            continue
        bound = _bound(dict(one.labels).get("le", ""))
        if bound is None:
            return "a bucket has no bound (`le`); is it a histogram's `…_bucket`?"
        for name in _segments(one, segments):
            counts = table.setdefault((name, arm), {})
            counts[bound] = counts.get(bound, 0.0) + count
    bounds = {tuple(sorted(counts)) for counts in table.values()}
    if len(bounds) > 1:
        return "the two versions are measured in different buckets; give both the same"
    if not bounds or (edges := bounds.pop())[-1] != math.inf or len(edges) < 2:
        return "its buckets lack the bound +Inf, or there is but one"
    found = []
    for name in dict.fromkeys(name for name, _ in table):
        arms = [_durations(table.get((name, arm), dict.fromkeys(edges, 0.0)), edges) for arm in (0, 1)]
        if any(wrong_with(arm) for arm in arms):
            return "its buckets are not cumulative"
        found.append(Row(name, *arms))
    return edges[:-1], tuple(found)


def _durations(counts: Mapping[float, float], edges: Sequence[float]) -> Arm:
    cumulative = [counts[edge] for edge in edges]
    each = tuple(b - a for a, b in itertools.pairwise([0.0, *cumulative]))
    return Arm(cumulative[-1], 0.0, each)


def _bound(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return None if math.isnan(value) else value


def _segments(one: Series, labels: Sequence[str]) -> Iterable[str]:
    said = dict(one.labels)
    yield ""
    for label in labels:
        yield f"{label}={said.get(label, '')[:60]}"
