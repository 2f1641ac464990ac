"""What served when: each release of a target with the share of traffic that it had, and since when and until
when all of it.

From the releases and the record, which says each weight that the router confirmed. What serves ends with the
next release that is promoted, or with the place being handed back.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from policies.release import Phase, Release
from policies.version import Version
from service.store.reading import Reading
from service.store.rows import ReleaseRow
from service.store.states import number_of, release_of, version_of

PAGE = 100  # releases of a target that are told together
_ENTRIES = 2_000  # of one release: each weight is one
HANDED_BACK = "handed back"
INSTEAD = (
    "serves"  # in the record of a change by somebody else that was taken for right: what serves from then on
)


@dataclass(frozen=True, slots=True)
class Share:
    """From then on the router was seen to send so much, in percent."""

    at: float
    weight: float


@dataclass(frozen=True, slots=True)
class Served:
    """A release, and what it served. `since` is when it got all traffic; `until` None: it still has it."""

    release: Release
    version: Version | None
    shares: tuple[Share, ...] = ()
    since: float | None = None
    until: float | None = None

    def share_at(self, at: float) -> float:
        """The share that it was seen to have as a candidate, at a moment before it had all."""
        known = bisect_right([share.at for share in self.shares], at)
        return self.shares[known - 1].weight if known else 0.0


def of_target(read: Reading, target: str, *, before: int | None = None) -> list[Served]:
    """A target's releases, newest first, some at a time. The next page is `before` the last one's number."""
    return _served(read, target, read.releases(target=target, before=before, limit=PAGE))


def of_release(read: Reading, row: ReleaseRow) -> Served:
    """One release."""
    return _served(read, row.target, [row])[0]


def at(read: Reading, target: str, moment: float) -> list[tuple[Served, float]]:
    """What had traffic then and how much, the greatest share first. Empty where nothing of Segue's served."""
    found = _served(read, target, _rows_at(read, target, moment))
    coming = [one for one in found if one.since is None or moment < one.since]
    beside = [(one, one.share_at(moment)) for one in coming]
    rest = 100.0 - sum(share for _, share in beside)
    stable = [(one, rest) for one in found if _all_at(one, moment)]
    return sorted((pair for pair in stable + beside if pair[1] > 0), key=lambda pair: pair[1], reverse=True)


def _rows_at(read: Reading, target: str, moment: float) -> list[ReleaseRow]:
    """The last release that had been promoted by then, and those that were on their way, newest first."""
    begun = [release_of(row) for row in read.releases(target=target, begun=moment, limit=PAGE)]
    coming = {one.name for one in begun if one.peak > 0 and (one.ended is None or one.ended > moment)}
    promoted = read.releases(target=target, phase=Phase.PROMOTED.value, begun=moment, limit=PAGE)
    ended = (release_of(row) for row in promoted)
    stable = next((one.name for one in ended if _serves(one) and (one.ended or moment) <= moment), None)
    return read.releases_of(sorted((number_of(name) for name in {*coming, stable} if name), reverse=True))


def _all_at(one: Served, moment: float) -> bool:
    return one.since is not None and one.since <= moment and (one.until is None or moment < one.until)


def _served(read: Reading, target: str, rows: Sequence[ReleaseRow]) -> list[Served]:
    versions = {row.key: version_of(row) for row in read.versions_of([row.version_key for row in rows])}
    returned = _returned(read, target)
    found: list[Served] = []
    newer = read.next_promoted(target, rows[0].id) if rows else None
    ends = release_of(newer).ended if newer is not None else None
    for row in rows:
        one = release_of(row)
        since = one.ended if _serves(one) else None
        until = None if since is None else _first([ends, *(back for back in returned if back >= since)])
        found.append(Served(one, versions.get(row.version_key), _shares(read, one), since, until))
        ends = ends if since is None else since
    return found


def _serves(release: Release) -> bool:
    return release.phase is Phase.PROMOTED and not release.batch


def _first(moments: Sequence[float | None]) -> float | None:
    return min((one for one in moments if one is not None), default=None)


def _returned(read: Reading, target: str) -> list[float]:
    """When what a release had brought ended without another release."""
    entries = read.newest_of_record(target, limit=_ENTRIES)
    return [entry.at for entry in entries if entry.action == HANDED_BACK or INSTEAD in entry.detail]


def _shares(read: Reading, release: Release) -> tuple[Share, ...]:
    """Each change of the share, as it was confirmed; nothing where it never had any."""
    if release.peak <= 0:
        return ()
    found: list[Share] = []
    for entry in read.record_of(release.name, limit=_ENTRIES):
        weight = entry.detail.get("observed")
        if isinstance(weight, int | float) and weight != (found[-1].weight if found else 0.0):
            found.append(Share(entry.at, float(weight)))
    return tuple(found)
