"""What a Git host's own list of deployments says of a release: one of the words that hosts have for it."""

from policies.release import FINAL, HOLDING, Phase, Release
from policies.settle import GOOD

QUEUED, IN_PROGRESS, SUCCESS, FAILURE, INACTIVE = "queued", "in_progress", "success", "failure", "inactive"
_STATES = {
    Phase.APPROVAL: QUEUED,
    Phase.QUEUED: QUEUED,
    **dict.fromkeys(HOLDING, IN_PROGRESS),
    **dict.fromkeys(FINAL, FAILURE),
    **dict.fromkeys(GOOD, SUCCESS),
    Phase.SUPERSEDED: INACTIVE,
}


def state(release: Release) -> str | None:
    """Its state; None before its version is ready, and where nothing is deployed: it is only watched."""
    return None if release.only_watched else _STATES.get(release.phase)
