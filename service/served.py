"""What each version has served so far: added up in memory, stored now and then; limits are made of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from policies.guards.plan import History
from service.ports.metrics import Counters, Sample
from service.series import Held, Series, Served
from service.watched import Scene, Watched

FLUSH_SECONDS = 10.0
SPAN = 3600.0  # what is served within it is one row
KEPT = 14 * 86_400.0
NOTHING = Counters(0.0, 0.0)


@dataclass(slots=True)
class ServedSoFar:
    """The counts of one process that are not stored yet."""

    series: Series
    _counts: dict[tuple[str, str], Counters] = field(default_factory=dict)  # by target and backend
    _flushed: float = 0.0

    def history(self, one: Watched) -> History | None:
        """What stable served on this target so far; None for a first release."""
        if one.stable is None:
            return None
        stored = self.series.history(one.release.target, one.stable)
        fresh = self._counts.get((one.release.target, one.stable), NOTHING)
        requests = fresh.requests + sum(s.requests for s in stored)
        return History(requests, fresh.errors + sum(s.errors for s in stored)) if requests > 0 else None

    def add(self, held: Held, scene: Scene, before: Sample | None, sample: Sample) -> None:
        """Count what was served between two readings of one place."""
        if before is None or before.started != sample.started:
            return
        past, counts = dict(before.backends), dict(sample.backends)
        for key in _serving(scene):
            gained = _gained(past.get(key[1]), counts.get(key[1]))
            if gained is not None and gained.requests > 0:
                known = self._counts.get(key, NOTHING)
                self._counts[key] = Counters(known.requests + gained.requests, known.errors + gained.errors)
        if sample.at - self._flushed >= FLUSH_SECONDS:
            self._flush(held, sample.at)

    def _flush(self, held: Held, at: float) -> None:
        self._flushed = at
        if not self._counts:
            return
        with self.series.change(held) as change:
            for (target, backend), counts in self._counts.items():
                change.add_history(Served(target, backend, at - at % SPAN, counts.requests, counts.errors))
            change.forget_history(at - KEPT)
        self._counts.clear()


def _serving(scene: Scene) -> Iterable[tuple[str, str]]:
    """Each target's versions that have users: stable, and the candidate."""
    stable = {(t.name, t.stable.backend) for t in scene.targets if t.stable is not None}
    return stable | {(one.release.target, one.release.backend) for one in scene.watched}


def _gained(before: Counters | None, after: Counters | None) -> Counters | None:
    """The difference of two readings; None where it makes no sense."""
    if after is None:
        return None
    past = before or NOTHING
    requests, errors = after.requests - past.requests, after.errors - past.errors
    return Counters(requests, errors) if requests >= errors >= 0 else None
