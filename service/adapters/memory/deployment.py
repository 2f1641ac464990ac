"""Workloads at a place where one was running before Segue came; they only pretend, as all do here."""

from service.adapters.memory.workloads import MemoryWorkloads
from service.ports.jobs import Limits
from service.ports.outcomes import Failed, Gone, Refused, Retry, Working
from service.ports.workloads import Serving, WorkloadOrder


class MemoryDeployment(MemoryWorkloads):
    """Memory workloads beside one that was found; None: there is nothing to find.

    `unready` is how many times more what was found is asked to run again before it does, `lingering` how
    many times more everything else is asked to go.
    """

    def __init__(self, name: str | None, image: str = "", looks: int = 0) -> None:
        super().__init__(looks)
        self.image = image
        self.unready = self.lingering = 0
        self.never_ready = ""  # what everything else waits for, while it does
        self.given: dict[str, tuple[str, str]] = {}  # name: the image that somebody else gave it, and who
        self._name = name
        if name is not None:
            self._run_found()

    def state(self, name: str) -> Working | Serving | Failed | Gone:
        """As ever, but for what waits."""
        known = super().state(name)
        waits = self.never_ready and isinstance(known, Serving) and name != self._name
        return Working(self.never_ready) if waits else known

    def found(self) -> tuple[str, Serving, str]:
        """What was running. Raises `Refused` where nothing was."""
        if self._name is None:
            raise Refused("there is no such Deployment")
        state = self.state(self._name)
        if not isinstance(state, Serving):
            raise Retry(f"{self._name} is not ready")
        return self._name, state, self.image

    def restore(self, image: str) -> None:
        """Run it again with this image."""
        if self.unready > 0:
            self.unready -= 1
            raise Retry(f"{self._name} is not ready yet", after=0.1)
        self.image = image
        self._run_found()

    def clear(self, target: str) -> None:  # noqa: ARG002
        """Everything else goes."""
        if self.lingering > 0:
            self.lingering -= 1
            raise Retry("a copy still answers", after=0.1)
        for name in self.running:
            if name != self._name:
                self.stop(name)

    def changed(self, name: str, image: str) -> str | None:
        """Whether it is gone, or was given another image."""
        if name not in self.running:
            return f"the Deployment {name} is gone"
        given, who = self.given.get(name, (image, ""))
        return None if given == image else f"{name} was changed by {who}: it runs {given}, not {image}"

    def gone(self, name: str) -> bool:
        """Whether it is not running."""
        return name not in self.running

    def runs(self, name: str, image: str) -> str:  # noqa: ARG002
        """What it was given."""
        return self.given[name][0]

    def mend(self, name: str, image: str, seen: str) -> None:
        """Forget what it was given."""
        if self.changed(name, image) != seen:
            raise Refused(f"{name} was changed once more since that was seen")
        del self.given[name]

    def _run_found(self) -> None:
        if self._name is not None and self._name not in self.running:
            self.start(WorkloadOrder(self._name, self.image, (), 8080, Limits()))
