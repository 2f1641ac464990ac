"""Numbers that jobs log where people look at them, instead of telling them to Segue."""

from typing import Protocol


class RunMetrics(Protocol):
    """Reads what a job logged. Raises `Retry` and `Refused`."""

    def environment(self, experiment: str, job: str) -> tuple[tuple[str, str], ...]:
        """The variables by which the job's own code logs there, and is found again."""
        ...

    def metrics(self, experiment: str, job: str) -> tuple[tuple[str, float], ...]:
        """Its finite numbers, by name. Raises `Refused`, with what to do, where it logged none."""
        ...
