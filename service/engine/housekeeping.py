"""Forgets what nobody needs any more: bodies, finished work, old alerts, images and what builds printed.

Asked for by the reconciler now and then, done by a worker like any other work, so that one does it at a
time and a failure is tried again. What an open release, a stable or a previous version needs is never
removed, nor what was acknowledged and not yet taken. The record stays for ever.
"""

from policies import version as versions
from policies.spec.declaration import FromImage
from policies.version import Version, VersionPhase
from service.bootstrap import Parts
from service.engine import firing, holding
from service.engine.deciding import Deciding, decide
from service.engine.firing import SILENT_SECONDS
from service.store import kept_logs
from service.store.queue import Work
from service.store.states import release_of, target_of, version_of

EVERY_SECONDS = 3600.0
DAY = 86_400.0


def tidy(parts: Parts, work: Work) -> None:
    """Everything once. Its order lets a crash in between lose nothing: names go before what they name."""
    seconds = parts.settings.keep_days * DAY
    now = parts.store.now()
    parts.inbox.forget_before(now - seconds, _taken(parts))
    # After the bodies: a body that is still there would be taken anew without its work's key.
    parts.store.forget_work(now - seconds)
    parts.store.forget_labels(now - seconds)
    kept_logs.forget(parts.store, now - seconds)
    decide(parts.store, lambda deciding: firing.forget(deciding.change, now - max(seconds, SILENT_SECONDS)))
    decide(parts.store, holding.refresh)
    keep = decide(parts.store, lambda deciding: _expire(deciding, now - seconds))
    parts.builder.tidy(keep, seconds)
    decide(parts.store, lambda deciding: deciding.change.finish(work))


def _taken(parts: Parts) -> int:
    """The id up to which deliveries are handled: nothing at or after one that waits may go."""
    taken = next((c.value for c in parts.store.cursors("inbox") if c.reference == "taken"), None)
    with parts.store.read() as read:
        waiting = [int(work.subject) for work in read.unfinished("delivery")]
    return min([int(taken or 0), *(number - 1 for number in waiting)])


def _expire(deciding: Deciding, before: float) -> frozenset[str]:
    """Old versions that nothing needs are to be built again should anybody want them; the images to keep."""
    needed, serving = _needed(deciding)
    kept: set[str] = set(serving)
    for row in deciding.change.versions():
        state = version_of(row)
        if _ours(state) and row.changed < before and row.key not in needed:
            deciding.save_version(row, versions.expire(state))
        elif state.image is not None:
            kept.add(state.image)
    return frozenset(kept)


def _ours(state: Version) -> bool:
    """Whether it has an image that can be built again; what somebody else built their registry keeps."""
    return state.phase is VersionPhase.READY and not isinstance(state.model.source, FromImage)


def _needed(deciding: Deciding) -> tuple[set[str], set[str]]:
    """Versions that are in use or on their way, and the images that serve or are kept warm."""
    targets = [target_of(row, row.name) for row in deciding.change.targets()]
    warm = [s for target in targets for s in (target.stable, target.previous) if s is not None]
    opened = {release_of(row).version for row in deciding.change.releases(final=False)}
    return opened | {s.version for s in warm}, {s.image for s in warm}
