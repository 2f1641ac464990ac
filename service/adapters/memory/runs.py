"""Runs that are put there by hand; for tests and for trying things out."""

from typing import Self

from service.ports.connections import Source
from service.ports.outcomes import Refused
from service.settings import Settings


class MemoryRuns:
    """What jobs logged: by experiment and job, or "" for every job."""

    def __init__(self) -> None:
        self.logged: dict[tuple[str, str], dict[str, float]] = {}

    @classmethod
    def open(cls, settings: Settings, source: Source | None = None) -> Self:
        """A source to which nobody has logged anything."""
        del settings, source
        return cls()

    def environment(self, experiment: str, job: str) -> tuple[tuple[str, str], ...]:
        """Both names."""
        return (("EXPERIMENT", experiment), ("JOB", job))

    def metrics(self, experiment: str, job: str) -> tuple[tuple[str, float], ...]:
        """What was put there."""
        found = self.logged.get((experiment, job), self.logged.get((experiment, "")))
        if not found:
            raise Refused(f"the job {job} logged no numbers to the experiment {experiment!r}")
        return tuple(sorted(found.items()))
