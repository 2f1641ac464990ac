"""Whose turn it is on a target: what a newer release does to older ones that wait, or are on their way.

The newer one's `when_newer` counts. Whatever it says, no release takes a target after a newer one has held
it, and a rollback that people asked for waits for nothing but the release that holds the target.
"""

from collections.abc import Sequence

from policies.release import JUDGED, Phase, Release
from policies.spec.declaration import WhenNewer

RUNNING = frozenset({Phase.STARTING, Phase.CHECKING, *JUDGED})


def overtakes(release: Release) -> bool:
    """Whether older ones that wait give way to it; else it waits for each of them."""
    return release.switch or release.environment.when_newer is not WhenNewer.SERIALIZE


def cancels(newer: Release, holder: Release) -> bool:
    """Whether the newer one, which is ready, also ends the one that holds the target."""
    # Who waits to be sent requests by somebody else may wait for ever.
    unseen = holder.only_watched and holder.phase is Phase.STARTING
    asked = unseen or newer.environment.when_newer is WhenNewer.CANCEL_RUNNING
    return asked and newer.number > holder.number and holder.phase in RUNNING and not holder.switch


def ahead(release: Release, waiting: Sequence[Release]) -> Release | None:
    """The one that takes the target before `release` may; None: it is first.

    `waiting` are those of its target that have not ended and do not hold it; itself may be among them.
    """
    ready = [o for o in waiting if o.number > release.number and o.phase is Phase.QUEUED and overtakes(o)]
    if ready:
        return max(ready, key=_number)
    older = [o for o in waiting if o.number < release.number]
    return None if overtakes(release) or not older else min(older, key=_number)


def first(waiting: Sequence[Release]) -> Release | None:
    """The one that takes the target once it is free; there is never more than one."""
    queued = (o for o in waiting if o.phase is Phase.QUEUED)
    return next((o for o in queued if ahead(o, waiting) is None), None)


def _number(release: Release) -> int:
    return release.number
