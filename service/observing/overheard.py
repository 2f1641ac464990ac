"""Who answered which request in a cluster, as its recorder that listens to the data plane noted it.

A note says a version's stamp. One that is of no version of the target counts for nobody: whoever can send
spans can invent some.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import structlog

from policies.place import Place, served_by
from policies.spec.declaration import Guard
from service.bootstrap import Parts
from service.observing.watched import Scene
from service.ports.outcomes import PortError
from service.recorder.spool import Assigned, Lost, Note
from service.store.recorded_rows import Assignment

log = structlog.get_logger()
SELDOM_SECONDS = 10.0  # between two looks where no release is judged by who answered
MOST_MARKS = (
    50  # of one place; pods come and go, and one that is asked again from its begin tells nothing new
)
Marks = dict[str, int]


@dataclass(slots=True)
class Overheard:
    """What one process took of all places: up to which marks it is stored, by recorder, and when it asked."""

    parts: Parts
    _stored: dict[Place, Marks] = field(default_factory=dict)
    _asked: dict[Place, float] = field(default_factory=dict)

    def due(self, scene: Scene, now: float) -> list[Place]:
        """Where a recorder may listen, beside routes of Segue's own in a cluster, and is to be asked now."""
        known = {target.place for target in scene.targets} | {one.release.place for one in scene.watched}
        own = [p for p in known if p.cluster and not (p.route or p.deployment or p.watched)]
        often = {one.release.place for one in scene.watched if _asks(one.release.environment.guards)}
        return [p for p in own if p in often or not 0 <= now - self._asked.get(p, -1e9) < SELDOM_SECONDS]

    def ask(self, place: Place, scene: Scene, now: float) -> tuple[list[Assignment], Marks]:
        """What was noted since what is stored, and the marks once that is stored, too; who does not answer
        now is asked at the next look."""
        self._asked[place] = now
        stored = self._stored.get(place, {})
        try:
            noted = self.parts.at(place).noted
            notes, marks = ([], stored) if noted is None else noted.answered(stored)
        except PortError as reason:
            log.warning("nobody tells who answered", cluster=place.cluster, reason=str(reason))
            return [], stored
        if lost := sum(note.count for note in notes if isinstance(note, Lost)):
            log.warning("it is not known who answered", cluster=place.cluster, requests=lost)
        return assignments(notes, scene), marks

    def stored(self, place: Place, marks: Marks) -> None:
        """All up to these marks is stored: the recorder may forget it."""
        self._stored[place] = dict(list(marks.items())[-MOST_MARKS:])


def assignments(notes: Iterable[Note], scene: Scene) -> list[Assignment]:
    """Of the notes those that name a version."""
    stamps = {(target, served_by(backend)): backend for target, backend in _versions(scene)}
    return [
        Assignment(note.target, note.request, backend, note.at)
        for note in notes
        if isinstance(note, Assigned) and (backend := stamps.get((note.target, note.backend))) is not None
    ]


def _versions(scene: Scene) -> Iterable[tuple[str, str]]:
    """Each target's versions that serve, did before, or are to."""
    for target in scene.targets:
        for serving in (target.stable, target.previous):
            if serving is not None:
                yield target.name, serving.backend
    for one in scene.watched:
        yield one.release.target, one.release.backend


def _asks(guards: Iterable[Guard]) -> bool:
    return any(guard.by_request for guard in guards)
