"""What a registry's version says of its releases: tags for programs, and a line for people.

The tags begin with `segue.`, by which Segue knows its own when a registry tells of them.
"""

from datetime import UTC, datetime

from policies import messages
from policies.effects import TagVersion
from policies.release import Phase, Release, Target

MOST_TAG = 1000  # characters; MLflow takes 5,000 in most of its databases
SINCE, UNTIL = "segue.served_since", "segue.served_until"


def back(release: Release) -> tuple[TagVersion, ...]:
    """How a release ended. A version that serves once more has no end any more."""
    cause = release.cause
    if cause.registry is None or cause.registered is None:
        return ()
    tags: tuple[tuple[str, str], ...] = (
        ("segue.release", release.name),
        ("segue.result", release.phase.value),
        ("segue.reason", _why(release)[:MOST_TAG]),
        ("segue.target", release.target),
    )
    if release.phase is Phase.PROMOTED:
        tags += ((SINCE, _stamp(release.ended)), (UNTIL, ""))
    note = f"{messages.title(release)}, {_stamp(release.ended)}: {_why(release)}"
    return (TagVersion(cause.registry, *cause.registered, tags, release.target, note),)


def replaced(release: Release, before: Target, after: Target) -> tuple[TagVersion, ...]:
    """That the version which served until now does not any more. One that was stored before its registry was
    noted is taken to be of the new one's."""
    old = before.stable
    gone = old is not None and after.stable is not None and old.backend != after.stable.backend
    if old is None or old.registered is None or not gone:
        return ()
    registry = old.registry or release.cause.registry
    if registry is None:
        return ()
    until = _stamp(release.ended)
    note = f"served {release.target} from {_stamp(old.since)} to {until}; then came {release.name}"
    return (TagVersion(registry, *old.registered, ((UNTIL, until),), release.target, note),)


def _why(release: Release) -> str:
    return release.reason or messages.proof(release)


def _stamp(at: float | None) -> str:
    """As RFC 3339 has it, in whole seconds; "" for what has not been yet."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
