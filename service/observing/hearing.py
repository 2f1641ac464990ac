"""What is heard of a rollout beside the router's counters: copies, late labels, counters asked for."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from service.bootstrap import Parts
from service.observing import counting, late_labels
from service.observing.counting import Counting
from service.observing.judged import Judged
from service.observing.recordings import Recordings
from service.observing.watched import Watched
from service.ports.outcomes import PortError
from service.ports.recordings import Noted
from service.store.series import Series

LABELS_SECONDS = 30.0  # between two looks for labels; they come late anyway


@dataclass(slots=True)
class Hearing:
    """Feeds each judge what its plan wants of it, as often as that is worth it."""

    parts: Parts
    series: Series
    recordings: Recordings
    clock: Callable[[], float]
    _counting: Counting = field(init=False)

    def __post_init__(self) -> None:
        self._counting = Counting(self.parts, self.clock)

    def keep(self, names: frozenset[str]) -> None:
        """Forget the counters of all releases but these."""
        self._counting.keep(names)

    def hear(self, one: Watched, known: Judged, looked: float, found: tuple[str, ...]) -> None:
        """What comes from elsewhere. `found`: the harm that there was before this look."""
        plan = known.judge.plan
        if plan.shadows:
            self._hear_copies(one, known, looked)
        if plan.qualities and not 0 <= looked - known.labelled_at < LABELS_SECONDS:
            known.labelled_at = looked
            self._hear_labels(one, known)
        harmed = known.state.harm != found  # then it is also told where, before anybody acts on it
        due = not 0 <= looked - known.counted_at < counting.SECONDS
        if (plan.asked or plan.drifts) and (due or harmed):
            fresh = harmed or math.isinf(known.counted_at)
            known.counted_at = looked
            self._hear_counters(one, known, fresh=fresh)

    def _hear_copies(self, one: Watched, known: Judged, now: float) -> None:
        plan, sequence = known.judge.plan, known.state.sequence + 1
        notes = known.copies.collect(self.recordings, self._noted(one), one)
        for what in known.copies.hear(notes, one, plan, sequence, now):
            known.feed(what, one.release.epoch)

    def _hear_labels(self, one: Watched, known: Judged) -> None:
        """By the store's clock: labels came by that one, and so did the release."""
        late_labels.say_who_answered(self.parts.store, self.series, one)
        plan = known.judge.plan
        with self.parts.store.read() as read:
            found = late_labels.news(read, one, plan, known.state, read.now)
            truths = late_labels.truths(read, one, plan.qualities)
        for what in found:
            known.feed(what, one.release.epoch)
        key = self._key(one)
        for guard, labels in truths.items() if key is not None else ():
            pairs = self.series.pairs(one.release.name, list(labels))
            judged = late_labels.judged(labels, pairs, key or b"")
            paired = late_labels.paired_news(plan.qualities, known.state, guard, judged, self.clock())
            if paired is not None:
                known.feed(paired, one.release.epoch)

    def _noted(self, one: Watched) -> Noted | None:
        """Who is asked what was noted of its answers; nobody where that is in files of this machine."""
        if one.release.place.cluster is None:
            return None
        try:
            return self.parts.at(one.release.place).noted
        except PortError:  # the cluster is not connected any more
            return None

    def _key(self, one: Watched) -> bytes | None:
        """Of the digests that are kept in the place of its answers; None where nobody can say it."""
        if one.release.place.cluster is None:
            return self.recordings.secret()
        noted = self._noted(one)
        if noted is None or one.stable is None:
            return None
        return noted.key(one.release.target, (one.stable, one.release.backend))

    def _hear_counters(self, one: Watched, known: Judged, *, fresh: bool) -> None:
        guards = counting.asked(one.release.environment.guards)
        found = self._counting.news(one, guards, moved=known.moved, after=known.state.sequence, fresh=fresh)
        for what in found:
            known.feed(what, one.release.epoch)
