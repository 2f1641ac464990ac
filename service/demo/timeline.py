"""Which version may have answered when: told from the record alone, and held against every answer.

The record says before each write what is wanted and after it what the router confirmed. Between the
two, both splits are possible; before and after, only one is. Pure: no clock, no I/O.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.demo.traffic import Answer

TAKEN_BACK = frozenset({"rolled back", "aborted", "failed"})


@dataclass(frozen=True, slots=True)
class Moment:
    """From this moment until the next one, these versions may answer."""

    at: float
    versions: frozenset[str]


def moments(releases: Iterable[Mapping[str, Any]]) -> tuple[Moment, ...]:
    """One target's history from all its releases, as the API shows each with its record."""
    entries = sorted(
        (entry["at"], entry["id"], entry["action"], entry["detail"], found["release"]["backend"])
        for found in releases
        for entry in found["record"]
        if "wanted" in entry["detail"]
    )
    stable: str | None = None
    told: list[Moment] = []
    for at, _, phase, detail, backend in entries:
        told.append(Moment(at, _possible(phase, detail, backend, stable)))
        if phase == "promoted":
            stable = backend
    return tuple(told)


def _possible(phase: str, detail: Mapping[str, Any], backend: str, stable: str | None) -> frozenset[str]:
    if phase == "promoted":
        return frozenset({backend})
    weights = (detail["wanted"], detail["observed"])
    mine = {backend} if max(weights) > 0 and phase not in TAKEN_BACK else set()
    theirs = {stable} if stable is not None and min(weights) < 100 else set()
    return frozenset(mine | theirs)


def strangers(answers: Iterable[Answer], told: Sequence[Moment]) -> list[Answer]:
    """Answers by a version that had no traffic at any moment between the request and its answer.

    A good answer that names no version is one, too; a failure without a name is the router's own.
    """
    times = [moment.at for moment in told]
    named = [a for a in answers if a.version or not a.failed]
    return [a for a in named if a.version not in _between(told, times, a.sent, a.done)]


def _between(told: Sequence[Moment], times: Sequence[float], sent: float, done: float) -> frozenset[str]:
    first = max(0, bisect_right(times, sent) - 1)
    last = bisect_right(times, done)
    return frozenset().union(*(moment.versions for moment in told[first:last]))


def unexplained(answers: Iterable[Answer], faulty: frozenset[str]) -> list[Answer]:
    """Failed requests that no version with a known fault answered."""
    return [a for a in answers if a.failed and a.version not in faulty]
