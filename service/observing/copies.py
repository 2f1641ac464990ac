"""What one rollout's judge knows of copied requests: which notes it has heard, and its bins of scores."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from policies.guards.drift import Scored
from policies.guards.paired import Paired
from policies.guards.plan import Plan
from service.observing import shadows
from service.observing.recordings import Recordings
from service.observing.watched import Watched
from service.ports.outcomes import PortError
from service.ports.recordings import Noted
from service.recorder.spool import Note, Pair
from service.store.recorded_rows import Answers

log = structlog.get_logger()
MOST_KEPT = 200_000  # pairs of a release that wait for labels; what comes beyond is judged, and not kept


@dataclass(slots=True)
class Copies:
    """`taken` is the last file of notes that was heard, `stored` the last whose news are stored; `heard` and
    `heard_stored` are the same of recorders that are asked for theirs, by recorder."""

    taken: int = 0
    stored: int = 0
    kept: int = 0
    bounds: tuple[float, ...] = ()  # of the bins of scores, once there were enough to make them
    unsaved: list[Answers] = field(default_factory=list)
    heard: dict[str, int] = field(default_factory=dict)
    heard_stored: dict[str, int] = field(default_factory=dict)
    _early: list[Pair] = field(default_factory=list)  # whose scores wait for the bins

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Copies":
        """As `row` wrote it; older code wrote nothing."""
        taken = int(stored.get("taken", 0))
        heard = {str(name): int(number) for name, number in stored.get("heard", {}).items()}
        copies = cls(taken, taken, int(stored.get("kept", 0)), tuple(stored.get("bounds", ())))
        copies.heard, copies.heard_stored = heard, dict(heard)
        return copies

    def row(self) -> dict[str, Any]:
        """What another observer goes on from."""
        row = {"taken": self.taken, "kept": self.kept, "bounds": list(self.bounds)}
        return row | ({"heard": dict(self.heard)} if self.heard else {})

    def saved(self) -> None:
        """All that was heard is stored."""
        self.stored, self.unsaved = self.taken, []
        self.heard_stored = dict(self.heard)

    def collect(self, recordings: Recordings, noted: Noted | None, one: Watched) -> list[Note]:
        """The notes about the release's target that were not heard yet, from files and from who is asked."""
        notes, self.taken = recordings.of(one.release.target, self.taken)
        return notes + self._asked(noted, one)

    def hear(
        self, notes: Iterable[Note], one: Watched, plan: Plan, sequence: int, at: float
    ) -> list[Paired | Scored]:
        """News for the judge, in the order of their sequences, which begin with that one."""
        found = shadows.of_release(notes, one.release.backend, one.stable, one.release.began)
        if not found.pairs and not found.lost:
            return []
        news: list[Paired | Scored] = [shadows.told(plan, found, sequence, at)]
        for guard in plan.drifts:
            if guard.query is None and (
                scored := self._scored(guard.name, found.pairs, sequence + len(news), at)
            ):
                news.append(scored)
        if any(quality.paired for quality in plan.qualities):
            self._keep(found.pairs)
        return news

    def _asked(self, noted: Noted | None, one: Watched) -> list[Note]:
        """While requests are copied; who does not answer now is asked at the next look."""
        if noted is None or not one.release.copied or one.stable is None:
            return []
        versions = (one.stable, one.release.backend)
        try:
            notes, self.heard = noted.take(one.release.target, versions, self.heard, self.heard_stored)
        except PortError as reason:
            log.warning("the recorder tells nothing", release=one.release.name, reason=str(reason))
            return []
        return notes

    def _scored(self, guard: str, pairs: Iterable[Pair], sequence: int, at: float) -> Scored | None:
        if not self.bounds:
            self._early += [one for one in pairs if one.stable_score is not None]
            self.bounds = shadows.edges([one.stable_score or 0.0 for one in self._early])
            pairs, self._early = self._early, [] if self.bounds else self._early
        return shadows.scored(guard, self.bounds, pairs, sequence, at) if self.bounds else None

    def _keep(self, pairs: Iterable[Pair]) -> None:
        fresh = [Answers(one.request, one.said, one.stable_said) for one in pairs]
        fresh = fresh[: MOST_KEPT - self.kept]
        self.kept += len(fresh)
        self.unsaved += fresh
