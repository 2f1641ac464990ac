"""What traffic a release's version had, from when to when: the end of the way from a commit. Values only."""

from collections.abc import Sequence
from dataclasses import dataclass

from policies.release import Release
from service.engine import served as engine
from service.store.record import Entry


@dataclass(frozen=True, slots=True)
class Served:
    """`some`: when the router first confirmed a share, None where it had none or its record is cut; `whole`
    and `until`: when it had everything; `by`: the release that took over, empty where it was handed back.
    """

    some: float | None
    peak: float
    whole: float | None = None
    until: float | None = None
    by: str = ""


def served(
    release: Release, newest_first: Sequence[Entry], whole: engine.Served | None, followed: Release | None
) -> Served:
    """By its record, as far as it is given, by when it had everything, and by who was promoted after it."""
    shares = [entry for entry in newest_first if float(entry.detail.get("observed") or 0) > 0]
    some = shares[-1].at if shares and newest_first[-1].action == "began" else None
    if whole is None or whole.since is None:
        return Served(some, release.peak)
    by = followed.name if followed is not None and followed.ended == whole.until else ""
    return Served(some, 100.0, whole.since, whole.until, by)
