"""What a Git host's list of deployments is told of a release: each state once, where there is such a list."""

from collections.abc import Sequence

from policies import deployment, messages
from policies.effects import ReportDeployment
from policies.release import Release
from service.engine import telling
from service.ports.connections import Source
from service.sources import DEPLOYING_KINDS
from service.store.change import Change
from service.store.states import release_of

_LOOKED_AT = 20  # earlier releases of a version


def effect(
    change: Change, sources: Sequence[Source], before: Release, after: Release
) -> ReportDeployment | None:
    """That the release's host is told of its new state; None where there is none, or no such host."""
    state = deployment.state(after)
    if state is None or state == deployment.state(before):
        return None
    where = _commit(change, after)
    lists = {source.name for source in sources if source.kind in DEPLOYING_KINDS}
    if where is None or where[0] not in lists:
        return None
    key, title = telling.key(after), messages.title(after)
    return ReportDeployment(*where, after.target, after.name, key, state, title)


def _commit(change: Change, release: Release) -> tuple[str, str] | None:
    """Source and commit of what is deployed. A switch back has none of its own: its version came by one."""
    causes = [release.cause]
    if release.switch and release.version:
        rows = change.releases(target=release.target, version_key=release.version, limit=_LOOKED_AT)
        causes += [release_of(row).cause for row in rows]
    return next(((c.source, c.commit) for c in causes if c.source and c.commit), None)
