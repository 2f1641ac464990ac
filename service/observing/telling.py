"""Tells the engine what guards conclude: when it could decide otherwise by it, and before it is stale."""

from collections.abc import Sequence

from policies import shifting
from policies.events import EvidenceChanged
from policies.evidence import Evidence, completed
from policies.guards import wagers
from policies.guards.wagers import Betting
from policies.release import Release
from service.machine import meters
from service.observing.judged import Judged
from service.observing.watched import Watched
from service.store import advisory
from service.store.queue import Work
from service.store.states import EVIDENCE
from service.store.store import Store

TELL_SECONDS = (
    7.0  # unchanged evidence is told again after so long, before half of what it is good for is over
)
NEEDS_SECONDS = 60.0  # what would change a verdict is worked out anew after so long, or another failure


def is_news(one: Watched, known: Judged, now: float) -> bool:
    """Whether something changed, or what the engine knows will soon be stale."""
    if known.told is None or not 0 <= now - known.told_at < TELL_SECONDS:
        return True
    seen = known.judge.evidence(known.state, epoch=one.release.epoch, at=now, needs=False)
    return differs(one.release, known.told, seen)


def differs(release: Release, told: Evidence, now: Evidence) -> bool:
    """Whether a decision could come out otherwise than with what was told."""
    return (
        (told.verdict, told.allowed, told.weight) != (now.verdict, now.allowed, now.weight)
        or told.epoch != now.epoch
        or (told.share is None) != (now.share is None)
        or (release.only_watched and told.current != now.current)
        or shifting.shared(release, told) != shifting.shared(release, now)
    )


def tell(store: Store, news: Sequence[tuple[Watched, Judged]], now: float) -> None:
    """Evidence for the engine; all of it rests on what is stored."""
    for first in range(0, len(news), advisory.TOGETHER):
        _tell_some(store, news[first : first + advisory.TOGETHER], now)


def _tell_some(store: Store, news: Sequence[tuple[Watched, Judged]], now: float) -> None:
    evidence = wagers.settled([_found(one, known, now) for one, known in news])
    with store.change() as change:
        for (one, _), found in zip(news, evidence, strict=True):
            # Its age will be told by the store's clock, so it begins by that one.
            name, body = one.release.name, EVIDENCE.dump(EvidenceChanged(found, change.now))
            key = f"evidence:{name}:{found.epoch}:{found.sequence}"
            change.add_work(Work(f"evidence:{name}", "evidence", key, name, body))
    for (_, known), found in zip(news, evidence, strict=True):
        meters.VERDICTS.labels(found.verdict.value).inc()
        known.told, known.told_at = found, now


def _found(one: Watched, known: Judged, now: float) -> Betting[Evidence]:
    """The evidence with what would change it, which takes as long as all else: known for a while."""
    epoch, told = one.release.epoch, known.told
    if told is not None and 0 <= now - known.needs_at < NEEDS_SECONDS:
        seen = yield from known.judge.saying(known.state, epoch=epoch, at=now, needs=False)
        found = completed(seen, told)
        if found is not None:
            return found
    known.needs_at = now
    return (yield from known.judge.saying(known.state, epoch=epoch, at=now))
