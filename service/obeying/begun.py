"""What people are told of releases that they have just begun: each one's next step."""

from collections.abc import Sequence

from policies import replies
from service.engine.deciding import Deciding
from service.store.rows import ReleaseRow
from service.store.states import number_of, release_of, target_of


def started(deciding: Deciding, names: Sequence[str]) -> str:
    """That these have begun; what is next is said once for all of which it is the same."""
    told: dict[str, list[str]] = {}
    rows = deciding.change.releases_of([number_of(name) for name in names])
    for row in sorted(rows, key=lambda row: row.id):
        told.setdefault(_ahead(deciding, row), []).append(f"{row.name} on {row.target}")
    return "; ".join(f"started {', '.join(those)}: {next_}" for next_, those in told.items())


def ahead(deciding: Deciding, name: str) -> str:
    """What happens next to a release that was begun in this change."""
    row = deciding.change.release(number_of(name))
    return "it has begun" if row is None else _ahead(deciding, row)


def _ahead(deciding: Deciding, row: ReleaseRow) -> str:
    target = target_of(deciding.change.target(row.target), row.target)
    return replies.ahead(release_of(row), target, deciding.now)
