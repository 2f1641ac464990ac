"""Jobs that only pretend: same rules, no process. For scenarios and as the smallest example."""

from typing import Self

from service.ports.connections import Source
from service.ports.jobs import Job, Result
from service.ports.outcomes import Failed, Gone, Working
from service.ports.printing import Printed
from service.settings import Settings


class MemoryJobs:
    """A job ends when it is looked at `looks` times, with the numbers or the failure given for it, and not
    while it is told to wait."""

    def __init__(self, looks: int = 1) -> None:
        self._looks = looks
        self._left: dict[str, int] = {}
        self._ended: dict[str, Result | Failed] = {}
        self.started: list[Job] = []
        self.results: dict[str, dict[str, float]] = {}  # job name, or "" for all others: its numbers
        self.failing: dict[str, str] = {}  # job name: why the next one is going to fail
        self.waiting = ""  # why none gets on

    @classmethod
    def open(cls, settings: Settings, source: Source | None = None) -> Self:  # noqa: ARG003
        """A runner with nothing run yet."""
        return cls()

    def start(self, job: Job) -> None:
        """Begin, unless a job of this name runs or has ended well; a failed one starts anew."""
        if job.name in self._left or isinstance(self._ended.get(job.name), Result):
            return
        self._ended.pop(job.name, None)
        self._left[job.name] = self._looks
        self.started.append(job)

    def state(self, name: str) -> Working | Result | Failed | Gone:
        """How far it is; looking at it is what moves it on."""
        if name not in self._left:
            return self._ended.get(name, Gone())
        if self.waiting:
            return Working(f"waiting: {self.waiting}")
        if self._left[name] > 0:
            self._left[name] -= 1
            return Working("running")
        del self._left[name]
        self._ended[name] = self._finish(name)
        return self._ended[name]

    def logs(self, name: str) -> str:
        """A line for each job that there was."""
        return f"running {name}\n" if any(job.name == name for job in self.started) else ""

    def read_on(self, name: str, mark: str) -> Printed:
        """Its line, once."""
        whole = self.logs(name)
        return Printed(whole[int(mark or 0) :], str(len(whole)))

    def cancel(self, name: str) -> None:
        """End it; one that has ended is left as it is."""
        if self._left.pop(name, None) is not None:
            self._ended[name] = Failed("the job was cancelled", self.logs(name))

    def _finish(self, name: str) -> Result | Failed:
        if name in self.failing:
            return Failed(self.failing.pop(name), self.logs(name))
        if not next(job for job in reversed(self.started) if job.name == name).writes:
            return Result(())
        numbers = self.results.get(name, self.results.get("", {}))
        return Result(tuple(sorted(numbers.items())))
