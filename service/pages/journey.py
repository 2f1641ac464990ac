"""A release's way as a row of stops: what is behind it, where it is, what is to come. Values only."""

from dataclasses import dataclass, replace
from enum import StrEnum

from policies.release import FINAL, Phase, Release
from policies.strategy import Shadow, Shift, Watch
from service.reporting.words import span


class Mark(StrEnum):
    """How a stop stands."""

    DONE = "done"
    NOW = "now"
    NEXT = "next"
    ENDED = "ended"  # here it came to another end than it wanted
    LEFT = "left out"  # it never came here


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop. `at` is the least weight that belongs to it; None for stops without traffic."""

    words: str
    phase: Phase
    at: float | None = None
    mark: Mark = Mark.NEXT


_ORDER = (
    Phase.PENDING, Phase.APPROVAL, Phase.QUEUED, Phase.STARTING, Phase.CHECKING, Phase.SHADOWING,
    Phase.SHIFTING, Phase.WATCHING, Phase.PROMOTED,
)  # fmt: skip
_ENDS = {Phase.REFUSED: Phase.PENDING, Phase.REJECTED: Phase.APPROVAL}
_GOOD = frozenset({Phase.PROMOTED, Phase.ALREADY_THERE})


def stops(release: Release) -> tuple[Stop, ...]:
    """All stops from build to promotion, marked."""
    way = _way(release)
    if release.phase in _GOOD:
        return tuple(replace(one, mark=Mark.DONE) for one in way)
    here = _here(release, way)
    ends = release.phase in FINAL or release.phase is Phase.RESTORING
    marked = [replace(one, mark=Mark.DONE) for one in way[:here]]
    marked.append(replace(way[here], mark=Mark.ENDED if ends else Mark.NOW))
    marked += [replace(one, mark=Mark.LEFT if ends else Mark.NEXT) for one in way[here + 1 :]]
    if ends:
        marked[-1] = replace(marked[-1], words=release.phase.value, mark=Mark.ENDED)
    return tuple(marked)


def _way(release: Release) -> list[Stop]:
    found = [Stop("built, evaluated", Phase.PENDING)]
    if release.environment.approvals.count:
        found.append(Stop("approved", Phase.APPROVAL))
    if not release.batch:
        found += [Stop("started", Phase.STARTING), Stop("checked", Phase.CHECKING)]
    for step in release.steps:
        match step:
            case Shadow(seconds=seconds):
                found.append(Stop(f"copies {span(seconds)}", Phase.SHADOWING))
            case Shift(weights=weights):
                found += [Stop(f"{weight:g} %", Phase.SHIFTING, weight) for weight in weights]
            case Watch(seconds=seconds):
                found.append(Stop(f"watched {span(seconds)}", Phase.WATCHING))
    return [*found, Stop("promoted", Phase.PROMOTED)]


def _here(release: Release, way: list[Stop]) -> int:
    """The stop at which it is, or from which it ended."""
    phase = _ENDS.get(release.phase, release.phase)
    if phase in FINAL or phase is Phase.RESTORING:
        phase = Phase.SHIFTING if release.peak > 0 else _before_traffic(release)
    if phase is Phase.SHIFTING:
        weight = release.peak if release.phase is not Phase.SHIFTING else release.wanted
        found = (n for n, one in enumerate(way) if one.at is not None and one.at >= weight)
    else:
        found = (n for n, one in enumerate(way) if _ORDER.index(one.phase) >= _ORDER.index(phase))
    return next(found, len(way) - 1)


def _before_traffic(release: Release) -> Phase:
    if release.evidence is not None:  # judged without traffic: by copies
        return Phase.SHADOWING
    return Phase.STARTING if release.epoch else Phase.APPROVAL if release.plan else Phase.PENDING
