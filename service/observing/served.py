"""What each version has served so far: added up in memory, stored now and then; limits are made of it.

Of what stable serves, each block of five minutes is kept as well (`policies.guards.stretch`), for a day: from
those noise is learned.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from policies.guards import learning, stretch
from policies.guards.increment import Gap, Increment, difference
from policies.guards.noise import Noise
from policies.guards.plan import History
from policies.guards.stretch import Gathering
from service.observing.watched import Scene, Watched
from service.ports.metrics import Counters, Sample
from service.store.series import Held, Series, Served, Stretch

FLUSH_SECONDS = 10.0
SPAN = 3600.0  # what is served within it is one row
KEPT = 14 * 86_400.0
LEARNED = 86_400.0  # noise is learned from so long
PAST = 3600.0  # ... and how long requests take, from so long
NOTHING = Counters(0.0, 0.0)

Key = tuple[str, str]  # a target and a backend


@dataclass(slots=True)
class ServedSoFar:
    """The counts of one process that are not stored yet."""

    series: Series
    _counts: dict[Key, Counters] = field(default_factory=dict)
    _open: dict[Key, Gathering] = field(default_factory=dict)
    _ended: list[Stretch] = field(default_factory=list)
    _flushed: float = 0.0

    def history(self, one: Watched) -> History | None:
        """What stable served on this target so far; None for a first release."""
        if one.stable is None:
            return None
        stored = self.series.history(one.release.target, one.stable)
        fresh = self._counts.get((one.release.target, one.stable), NOTHING)
        requests = fresh.requests + sum(s.requests for s in stored)
        if not requests > 0:
            return None
        errors = fresh.errors + sum(s.errors for s in stored)
        rows = [row for row in self._stretches(one, PAST) if row.version == one.stable]
        buckets, bounds = stretch.pooled(stretch.from_json(row.at, row.body) for row in rows)
        return History(requests, errors, buckets, bounds)

    def noise(self, one: Watched) -> dict[str, Noise]:
        """The noise of each betting guard; provisional where too little was served on this target."""
        rows = itertools.groupby(self._stretches(one, LEARNED), key=lambda row: row.version)
        alone = [[stretch.from_json(row.at, row.body) for row in version] for _, version in rows]
        return learning.learn(one.release.environment.guards, alone=alone)

    def _stretches(self, one: Watched, seconds: float) -> list[Stretch]:
        """The blocks of this target that ended within so many seconds before the newest reading."""
        fresh = [row for row in self._ended if row.target == one.release.target]
        stored = self.series.stretches(one.release.target, self._flushed - seconds)
        return sorted([*stored, *fresh], key=lambda row: (row.version, row.at))

    def add(
        self,
        held: Held,
        scene: Scene,
        before: Sample | None,
        sample: Sample,
        intervals: Mapping[Key, Increment],
    ) -> None:
        """Count what was served between two readings of one place. `intervals`: what they come to for a
        stable version, where that was worked out already."""
        if before is None or before.started != sample.started:
            return
        for key in _serving(scene):
            gained = _gained(before.named.get(key[1]), sample.named.get(key[1]))
            if gained is not None and gained.requests > 0:
                known = self._counts.get(key, NOTHING)
                self._counts[key] = Counters(known.requests + gained.requests, known.errors + gained.errors)
        stable = _stable(scene)
        for key in stable:
            self._gather(key, intervals.get(key) or _interval(key[1], before, sample))
        for key in [key for key in self._open if key not in stable and key[0] in _names(scene)]:
            del self._open[key]
        if sample.at - self._flushed >= FLUSH_SECONDS:
            self._flush(held, sample.at)

    def _gather(self, key: Key, what: Increment | Gap) -> None:
        """One interval of a stable version, for its noise; a gap is no interval."""
        if not isinstance(what, Increment):
            return
        target, backend = key
        known, ended = stretch.gather(self._open.get(key) or stretch.start(what.at), what)
        self._open[key] = known
        if ended is not None:
            self._ended.append(Stretch(target, backend, ended.at, stretch.to_json(ended)))

    def _flush(self, held: Held, at: float) -> None:
        self._flushed = at
        if not self._counts:
            return
        with self.series.change(held) as change:
            change.add_history(
                Served(target, backend, at - at % SPAN, counts.requests, counts.errors)
                for (target, backend), counts in self._counts.items()
            )
            change.add_stretches(self._ended)
            change.forget_history(at - KEPT)
            change.forget_stretches(at - LEARNED)
        self._counts.clear()
        self._ended.clear()


def _interval(backend: str, before: Sample, sample: Sample) -> Increment | Gap:
    return difference(before, sample, candidate=backend, stable=None, weight=100.0, sequence=0)


def _serving(scene: Scene) -> Iterable[Key]:
    """Each target's versions that have users: stable, and the candidate."""
    return _stable(scene) | {(one.release.target, one.release.backend) for one in scene.watched}


def _stable(scene: Scene) -> set[Key]:
    return {(t.name, t.stable.backend) for t in scene.targets if t.stable is not None}


def _names(scene: Scene) -> set[str]:
    return {t.name for t in scene.targets}


def _gained(before: Counters | None, after: Counters | None) -> Counters | None:
    """The difference of two readings; None where it makes no sense."""
    if after is None:
        return None
    past = before or NOTHING
    requests, errors = after.requests - past.requests, after.errors - past.errors
    return Counters(requests, errors) if requests >= errors >= 0 else None
