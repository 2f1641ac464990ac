"""Asks metric sources for the guards that name a query or segments, and tells what each version gained.

One question serves all rollouts that ask it at about the same time, and a source that does not answer is left
alone for a while: the process that asks also scrapes routers. Cuts are kept in memory alone; whoever comes
next begins a new interval. What comes out is news for judges; nothing is judged here.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from policies.guards import asking
from policies.guards.asking import Moment
from policies.guards.counted import Counted
from policies.guards.drift import Scored
from policies.guards.readings import Cut, Series, Versions
from policies.place import served_by
from policies.spec.declaration import Guard, GuardKind
from policies.spec.selector import Selector
from service.bootstrap import Parts
from service.observing.watched import Watched
from service.ports.metrics import FAILED, REQUESTS, VERSION
from service.ports.outcomes import PortError, Retry

SECONDS = 5.0  # between two questions; sources scrape as seldom
AWAY_SECONDS = 20.0  # for which a source that did not answer is not asked
KINDS = frozenset({GuardKind.QUERY, GuardKind.DRIFT})

Answer = tuple[Series, ...] | str


def asked(guards: Iterable[Guard]) -> list[Guard]:
    """The guards that are fed here. The router's errors, split by its labels, are a query of their own."""
    return [
        one if one.query is not None else replace(one, query=FAILED, of=REQUESTS, version=VERSION)
        for one in guards
        if (one.kind in KINDS and one.query is not None) or (one.kind is GuardKind.ERRORS and one.segments)
    ]


def versions(one: Watched, label: str) -> Versions:
    """What a label may say of the candidate and of stable: the workload's name, or what its answers say."""
    return Versions(label, _names(one.release.backend), _names(one.stable))


def _names(backend: str | None) -> frozenset[str]:
    """In a cluster a workload is `service.namespace`, and its pods know the first part alone."""
    if backend is None:
        return frozenset()
    return frozenset({backend, served_by(backend), backend.partition(".")[0]})


@dataclass(slots=True)
class Counting:
    """Where each guard's counting stands."""

    parts: Parts
    clock: Callable[[], float]
    _cuts: dict[tuple[str, str], Cut] = field(default_factory=dict)
    _answers: dict[tuple[str, str], tuple[float, Answer]] = field(default_factory=dict)
    _away: dict[str, float] = field(default_factory=dict)

    def keep(self, names: frozenset[str]) -> None:
        """Forget all releases but these."""
        for key in [key for key in self._cuts if key[0] not in names]:
            del self._cuts[key]

    def news(
        self, one: Watched, guards: Sequence[Guard], *, moved: float, after: int, fresh: bool = False
    ) -> list[Counted | Scored]:
        """What there is to tell, in the order of sequences that go on from `after`.

        `moved`: since when the weight has not moved, by this clock. `fresh`: what the router said a moment
        ago is not good enough.
        """
        found: list[Counted | Scored] = []
        release = one.release
        moving = math.inf if release.wanted != release.observed else moved
        for guard in guards:
            now = self.clock()
            moment = Moment(now, release.observed, moving, after + 1 + len(found))
            key = (release.name, guard.name)
            answer = self._answer(one, guard, now, fresh=fresh)
            cut, what = asking.look(guard, self._cuts.get(key), answer, versions(one, guard.version), moment)
            if cut is not None:
                self._cuts[key] = cut
            if what is not None:
                found.append(what)
        return found

    def _answer(self, one: Watched, guard: Guard, now: float, *, fresh: bool) -> Answer:
        """The series, or why there are none; one answer serves for a while."""
        router = guard.query == FAILED and guard.source is None and guard.kind is GuardKind.ERRORS
        source = f"router:{one.release.place.cluster or ''}" if router else f"source:{guard.source or ''}"
        wanted = asking.selectors(guard)
        # Who may ask is told by the target, so targets share an answer only where they share a model.
        what = f"{one.release.target}: {' '.join(map(str, wanted))} {' '.join(guard.segments)}"
        key = (source, what) if not router else (source, " ".join(guard.segments))
        known = self._answers.get(key)
        if known is not None and 0 <= now - known[0] < SECONDS and not (fresh and router):
            return known[1]
        if 0 <= now - self._away.get(source, -math.inf) < AWAY_SECONDS and known is not None:
            return known[1]
        try:
            answer: Answer = self._ask(one, guard, wanted, now, router=router)
        except PortError as reason:
            answer = str(reason)
            if isinstance(reason, Retry):
                self._away[source] = now
        self._answers = {k: v for k, v in self._answers.items() if now - v[0] < 60 * SECONDS}
        self._answers[key] = (now, answer)
        return answer

    def _ask(
        self, one: Watched, guard: Guard, wanted: Sequence[Selector], now: float, *, router: bool
    ) -> tuple[Series, ...]:
        if router:
            return self.parts.at(one.release.place).metrics.split(guard.segments)
        return self.parts.counters(guard.source, one.release.target).read(wanted, now)
