"""Which rollouts are judged now, and what serves beside them, by place; read anew only where rows changed.

Whoever looks once a second must not decode, each time, what is as it was.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from policies.place import Place
from policies.release import JUDGED, Release, Target
from service.store.reading import Reading
from service.store.states import release_of, target_of

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Watched:
    """A rollout at one moment, with the target that it holds."""

    release: Release
    target: Target

    @property
    def moment(self) -> tuple[int, int, float, bool]:
        """Equal at both ends of an interval in which no weight moved."""
        one = self.release
        return one.epoch, one.attempt, one.observed, one.settled

    @property
    def stable(self) -> str | None:
        """The backend that the candidate is compared with."""
        serving = self.target.stable
        return None if serving is None or serving.backend == self.release.backend else serving.backend


@dataclass(slots=True)
class Scene:
    """One place: all its targets, and the rollouts there that are judged."""

    place: Place
    targets: list[Target] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)


@dataclass(slots=True)
class Kept(Generic[K, V]):
    """Values of rows by key, with the revision at which each was read."""

    _kept: dict[K, tuple[int, V]] = field(default_factory=dict)

    def follow(self, revs: Mapping[K, int], load: Callable[[list[K]], Iterable[tuple[K, V]]]) -> dict[K, V]:
        """The values of these rows; only those at another revision are loaded."""
        stale = [key for key, rev in revs.items() if key not in self._kept or self._kept[key][0] != rev]
        fresh = {key: (revs[key], value) for key, value in load(stale)} if stale else {}
        self._kept = {key: fresh.get(key) or self._kept[key] for key in revs}
        return {key: value for key, (_, value) in self._kept.items()}


class Scenes:
    """What the engine's store says, followed from reading to reading."""

    def __init__(self) -> None:
        self._targets: Kept[str, Target] = Kept()
        self._releases: Kept[int, Release] = Kept()

    def read(self, read: Reading) -> list[Scene]:
        """Each place with a target. A rollout is judged while it holds its target."""
        targets = self._targets.follow(
            read.target_revs(),
            lambda names: ((row.name, target_of(row, row.name)) for row in read.targets_of(names)),
        )
        releases = self._releases.follow(
            read.release_revs([phase.value for phase in JUDGED]),
            lambda ids: ((row.id, release_of(row)) for row in read.releases_of(ids)),
        )
        found = (Watched(one, targets[one.target]) for one in releases.values() if one.target in targets)
        return _by_place(targets.values(), (one for one in found if one.target.holder == one.release.name))


def _by_place(targets: Iterable[Target], watched: Iterable[Watched]) -> list[Scene]:
    """Targets of one cluster count as one place: one scrape tells of all."""
    scenes: dict[str | None, Scene] = {}
    for target in targets:
        scene = scenes.setdefault(target.place.cluster, Scene(target.place))
        scene.targets.append(target)
    for one in watched:
        place = one.release.place
        scene = scenes.setdefault(place.cluster, Scene(place))
        scene.place = place
        scene.watched.append(one)
    return list(scenes.values())
